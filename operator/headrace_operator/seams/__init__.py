"""What the operator core needs from the world: where workers run, where the resources are. Only protocols."""
