"""Validation of the fields of records, with one-line refusals."""

from __future__ import annotations

import datetime
import math
import numbers
import re
import unicodedata
import uuid
from collections.abc import Collection, Mapping
from typing import NoReturn

from feedback_db.errors import FeedbackError

MAX_RANK = 1_000_000
MAX_SECONDS = 86_400.0
MAX_REASONS = 20
MAX_RESULTS = 100
# Longest accepted text of each field, in characters.
MAX_CHARACTERS: Mapping[str, int] = {
    "query_text": 2000,
    "language": 35,
    "caption": 2000,
    "caption_language": 35,
    "comment": 2000,
    "clip_id": 1000,
    "model": 200,
    "model_version": 200,
    "index_version": 200,
    "gallery": 500,
    "annotator": 100,
    "created_by": 100,
    "name": 200,
    "guidelines": 20_000,
    "note": 2000,
    "reason": 200,
}

_EVENT_ID = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*|x(-[A-Za-z0-9]{1,8})+")
_TAG = re.compile(r"[a-z][a-z0-9_]{0,39}")
# SQLite cannot hold a lone surrogate, and many of its tools stop reading at a NUL.
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
# What shapes letters, and means something after Arabic ones, marks and emoji alone.
_JOINERS = "\u200c\u200d"


def new_id() -> str:
    """Return an identity for a new record: 32 lower-case hex digits, random."""
    return uuid.uuid4().hex


def now_utc() -> str:
    """Return the time now as ISO-8601 text in UTC, to the millisecond."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def refuse(field: str, found: object, wanted: str) -> NoReturn:
    """Raise the FeedbackError that names a field, the value found (cut at 80 characters) and the one wanted."""
    shown = repr(found)
    raise FeedbackError(f"{field}: found {shown if len(shown) <= 80 else shown[:77] + '...'}, wanted {wanted}")


def check_text(field: str, value: object, *, limit: str = "") -> None:
    """Refuse what is not storable text of 1 character to the field's limit in ``MAX_CHARACTERS``.

    Args:
        field: The field's name, for the message.
        value: What was given.
        limit: The entry of ``MAX_CHARACTERS`` that applies; the field's own when empty.

    Raises:
        FeedbackError: It is no such text.
    """
    most = MAX_CHARACTERS[limit or field]
    if not isinstance(value, str) or not value.strip():
        refuse(field, value, f"text of 1 to {most} characters")
    if len(value) > most:
        raise FeedbackError(f"{field}: found {len(value)} characters, wanted at most {most}; shorten it")
    if bad := _UNSTORABLE.search(value):
        raise FeedbackError(
            f"{field}: found the character U+{ord(bad.group()):04X} at position {bad.start() + 1}, "
            "wanted valid Unicode text without NUL; remove that character"
        )


def check_visible(field: str, value: str) -> None:
    """Refuse a name with a character that nobody sees: it would look like another name, or turn round what follows.

    Args:
        field: The field's name, for the message.
        value: Text that ``check_text`` accepts.

    Raises:
        FeedbackError: It holds a control, a mark of direction, a space without width, or a joiner that joins nothing.
    """
    place = next((place for place in range(len(value)) if _is_unseen(value, place)), None)
    if place is not None:
        raise FeedbackError(
            f"{field}: found U+{ord(value[place]):04X} at position {place + 1}, a character that cannot be seen, "
            "wanted a name without; type it anew"
        )


def _is_unseen(value: str, place: int) -> bool:
    character, before = value[place], value[place - 1] if place else " "
    if character in _JOINERS:
        joins = unicodedata.category(before) in ("Mn", "Mc", "So", "Sk") or unicodedata.bidirectional(before) == "AL"
        return not joins
    return unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")


def check_optional_text(field: str, value: object, *, limit: str = "") -> None:
    """Refuse what is neither None nor such text."""
    if value is not None:
        check_text(field, value, limit=limit)


def check_language(field: str, value: object) -> None:
    """Refuse what is neither None nor a language code in the form of BCP-47."""
    if value is not None:
        check_text(field, value, limit="language")
        _check_pattern(field, value, _LANGUAGE, "a BCP-47 code such as 'pt-BR', or None")


def check_id(field: str, value: object) -> None:
    """Refuse what is not 32 lower-case hex digits."""
    _check_pattern(field, value, _EVENT_ID, "32 lower-case hex digits")


def check_sha256(field: str, value: object) -> None:
    """Refuse what is not 64 lower-case hex digits."""
    _check_pattern(field, value, _SHA256, "64 lower-case hex digits")


def check_flag(field: str, value: object) -> None:
    """Refuse what is not True or False."""
    if not isinstance(value, bool):
        refuse(field, value, "True or False")


def check_choice(field: str, value: object, choices: Collection[str]) -> None:
    """Refuse what is not one of the choices."""
    if not isinstance(value, str) or value not in choices:
        refuse(field, value, f"one of {', '.join(choices)}")


def check_time(field: str, value: object) -> None:
    """Refuse what is not ISO-8601 text of a time in UTC."""
    wanted = "an ISO-8601 time in UTC such as '2026-01-31T12:00:00.000+00:00'"
    if not isinstance(value, str):
        refuse(field, value, wanted)
    try:
        offset = datetime.datetime.fromisoformat(value).utcoffset()
    except ValueError:
        refuse(field, value, wanted)
    if offset != datetime.timedelta(0):
        refuse(field, value, wanted)


def checked_integer(field: str, value: object, least: int, most: int) -> int:
    """Return a whole number from ``least`` to ``most`` as a plain int, numpy's included; refuse the rest."""
    wanted = f"a whole number from {least} to {most}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        refuse(field, value, wanted)
    number = int(value)
    if not least <= number <= most:
        refuse(field, value, wanted)
    return number


def checked_number(field: str, value: object, least: float = -math.inf, most: float = math.inf) -> float:
    """Return a finite number from ``least`` to ``most`` as a plain float, numpy's included; refuse the rest."""
    wanted = "a finite number" if least == -math.inf else f"a number from {least:g} to {most:g}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        refuse(field, value, wanted)
    number = float(value)
    if not least <= number <= most:
        refuse(field, value, wanted)
    return number


def checked_tags(field: str, value: object) -> tuple[str, ...]:
    """Return tags such as ``too_faint`` as a tuple without repeats, in the order given; refuse other things."""
    wanted = f"at most {MAX_REASONS} tags of lower-case letters, digits and _"
    if isinstance(value, str) or not isinstance(value, tuple | list) or len(value) > MAX_REASONS:
        refuse(field, value, wanted)
    for tag in value:
        _check_pattern(field, tag, _TAG, wanted)
    return tuple(dict.fromkeys(value))


def checked_clip_ids(field: str, value: object) -> tuple[str, ...]:
    """Return 1 to 100 different clip ids as a tuple; refuse other things."""
    if isinstance(value, str) or not isinstance(value, tuple | list) or not 1 <= len(value) <= MAX_RESULTS:
        refuse(field, value, f"1 to {MAX_RESULTS} clip ids")
    for clip_id in value:
        check_text(field, clip_id, limit="clip_id")
    if len(set(value)) < len(value):
        refuse(field, value, "clip ids that differ")
    return tuple(value)


def _check_pattern(field: str, value: object, pattern: re.Pattern[str], wanted: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        refuse(field, value, wanted)
