"""Services that live as long as the app: model and gallery, feedback, jobs, permissions, recent results."""
