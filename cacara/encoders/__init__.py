"""Frozen encoders with published weights, one a file."""
