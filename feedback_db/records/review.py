"""Records for reviewers: pairs with everybody's labels, tables for agreement, rows with their state."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from feedback_db.records.opinions import GRADES, Event, Judgement

STATES = ("current", "changed", "undone")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelRow:
    """One cell of the table from which agreement is computed.

    Attributes:
        annotator: Who judged.
        pair_id: The query and clip, 32 hex digits; the same pair has the same everywhere.
        label: One of ``LABELS``.
        language: BCP-47 code of the query's language, or None when unknown.
    """

    annotator: str
    pair_id: str
    label: str
    language: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """A query and a clip, with what everybody says of them now.

    Attributes:
        pair_id: As in ``LabelRow``.
        query_text: The query, or None when it was a recording or a picture.
        recording_sha256: Hash of the recording or picture, or None when the query was text.
        query_kind: One of ``KINDS``.
        language: BCP-47 code of the query's language as most recently given, or None.
        clip_id: The clip.
        clip_kind: One of ``KINDS``.
        gallery: The gallery the clip is in.
        labels: The label by annotator.
        adjudicated: The team lead's label, or None.
    """

    pair_id: str
    query_text: str | None
    recording_sha256: str | None
    query_kind: str | None
    language: str | None
    clip_id: str
    clip_kind: str
    gallery: str
    labels: Mapping[str, str]
    adjudicated: str | None

    @property
    def spread(self) -> float:
        """Distance between the grades, 0 to 1; ``unsure`` has none."""
        grades = [GRADES[label] for label in self.labels.values() if label in GRADES]
        return max(grades) - min(grades) if grades else 0.0

    @property
    def disagreed(self) -> bool:
        """Whether two people gave different labels."""
        return len(set(self.labels.values())) > 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReviewRow:
    """One judgement as it stands in the table of all.

    Attributes:
        seq: Its place in the one order of arrival, from 1.
        judgement: The judgement.
        state: One of ``STATES``: it counts, the same person said otherwise later, or they took it back.
        known_label: The right answer when its item was there to check attention, or None.
        adjudicated: The team lead's label of its pair, or None.
    """

    seq: int
    judgement: Judgement
    state: str
    known_label: str | None
    adjudicated: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """An entry of who did what.

    Attributes:
        seq: Its place in the one order of arrival, from 1.
        event: Judgement, undo or another event.
    """

    seq: int
    event: Event
