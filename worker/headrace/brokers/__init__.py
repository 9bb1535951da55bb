"""What keeps the jobs: one protocol, and what implements it.

Owns the seam between the engine (client, worker) and a server. Must not import the client or the worker.
"""
