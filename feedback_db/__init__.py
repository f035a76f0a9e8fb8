"""Feedback that survives: typed records, an append-only SQLite database, consented recordings."""

from feedback_db.recordings import hash_file, recording_path, recordings_folder, save_recording
from feedback_db.records import LABELS, Counts, FeedbackError, Judgement, Undo
from feedback_db.store import Store

__all__ = [
    "LABELS",
    "Counts",
    "FeedbackError",
    "Judgement",
    "Store",
    "Undo",
    "hash_file",
    "recording_path",
    "recordings_folder",
    "save_recording",
]
