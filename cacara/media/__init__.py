"""Sounds, pictures and videos that others made, decoded within bounds."""
