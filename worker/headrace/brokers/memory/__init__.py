"""The broker of one process: what the Lua scripts do, in plain Python over plain data, on a clock that can be moved.

A file here is a file of contract/lua and says the same in Python: where the two disagree, one of them is wrong, and the
conformance suite says which. Keeps nothing when the process ends; no other process sees it.
"""
