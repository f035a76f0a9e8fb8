"""Opinions on search results: frozen dataclasses validated on construction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from feedback_db.errors import FeedbackError
from feedback_db.records import fields

LABELS = ("relevant", "partly", "not_relevant", "unsure")
GRADES: Mapping[str, float] = {"relevant": 1.0, "partly": 0.5, "not_relevant": 0.0}
"""Relevance of a clip by label, 0 to 1; ``unsure`` has none."""
REASONS = (
    "wrong_sound",
    "too_faint",
    "other_sounds_too",
    "bad_recording",
    "too_general",
    "too_specific",
    "query_unclear",
    "offensive",
)
"""Tags that an annotator is offered; any other tag of the same form is stored as well."""
KINDS = ("text", "sound", "picture")
CHOICES = ("first", "second", "both", "neither")
FORGOTTEN = "(forgotten)"
"""Stands for the annotator of what a person has had deleted; nobody may take it as a name."""

MAX_RANK = fields.MAX_RANK
MAX_CHARACTERS = fields.MAX_CHARACTERS

__all__ = [
    "CHOICES",
    "FORGOTTEN",
    "GRADES",
    "KINDS",
    "LABELS",
    "MAX_CHARACTERS",
    "MAX_RANK",
    "REASONS",
    "Adjudication",
    "Caption",
    "Counts",
    "Deletion",
    "Event",
    "FeedbackError",
    "Judgement",
    "Preference",
    "Undo",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _About:
    """Fields that all opinions share: the query and the person; ``Judgement`` documents them."""

    query_text: str | None
    recording_sha256: str | None
    consent: bool
    language: str | None
    gallery: str
    annotator: str
    query_kind: str | None = None
    index_version: str | None = None
    campaign_id: str | None = None
    item_id: str | None = None
    position: int | None = None
    seconds_taken: float | None = None
    created_utc: str = dataclasses.field(default_factory=lambda: fields.now_utc())

    def __post_init__(self) -> None:
        fill_query_kind(self, "a judgement")
        fields.check_language("language", self.language)
        fields.check_text("gallery", self.gallery)
        check_annotator(self.annotator)
        fields.check_flag("consent", self.consent)
        if self.recording_sha256 is not None and not self.consent:
            raise FeedbackError("a recording is kept only with its speaker's consent; found consent False, wanted True")
        fields.check_optional_text("index_version", self.index_version)
        for field in ("campaign_id", "item_id"):
            if getattr(self, field) is not None:
                fields.check_id(field, getattr(self, field))
        fields.check_time("created_utc", self.created_utc)
        _make_integer(self, "position", 1, MAX_RANK)
        if self.seconds_taken is not None:
            seconds = fields.checked_number("seconds_taken", self.seconds_taken, 0.0, fields.MAX_SECONDS)
            object.__setattr__(self, "seconds_taken", seconds)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _AboutClip(_About):
    """Fields of opinions about one clip; ``Judgement`` documents them."""

    clip_id: str
    clip_kind: str = "sound"
    rank: int | None
    score: float | None
    model: str | None
    model_version: str | None

    def __post_init__(self) -> None:
        super().__post_init__()
        fields.check_text("clip_id", self.clip_id)
        fields.check_choice("clip_kind", self.clip_kind, KINDS)
        for field in ("model", "model_version"):
            fields.check_optional_text(field, getattr(self, field))
        # Scores and ranks often arrive as numpy scalars, which SQLite would store as blobs or refuse.
        _make_integer(self, "rank", 1, MAX_RANK)
        if self.score is not None:
            object.__setattr__(self, "score", fields.checked_number("score", self.score))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judgement(_AboutClip):
    """One person's answer to "does this sound match this query?".

    Attributes:
        query_text: The query as typed, or None when it was a recording or a picture.
        recording_sha256: Hash of the bytes of the recording or picture, or None when the query was text.
        query_kind: One of ``KINDS``; when not given, ``text`` with a text and ``sound`` with a hash.
        consent: The person agreed that this judgement's recording is kept; needed for a recording.
        language: BCP-47 code of the query's language, or None when unknown.
        clip_id: The clip that was judged.
        clip_kind: What the clip is, one of ``KINDS``.
        rank: Its place in the model's results, from 1; None when no model ranked it.
        score: Its score as the model gave it, finite; None when no model ranked it.
        position: Its place in the order in which it was shown to this person, from 1; None when unknown.
        label: One of ``LABELS``.
        reasons: Tags of lower-case letters, digits and ``_``, such as those of ``REASONS``.
        comment: Anything the person wished to add, or None.
        model: Name of the model that ranked, or None.
        model_version: Version of that model, or None.
        index_version: Version of the index that was searched, or None.
        gallery: Name of the gallery that was searched.
        campaign_id: The campaign in which it was asked, or None.
        item_id: The campaign's item that it answers, or None.
        seconds_taken: From showing to answering, 0 to 86,400; None when unknown.
        annotator: Who judged: a chosen name or an anonymous token.
        judgement_id: 32 lower-case hex digits, made when not given.
        created_utc: ISO-8601 time in UTC, made when not given. Order never depends on it: clocks jump.

    Raises:
        FeedbackError: A field is out of its range; the message names it, what was found and wanted.
    """

    label: str
    reasons: tuple[str, ...] = ()
    comment: str | None = None
    judgement_id: str = dataclasses.field(default_factory=fields.new_id)

    def __post_init__(self) -> None:
        super().__post_init__()
        fields.check_choice("label", self.label, LABELS)
        object.__setattr__(self, "reasons", fields.checked_tags("reasons", self.reasons))
        fields.check_optional_text("comment", self.comment)
        fields.check_id("judgement_id", self.judgement_id)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Caption(_AboutClip):
    """A better description of a clip, in words of the annotator.

    Attributes:
        caption: The description.
        caption_language: BCP-47 code of its language.
        caption_id: 32 lower-case hex digits, made when not given.

    The other fields are those of ``Judgement``. ``query_text`` and ``recording_sha256`` may both be None:
    a caption need not come from a search.

    Raises:
        FeedbackError: A field is out of its range.
    """

    caption: str
    caption_language: str
    caption_id: str = dataclasses.field(default_factory=fields.new_id)

    def __post_init__(self) -> None:
        super().__post_init__()
        fields.check_text("caption", self.caption)
        if self.caption_language is None:
            fields.refuse("caption_language", None, "a BCP-47 code such as 'pt-BR'")
        fields.check_language("caption_language", self.caption_language)
        fields.check_id("caption_id", self.caption_id)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preference(_About):
    """A preference between two models' results for one query, made blind.

    Attributes:
        first_model: Name of the first model.
        first_version: Its version.
        first_clip_ids: Its results, best first, 1 to 100.
        second_model: Name of the second model.
        second_version: Its version.
        second_clip_ids: Its results, best first, 1 to 100.
        left: Whose results stood first on the page: ``first`` or ``second``; drawn for each person.
        choice: One of ``CHOICES``.
        preference_id: 32 lower-case hex digits, made when not given.

    The other fields are those of ``Judgement``.

    Raises:
        FeedbackError: A field is out of its range.
    """

    first_model: str
    first_version: str
    first_clip_ids: tuple[str, ...]
    second_model: str
    second_version: str
    second_clip_ids: tuple[str, ...]
    left: str
    choice: str
    preference_id: str = dataclasses.field(default_factory=fields.new_id)

    def __post_init__(self) -> None:
        super().__post_init__()
        for side in ("first", "second"):
            fields.check_text(f"{side}_model", getattr(self, f"{side}_model"), limit="model")
            fields.check_text(f"{side}_version", getattr(self, f"{side}_version"), limit="model_version")
            name = f"{side}_clip_ids"
            object.__setattr__(self, name, fields.checked_clip_ids(name, getattr(self, name)))
        fields.check_choice("left", self.left, CHOICES[:2])
        fields.check_choice("choice", self.choice, CHOICES)
        fields.check_id("preference_id", self.preference_id)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adjudication:
    """A team lead's last word on a query and a clip that annotators saw differently.

    Attributes:
        query_text: The query, or None when it was a recording or a picture.
        recording_sha256: Hash of the recording or picture, or None when the query was text.
        query_kind: One of ``KINDS``, as in ``Judgement``.
        language: BCP-47 code of the query's language, or None when unknown.
        clip_id: The clip.
        clip_kind: One of ``KINDS``.
        label: One of ``LABELS``.
        note: Why, or None.
        campaign_id: The campaign whose judgements were looked at, or None.
        annotator: Who decided.
        adjudication_id: 32 lower-case hex digits, made when not given.
        created_utc: ISO-8601 time in UTC, made when not given.

    Raises:
        FeedbackError: A field is out of its range.
    """

    query_text: str | None
    recording_sha256: str | None
    query_kind: str | None = None
    language: str | None
    clip_id: str
    clip_kind: str = "sound"
    label: str
    note: str | None = None
    campaign_id: str | None = None
    annotator: str
    adjudication_id: str = dataclasses.field(default_factory=fields.new_id)
    created_utc: str = dataclasses.field(default_factory=lambda: fields.now_utc())

    def __post_init__(self) -> None:
        fill_query_kind(self, "an adjudication")
        fields.check_language("language", self.language)
        fields.check_text("clip_id", self.clip_id)
        fields.check_choice("clip_kind", self.clip_kind, KINDS)
        fields.check_choice("label", self.label, LABELS)
        fields.check_optional_text("note", self.note)
        if self.campaign_id is not None:
            fields.check_id("campaign_id", self.campaign_id)
        check_annotator(self.annotator)
        fields.check_id("adjudication_id", self.adjudication_id)
        fields.check_time("created_utc", self.created_utc)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Undo:
    """One person taking back a judgement, caption, preference or adjudication of their own.

    Attributes:
        judgement_id: The event that no longer counts.
        annotator: Who took it back, the one who had made it.
        undo_id: 32 lower-case hex digits, made when not given.
        created_utc: ISO-8601 time in UTC, made when not given.

    Raises:
        FeedbackError: A field is out of its range.
    """

    judgement_id: str
    annotator: str
    undo_id: str = dataclasses.field(default_factory=fields.new_id)
    created_utc: str = dataclasses.field(default_factory=lambda: fields.now_utc())

    def __post_init__(self) -> None:
        fields.check_id("judgement_id", self.judgement_id)
        check_annotator(self.annotator)
        fields.check_id("undo_id", self.undo_id)
        fields.check_time("created_utc", self.created_utc)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deletion:
    """A tombstone: these events are gone for good, and may not come back by an import.

    Attributes:
        event_ids: The events, each 32 lower-case hex digits; at least one.
        reason: ``forgotten`` when their author asked, ``recording`` when the recording they are about went.
        deletion_id: 32 lower-case hex digits, made when not given.
        created_utc: ISO-8601 time in UTC, made when not given.

    Raises:
        FeedbackError: A field is out of its range.
    """

    event_ids: tuple[str, ...]
    reason: str = "forgotten"
    deletion_id: str = dataclasses.field(default_factory=fields.new_id)
    created_utc: str = dataclasses.field(default_factory=lambda: fields.now_utc())

    def __post_init__(self) -> None:
        if isinstance(self.event_ids, str) or not self.event_ids:
            fields.refuse("event_ids", self.event_ids, "at least one id of 32 lower-case hex digits")
        for event_id in self.event_ids:
            fields.check_id("event_ids", event_id)
        object.__setattr__(self, "event_ids", tuple(sorted(set(self.event_ids))))
        fields.check_choice("reason", self.reason, ("forgotten", "recording"))
        fields.check_id("deletion_id", self.deletion_id)
        fields.check_time("created_utc", self.created_utc)


Event = Judgement | Caption | Preference | Undo | Adjudication | Deletion


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts of feedback.

    Attributes:
        judgements: Judgements ever made, also those changed or undone since; not those deleted.
        undos: Judgements, captions, preferences and adjudications taken back.
        current: Judgements that count now, by label; every label of ``LABELS`` is a key.
        annotators: People with at least one judgement that counts now.
        captions: Captions that count now.
        preferences: Preferences that count now.
        adjudications: Adjudications that count now.
        deleted: Events deleted for good.
    """

    judgements: int
    undos: int
    current: Mapping[str, int]
    annotators: int
    captions: int = 0
    preferences: int = 0
    adjudications: int = 0
    deleted: int = 0


