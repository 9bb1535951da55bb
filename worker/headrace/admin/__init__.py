"""Operations on a queue for the command line, the operator and other tools.

Owns what people do with a queue: look, pause, cancel, bring back, mend. Must not run jobs or import the worker.
"""
