"""Records that are rows but no opinions: people with their tokens, and items passed over."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from feedback_db.records import fields
from feedback_db.records.campaigns import Campaign, Item
from feedback_db.records.opinions import Event, check_annotator


@dataclasses.dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody with a secret token; of the token only the hash is kept.

    Attributes:
        annotator: The name that stands in this person's events.
        token_sha256: Hash of the token, 64 lower-case hex digits.
        created_utc: ISO-8601 time in UTC, made when not given.

    Raises:
        FeedbackError: A field is out of its range.
    """

    annotator: str
    token_sha256: str
    created_utc: str = dataclasses.field(default_factory=lambda: fields.now_utc())

    def __post_init__(self) -> None:
        check_annotator(self.annotator)
        fields.check_sha256("token_sha256", self.token_sha256)
        fields.check_time("created_utc", self.created_utc)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Skip:
    """One person passing an item over.

    Attributes:
        item_id: The item.
        annotator: Who.
        created_utc: ISO-8601 time in UTC, made when not given.

    Raises:
        FeedbackError: A field is out of its range.
    """

    item_id: str
    annotator: str
    created_utc: str = dataclasses.field(default_factory=lambda: fields.now_utc())

    def __post_init__(self) -> None:
        fields.check_id("item_id", self.item_id)
        check_annotator(self.annotator)
        fields.check_time("created_utc", self.created_utc)


Record = Event | Campaign | Item | Person | Skip
"""Everything that is worth keeping; leases are not, they pass."""


class Listener(Protocol):
    """Is told what a ``Store`` has done, before the call that did it returns."""

    def stored(self, records: list[Record]) -> None:
        """Take note of records that are in the database now, in their order."""

    def forgetting(self, annotator: str, event_ids: frozenset[str], recordings: tuple[str, ...]) -> None:
        """Remove a person, these events and recordings wherever they were noted, before the database does.

        Raises:
            FeedbackError: It could not be done; the database then keeps them, and the person may try again.
        """
