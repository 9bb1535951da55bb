"""Workers as pods: one Deployment per version of a WorkerQueue."""
