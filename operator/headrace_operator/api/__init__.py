"""The WorkerQueue resource as people write it: models, their rules, and the CRD made of them."""
