"""The worker: claims jobs, runs handlers, settles. Lifecycle at every level: start, quiet, stop.

Must not import the operator. What is not needed before the first job is imported after it.
"""
