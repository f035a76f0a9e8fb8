"""The commands of ``python -m cacara``, one a file."""
