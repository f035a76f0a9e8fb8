"""Readers of words and sentences: each reads one fetched collection, most of them as ``entries.Entry`` values."""
