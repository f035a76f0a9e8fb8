"""The model: towers, parts, its folder on disk, and the registry of promoted models."""
