"""Speaking with the API server: requests, watches, the leader's lease. Knows nothing of queues or workers."""
