"""What lives as long as the app: model and gallery, feedback, jobs, permissions, and what was lately shown."""
