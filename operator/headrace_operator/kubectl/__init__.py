"""`kubectl headrace`: a fleet from outside its cluster, by its WorkerQueues' names. Needs kubectl and no Redis."""
