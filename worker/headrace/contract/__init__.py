"""What producers, workers and the operator share: keys, scripts, envelope, stats, presence, protocol version.

Owns the meaning of every byte in Redis. Must not import the client, the worker or the operator.
"""
