"""What people say about search results, as values that cannot be made wrongly."""

from __future__ import annotations

import dataclasses
import datetime
import math
import numbers
import re
import uuid
from collections.abc import Mapping
from typing import NoReturn

LABELS = ("relevant", "not_relevant", "unsure")
MAX_RANK = 1_000_000
# Longest accepted text of each field, in characters.
MAX_CHARACTERS: Mapping[str, int] = {
    "query_text": 2000,
    "language": 35,
    "clip_id": 1000,
    "model": 200,
    "model_version": 200,
    "gallery": 500,
    "annotator": 100,
}

_EVENT_ID = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
# SQLite cannot hold a lone surrogate, and many of its tools stop reading at a NUL.
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


class FeedbackError(Exception):
    """Feedback could not be taken, stored or read; the text is safe to show to a user."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judgement:
    """One person's answer to "does this sound match this query?".

    Attributes:
        query_text: The query as typed, or None when it was a recording.
        recording_sha256: Hash of the recording's bytes, or None when the query was text.
        consent: The person agreed that this judgement's recording is kept; needed for a recording.
        language: BCP-47 code of the query's language, or None when unknown.
        clip_id: The clip that was judged.
        rank: Its place in the results, from 1.
        score: Its score as the model gave it, finite.
        label: One of ``LABELS``.
        model: Name of the model that ranked.
        model_version: Version of that model.
        gallery: Name of the gallery that was searched.
        annotator: Who judged: a chosen name or an anonymous token.
        judgement_id: 32 lower-case hex digits, made when not given.
        created_utc: ISO-8601 time in UTC, made when not given. Order never depends on it: clocks jump.

    Raises:
        FeedbackError: A field is out of its range; the message names it, what was found and wanted.
    """

    query_text: str | None
    recording_sha256: str | None
    consent: bool
    language: str | None
    clip_id: str
    rank: int
    score: float
    label: str
    model: str
    model_version: str
    gallery: str
    annotator: str
    judgement_id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    created_utc: str = dataclasses.field(default_factory=lambda: _now_utc())

    def __post_init__(self) -> None:
        if (self.query_text is None) == (self.recording_sha256 is None):
            both = "neither" if self.query_text is None else "both"
            raise FeedbackError(f"a judgement is about a query text or a recording; found {both}, wanted one")
        for field in ("query_text", "language"):
            if getattr(self, field) is not None:
                _check_text(field, getattr(self, field))
        for field in ("clip_id", "model", "model_version", "gallery", "annotator"):
            _check_text(field, getattr(self, field))
        if not isinstance(self.consent, bool):
            _refuse("consent", self.consent, "True or False")
        if self.recording_sha256 is not None:
            _check_pattern("recording_sha256", self.recording_sha256, _SHA256, "64 lower-case hex digits")
            if not self.consent:
                raise FeedbackError(
                    "a recording is kept only with its speaker's consent; found consent False, wanted True"
                )
        if self.language is not None:
            _check_pattern("language", self.language, _LANGUAGE, "a BCP-47 code such as 'pt-BR', or None")
        if self.label not in LABELS:
            _refuse("label", self.label, f"one of {', '.join(LABELS)}")
        _check_pattern("judgement_id", self.judgement_id, _EVENT_ID, "32 lower-case hex digits")
        _check_time("created_utc", self.created_utc)
        # Scores and ranks often arrive as numpy scalars, which SQLite would store as blobs or refuse.
        object.__setattr__(self, "rank", _checked_rank(self.rank))
        object.__setattr__(self, "score", _checked_score(self.score))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Undo:
    """One person taking back a judgement of their own.

    Attributes:
        judgement_id: The judgement that no longer counts.
        annotator: Who took it back, the one who had made it.
        undo_id: 32 lower-case hex digits, made when not given.
        created_utc: ISO-8601 time in UTC, made when not given.

    Raises:
        FeedbackError: A field is out of its range.
    """

    judgement_id: str
    annotator: str
    undo_id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    created_utc: str = dataclasses.field(default_factory=lambda: _now_utc())

    def __post_init__(self) -> None:
        _check_pattern("judgement_id", self.judgement_id, _EVENT_ID, "32 lower-case hex digits")
        _check_text("annotator", self.annotator)
        _check_pattern("undo_id", self.undo_id, _EVENT_ID, "32 lower-case hex digits")
        _check_time("created_utc", self.created_utc)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counts:
    """How much feedback there is.

    Attributes:
        judgements: Judgements ever made, also those changed or undone since.
        undos: Judgements taken back.
        current: Judgements that count now, by label; every label of ``LABELS`` is a key.
        annotators: People with at least one judgement that counts now.
    """

    judgements: int
    undos: int
    current: Mapping[str, int]
    annotators: int


def _now_utc() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _refuse(field: str, found: object, wanted: str) -> NoReturn:
    shown = repr(found)
    raise FeedbackError(f"{field}: found {shown if len(shown) <= 80 else shown[:77] + '...'}, wanted {wanted}")


def _check_text(field: str, value: object) -> None:
    most = MAX_CHARACTERS[field]
    if not isinstance(value, str) or not value.strip():
        _refuse(field, value, f"text of 1 to {most} characters")
    if len(value) > most:
        raise FeedbackError(f"{field}: found {len(value)} characters, wanted at most {most}; shorten it")
    if bad := _UNSTORABLE.search(value):
        raise FeedbackError(
            f"{field}: found the character U+{ord(bad.group()):04X} at position {bad.start() + 1}, "
            "wanted valid Unicode text without NUL; remove that character"
        )


def _check_pattern(field: str, value: object, pattern: re.Pattern[str], wanted: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        _refuse(field, value, wanted)


def _check_time(field: str, value: object) -> None:
    wanted = "an ISO-8601 time in UTC such as '2026-01-31T12:00:00.000+00:00'"
    if not isinstance(value, str):
        _refuse(field, value, wanted)
    try:
        offset = datetime.datetime.fromisoformat(value).utcoffset()
    except ValueError:
        _refuse(field, value, wanted)
    if offset != datetime.timedelta(0):
        _refuse(field, value, wanted)


def _checked_rank(value: object) -> int:
    wanted = f"a whole number from 1 to {MAX_RANK}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        _refuse("rank", value, wanted)
    rank = int(value)
    if not 1 <= rank <= MAX_RANK:
        _refuse("rank", value, wanted)
    return rank


def _checked_score(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        _refuse("score", value, "a finite number")
    return float(value)
