"""Fonts for every script that the page shows, served from this machine and only where its own fonts lack a script."""
