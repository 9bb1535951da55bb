"""`python -m headrace` is `headrace`."""

from headrace.cli.entry import run

run()
