"""Calibration of a model's scores: how likely a hit is right, fitted on dev-2."""
