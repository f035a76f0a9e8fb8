"""Texts, sounds and pictures in the plane."""
