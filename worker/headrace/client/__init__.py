"""What an application imports: Fleet, Queue, Task, Job, and the producer behind them.

Must not import the worker: a web server that only enqueues pays for nothing else.
"""
