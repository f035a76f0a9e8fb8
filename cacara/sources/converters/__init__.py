"""Converters of foreign weight formats into plain model folders, one a format."""
