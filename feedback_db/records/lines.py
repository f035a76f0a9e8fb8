"""Records as JSON and back: one line a record, which says its type."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from feedback_db.errors import FeedbackError
from feedback_db.records import fields
from feedback_db.records.campaigns import Campaign, Item, Ranking
from feedback_db.records.opinions import Adjudication, Caption, Deletion, Judgement, Preference, Undo
from feedback_db.records.people import Person, Record, Skip

TYPES: Mapping[str, type] = {
    record.__name__.lower(): record
    for record in (Judgement, Caption, Preference, Adjudication, Undo, Deletion, Campaign, Item, Person, Skip)
}
MAX_LINE_CHARACTERS = 4_000_000
_LISTS = ("reasons", "first_clip_ids", "second_clip_ids", "event_ids", "languages", "clip_ids")


def to_json(record: Record) -> dict[str, Any]:
    """Return a record as JSON values, its type first."""
    return {"type": type(record).__name__.lower()} | dataclasses.asdict(record)


def to_line(record: Record) -> str:
    """Return a record as one line of JSON, without the line's end."""
    return json.dumps(to_json(record), ensure_ascii=False, allow_nan=False)


def from_line(line: str) -> Record:
    """Return the record that a line of JSON holds.

    Raises:
        FeedbackError: It is no JSON object, or ``from_json`` refuses it.
    """
    if len(line) > MAX_LINE_CHARACTERS:
        raise FeedbackError(f"found a line of {len(line):,} characters, wanted at most {MAX_LINE_CHARACTERS:,}")
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FeedbackError(f"found a line that is no JSON ({error}), wanted a record") from error
    if not isinstance(values, dict):
        fields.refuse("line", values, "a JSON object")
    return from_json(values)


def from_json(values: Mapping[str, Any]) -> Record:
    """Return the record that ``to_json`` made these values of.

    A missing field takes its default, as records of older versions have fewer.

    Raises:
        FeedbackError: The type or a field is unknown, a field without default is missing, or one is out of range.
    """
    given = dict(values)
    kind = given.pop("type", None)
    if not isinstance(kind, str) or kind not in TYPES:
        fields.refuse("type", kind, f"one of {', '.join(TYPES)}")
    record = TYPES[kind]
    known = {field.name: field for field in dataclasses.fields(record)}
    if unknown := [name for name in given if name not in known]:
        fields.refuse("fields", unknown, f"fields of a {kind}: {', '.join(known)}")
    required = [name for name, field in known.items() if _has_no_default(field)]
    if missing := [name for name in required if name not in given]:
        raise FeedbackError(f"{', '.join(missing)}: found nothing, wanted a value; a {kind} needs it")
    for name in _LISTS:
        if isinstance(given.get(name), list):
            given[name] = tuple(given[name])
    for side in ("first", "second"):
        if kind == "item" and given.get(side) is not None:
            given[side] = _ranking(side, given[side])
    try:
        return record(**given)
    except (TypeError, AttributeError) as error:
        raise FeedbackError(
            f"{kind}: found a value of a wrong type ({error}), wanted text, numbers and lists"
        ) from error


def _ranking(side: str, values: object) -> Ranking:
    if not isinstance(values, dict) or set(values) != {"model", "model_version", "clip_ids"}:
        fields.refuse(side, values, "model, model_version and clip_ids")
    return Ranking(**values)


def _has_no_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
