"""The `headrace` command. Owns what people type and see; what it does is the admin's, the worker's and the client's."""
