"""Feedback in and out: files, journals and datasets on the hub."""
