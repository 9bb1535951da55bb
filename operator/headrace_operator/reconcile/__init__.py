"""The level-based loop that `headrace dev` and the Kubernetes operator share, on the seams Runtime and Objects."""
