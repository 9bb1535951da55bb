"""Workers as processes of this machine: a Runtime for a laptop."""
