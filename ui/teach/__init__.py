"""Teaching a model one more language from pairs of texts."""
