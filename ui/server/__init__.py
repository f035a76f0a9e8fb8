"""The server behind the page: services, admission, permissions, media and background jobs."""
