"""Speed and memory, each row against what others use for the same work."""
