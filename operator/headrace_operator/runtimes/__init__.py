"""Places where workers run, each behind seams.runtime.Runtime."""
