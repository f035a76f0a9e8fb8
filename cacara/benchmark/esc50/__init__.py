"""ESC-50: zero-shot classification and retrieval, for measuring alone."""
