"""Places where WorkerQueues are kept, each behind seams.objects.Objects."""
