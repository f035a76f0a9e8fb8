"""Campaigns, their items and leases, and what is counted about them, as values that cannot be made wrongly."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping

from feedback_db.records import fields
from feedback_db.records.opinions import CHOICES, FORGOTTEN, KINDS, LABELS, check_annotator, fill_query_kind

ORDERS = ("random", "uncertainty", "disagreement")
MAX_LEASE_SECONDS = 86_400


@dataclasses.dataclass(frozen=True, kw_only=True)
class Campaign:
    """A task for annotators: what to judge, in which languages, how often.

    Attributes:
        name: Common name.
        guidelines: How to judge, in Markdown; may be empty. It is shown to people: render it escaped.
        languages: BCP-47 codes in which there is work; empty for any.
        wanted_judgements: Number of people who shall judge each item, 1 to 100.
        order: One of ``ORDERS``: a shuffle of each person's own, the highest ``Item.priority`` first, or the
            items about which people so far differ first.
        lease_seconds: How long an item is held for one person, 10 to 86,400.
        check_every: Each so many answers a person gets an item with a known answer; 0 for never.
        open: Whether it still gives out items.
        created_by: Who made it, or who made this change of it.
        campaign_id: 32 lower-case hex digits, made when not given; the same again is a change.
        created_utc: ISO-8601 time in UTC, made when not given.

    Raises:
        FeedbackError: A field is out of its range.
    """

    name: str
    guidelines: str = ""
    languages: tuple[str, ...] = ()
    wanted_judgements: int = 2
    order: str = "random"
    lease_seconds: int = 600
    check_every: int = 0
    open: bool = True
    created_by: str
    campaign_id: str = dataclasses.field(default_factory=fields.new_id)
    created_utc: str = dataclasses.field(default_factory=lambda: fields.now_utc())

    def __post_init__(self) -> None:
        fields.check_text("name", self.name)
        if self.guidelines != "":
            fields.check_text("guidelines", self.guidelines)
        if isinstance(self.languages, str) or len(self.languages) > 1000:
            fields.refuse("languages", self.languages, "at most 1000 BCP-47 codes")
        for code in self.languages:
            fields.check_text("languages", code, limit="language")
            fields.check_language("languages", code)
        object.__setattr__(self, "languages", tuple(dict.fromkeys(self.languages)))
        fields.check_choice("order", self.order, ORDERS)
        for field, least, most in (
            ("wanted_judgements", 1, 100),
            ("lease_seconds", 10, MAX_LEASE_SECONDS),
            ("check_every", 0, 1000),
        ):
            object.__setattr__(self, field, fields.checked_integer(field, getattr(self, field), least, most))
        fields.check_flag("open", self.open)
        if self.created_by != FORGOTTEN:
            check_annotator(self.created_by, "created_by")
        fields.check_id("campaign_id", self.campaign_id)
        fields.check_time("created_utc", self.created_utc)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranking:
    """A model's results for one query.

    Attributes:
        model: Name of the model.
        model_version: Its version.
        clip_ids: The clips, best first, 1 to 100.

    Raises:
        FeedbackError: A field is out of its range.
    """

    model: str
    model_version: str
    clip_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        for field in ("model", "model_version"):
            fields.check_text(field, getattr(self, field))
        object.__setattr__(self, "clip_ids", fields.checked_clip_ids("clip_ids", self.clip_ids))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """One question of a campaign: a query with a clip to judge, or with two rankings to compare.

    Model, version, rank, score and priority are never to be shown to the person who judges.

    Attributes:
        campaign_id: The campaign it belongs to.
        query_text: The query, or None when it is a recording or a picture.
        recording_sha256: Hash of the recording or picture, or None; it may be shown only with consent.
        query_kind: One of ``KINDS``, as in ``Judgement``.
        language: BCP-47 code of the query's language; None is given to everybody.
        gallery: Name of the gallery the clips are in.
        clip_id: The clip to judge, or None for a comparison.
        clip_kind: What the clips are, one of ``KINDS``.
        model: Who proposed the clip, or None.
        model_version: Its version, or None.
        index_version: Version of the index, or None.
        rank: The clip's place in the model's results, or None.
        score: Its score, or None.
        priority: How much is learnt from an answer, such as the model's uncertainty; the highest comes first.
        known_label: The right answer, one of ``LABELS``, when the item is there to check attention; else None.
        first: A model's results to compare, or None.
        second: Another model's results to compare, or None.
        item_id: 32 lower-case hex digits, made when not given.

    Raises:
        FeedbackError: A field is out of its range, or it is neither a question nor a comparison.
    """

    campaign_id: str
    query_text: str | None
    recording_sha256: str | None = None
    query_kind: str | None = None
    language: str | None
    gallery: str
    clip_id: str | None = None
    clip_kind: str = "sound"
    model: str | None = None
    model_version: str | None = None
    index_version: str | None = None
    rank: int | None = None
    score: float | None = None
    priority: float = 0.0
    known_label: str | None = None
    first: Ranking | None = None
    second: Ranking | None = None
    item_id: str = dataclasses.field(default_factory=fields.new_id)

    def __post_init__(self) -> None:
        fields.check_id("campaign_id", self.campaign_id)
        fields.check_id("item_id", self.item_id)
        fill_query_kind(self, "an item")
        fields.check_language("language", self.language)
        fields.check_text("gallery", self.gallery)
        fields.check_choice("clip_kind", self.clip_kind, KINDS)
        for field in ("clip_id", "model", "model_version", "index_version"):
            fields.check_optional_text(field, getattr(self, field))
        if {self.clip_id is None} != {self.first is not None, self.second is not None}:
            fields.refuse("clip_id", self.clip_id, "a clip, or None with a first and a second ranking")
        if self.known_label is not None:
            fields.check_choice("known_label", self.known_label, LABELS)
            if self.clip_id is None:
                fields.refuse("known_label", self.known_label, "None: a comparison has no known answer")
        if self.rank is not None:
            object.__setattr__(self, "rank", fields.checked_integer("rank", self.rank, 1, fields.MAX_RANK))
        if self.score is not None:
            object.__setattr__(self, "score", fields.checked_number("score", self.score))
        object.__setattr__(self, "priority", fields.checked_number("priority", self.priority))

    @property
    def is_comparison(self) -> bool:
        """Whether two rankings are to be compared, and no single clip judged."""
        return self.clip_id is None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lease:
    """An item that one person holds for a while; nobody else is given it meanwhile.

    Attributes:
        item: The item.
        annotator: Who holds it.
        position: Which answer of this person in this campaign it will be, from 1.
        expires_utc: Until when, ISO-8601 time in UTC.
    """

    item: Item
    annotator: str
    position: int
    expires_utc: str

    @property
    def left(self) -> str:
        """Whose ranking stands first on the page, ``first`` or ``second``: fixed, but as if drawn."""
        return left_side(self.item.item_id, self.annotator)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguageProgress:
    """Progress of a campaign in one language.

    Attributes:
        items: Items to judge, without those that check attention.
        done: Items with as many answers as wanted.
        answers: Answers that count, at most as many as wanted for each item.
        wanted: Answers wanted in all.
    """

    items: int
    done: int
    answers: int
    wanted: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress(LanguageProgress):
    """Progress of a campaign over all its languages.

    Attributes:
        checks: Items that check attention.
        leased: Items that somebody holds now.
        skips: How often an item was skipped.
        annotators: People with at least one answer.
        languages: The same by language; the key is empty for items without one.
    """

    checks: int
    leased: int
    skips: int
    annotators: int
    languages: Mapping[str, LanguageProgress]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnnotatorStatistics:
    """Work of one person, in one campaign or in all.

    Attributes:
        annotator: Who.
        judgements: Judgements that count now, checks included.
        preferences: Preferences that count now.
        captions: Captions that count now.
        undos: Events taken back.
        skips: Items skipped.
        labels: Judgements that count now, by label; every label of ``LABELS`` is a key.
        checks: Answered items that check attention.
        checks_right: Those answered as known.
        mean_seconds: Mean time taken by the judgements that have one, or None.
        median_seconds: Median of the same, or None.
        first_utc: Time of the earliest event, as the clock then was, or None.
        last_utc: Time of the latest event, or None.
    """

    annotator: str
    judgements: int
    preferences: int
    captions: int
    undos: int
    skips: int
    labels: Mapping[str, int]
    checks: int
    checks_right: int
    mean_seconds: float | None
    median_seconds: float | None
    first_utc: str | None
    last_utc: str | None

    @property
    def reliability(self) -> float | None:
        """Share of attention checks answered right, 0 to 1; None without any."""
        return self.checks_right / self.checks if self.checks else None


def left_side(item_id: str, annotator: str) -> str:
    """Return ``first`` or ``second``: which ranking of an item this person sees first, as if drawn by lot."""
    return CHOICES[hashlib.sha256(f"{item_id} {annotator}".encode()).digest()[0] % 2]
