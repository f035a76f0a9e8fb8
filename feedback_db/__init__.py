"""Feedback that survives: typed records, an append-only SQLite database, consented recordings."""

from feedback_db.errors import FeedbackError
from feedback_db.records.campaigns import AnnotatorStatistics, Campaign, Item, Lease, Progress, Ranking
from feedback_db.records.opinions import (
    CHOICES,
    GRADES,
    KINDS,
    LABELS,
    REASONS,
    Adjudication,
    Caption,
    Counts,
    Deletion,
    Event,
    Judgement,
    Preference,
    Undo,
)
from feedback_db.records.people import Listener, Person, Record, Skip
from feedback_db.records.review import Change, LabelRow, Pair, ReviewRow
from feedback_db.store.people import ForgetResult
from feedback_db.store.recordings import hash_file, recording_path, recordings_folder, save_recording
from feedback_db.store.store import Store

__all__ = [
    "CHOICES",
    "GRADES",
    "KINDS",
    "LABELS",
    "REASONS",
    "Adjudication",
    "AnnotatorStatistics",
    "Campaign",
    "Caption",
    "Change",
    "Counts",
    "Deletion",
    "Event",
    "FeedbackError",
    "ForgetResult",
    "Item",
    "Judgement",
    "LabelRow",
    "Lease",
    "Listener",
    "Pair",
    "Person",
    "Preference",
    "Progress",
    "Ranking",
    "Record",
    "ReviewRow",
    "Skip",
    "Store",
    "Undo",
    "hash_file",
    "recording_path",
    "recordings_folder",
    "save_recording",
]