def check_annotator(value: object, field: str = "annotator") -> None:
    """Refuse what is no name of a person: not text, too long, or the mark of the forgotten."""
    fields.check_text(field, value, limit="annotator")
    if value == FORGOTTEN:
        fields.refuse(field, value, "another name: this one stands for people whose data was deleted")


def fill_query_kind(record: object, what: str) -> None:
    """Check a record's query and set ``query_kind`` when it was not given.

    Args:
        record: Has ``query_text``, ``recording_sha256`` and ``query_kind``.
        what: Names the record in the message.

    Raises:
        FeedbackError: It has both a text and a hash, neither (but for a caption), or another kind than that.
    """
    text, sha256 = getattr(record, "query_text"), getattr(record, "recording_sha256")  # noqa: B009
    if (text is None) == (sha256 is None) and not (text is None and isinstance(record, Caption)):
        both = "neither" if text is None else "both"
        raise FeedbackError(f"{what} is about a query text or a recording; found {both}, wanted one")
    fields.check_optional_text("query_text", text)
    if sha256 is not None:
        fields.check_sha256("recording_sha256", sha256)
    kind = getattr(record, "query_kind")  # noqa: B009
    wanted = ("text",) if sha256 is None else ("sound", "picture")
    if kind is None and (text, sha256) != (None, None):
        object.__setattr__(record, "query_kind", wanted[0])
    elif kind is not None:
        fields.check_choice("query_kind", kind, wanted)


def _make_integer(record: object, field: str, least: int, most: int) -> None:
    value = getattr(record, field)
    if value is not None:
        object.__setattr__(record, field, fields.checked_integer(field, value, least, most))
