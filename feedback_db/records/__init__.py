"""Feedback records: frozen dataclasses validated on construction."""
