"""Encoders that ``transformers`` loads from a folder or the hub."""
