"""The connection to Redis: an address, one connection, a link that reconnects and runs scripts.

Owns bytes and errors of the wire; knows nothing of queues. See docs/decisions/0003-own-wire.md for why it is ours.
"""
