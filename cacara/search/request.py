"""Search requests: a query in any medium with what is wanted for it, checked before anything is computed."""

from __future__ import annotations

import dataclasses
import numbers
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cacara import languages
from cacara.errors import QueryError
from cacara_files import tables

if TYPE_CHECKING:
    import numpy as np

TARGETS = ("audio", "text", "image")
"""Kinds of results: sounds, descriptions of sounds, pictures."""

MAX_QUERY_CHARACTERS = 2_000
MAX_HITS = 100

_QUERIES = ("text", "sound", "pictures", "like")

# Embeddings, isolates, overrides and their ends: they order letters on a screen and say nothing.
_DIRECTIONS = frozenset("LRE RLE PDF LRO RLO LRI RLI FSI PDI".split())


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class SearchRequest:
    """One query, which is ``text``, ``sound``, ``pictures`` or ``like``, with the limits of what is found for it.

    Attributes:
        text: Words in any language: 1 to 2,000 characters with at least one letter, digit or symbol; kept cleaned.
        sound: float32 [samples], mono at 16 kHz.
        pictures: uint8 [height, width, 3] each, RGB: a picture, or several of a film, whose mean is the query.
        like: Id of a sound or picture of the gallery; it is not found itself.
        language: BCP-47 code of the text, or of the descriptions that other queries find; kept normalised. None
            detects the language of a text, and means English otherwise.
        targets: Some of ``TARGETS``: what will be looked for.
        licence: Only sounds and pictures of this licence are found, and descriptions of such; empty for all.
        top: At most so many hits a target, 1 to 100.
        centred: Whether a text is moved to its language's centre, where the model does so.

    Raises:
        QueryError: There is not exactly one query, or the text, ``targets`` or ``top`` is unfit.
        LanguageError: ``language`` is no language code.
    """

    text: str | None = None
    sound: np.ndarray | None = None
    pictures: Sequence[np.ndarray] | None = None
    like: str | None = None
    language: str | None = None
    targets: Sequence[str] = ("audio",)
    licence: str = ""
    top: int = 10
    centred: bool = True

    def __post_init__(self) -> None:
        given = [name for name in _QUERIES if getattr(self, name) is not None]
        if len(given) != 1:
            raise QueryError(f"a request has the queries {given}; wanted one of {', '.join(_QUERIES)}")
        if self.text is not None:
            object.__setattr__(self, "text", clean_query(self.text))
        if self.pictures is not None and not len(self.pictures):
            raise QueryError("there are 0 pictures to search with; wanted at least one")
        object.__setattr__(self, "top", checked_top(self.top))
        object.__setattr__(self, "language", languages.normalise(self.language) if self.language else None)
        for target in self.targets:
            check_target(target)


def clean_query(query: str) -> str:
    """Return a query trimmed and in NFC, without control, direction and other unprintable characters.

    Raises:
        QueryError: It is not text, blank, too long, or only marks and spaces.
    """
    if not isinstance(query, str):
        raise QueryError(f"the query is a {type(query).__name__}; wanted text")
    if len(query) > MAX_QUERY_CHARACTERS:
        raise QueryError(f"the query has {len(query):,} characters; wanted at most {MAX_QUERY_CHARACTERS:,}")
    # Joiners (Cf) shape Persian, Hindi and emoji, so they stay; controls and lone surrogates go.
    kept = "".join(
        " " if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") else character
        for character in query
        if unicodedata.bidirectional(character) not in _DIRECTIONS
    )
    cleaned = " ".join(unicodedata.normalize("NFC", kept).split())
    if not tables.has_content(cleaned):
        raise QueryError("the query is empty; type a word for the sound you are looking for, in any language")
    return cleaned


def check_target(target: str) -> None:
    """Refuse what is none of ``TARGETS``.

    Raises:
        QueryError: The message lists them.
    """
    if target not in TARGETS:
        raise QueryError(f"unknown target {target!r:.40}; wanted one of {', '.join(TARGETS)}")


def checked_top(top: int) -> int:
    """Return a number of hits as a Python int.

    Raises:
        QueryError: It is no whole number from 1 to ``MAX_HITS``.
    """
    known = isinstance(top, numbers.Real) and not isinstance(top, bool)
    if not known or not 1 <= top <= MAX_HITS or top != int(top):
        raise QueryError(f"top_k is {top!r:.40}; wanted a whole number from 1 to {MAX_HITS}")
    return int(top)
