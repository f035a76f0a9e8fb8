"""The Languages tab."""
