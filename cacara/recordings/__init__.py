"""Recordings of any length: search, live listening, speech, and export for linguists."""
