"""`headrace dev`: the operator's core on one machine, with local processes and an embedded server."""
