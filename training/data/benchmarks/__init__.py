"""Builders of the frozen benchmarks, and what they keep out of training."""
