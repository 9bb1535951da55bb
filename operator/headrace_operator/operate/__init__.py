"""The Kubernetes operator as a process: its settings, its health, leading and standing by."""
