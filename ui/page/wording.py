"""The interface's own words: JSON tables, one a language, English where a table has no word.

What many tabs use stands in ``ui/page/strings``; what one tab alone uses in ``strings`` in that
tab's own folder. A key is in one folder only.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cacara.media.notes import Note

if TYPE_CHECKING:
    import gradio as gr
    from starlette.requests import HTTPConnection

UI = Path(__file__).parents[1]
COMMON = UI / "page" / "strings"
FALLBACK = "en"
LANGUAGE_COOKIE = "cacara-interface"
"""Holds the language that a visitor chose on the page; it is set there."""
MAX_CODE = 100
"""No language tag is longer, whoever sends it."""
RIGHT_TO_LEFT = frozenset({"ar"})


@dataclasses.dataclass(frozen=True)
class Wording:
    """The interface in one language.

    Attributes:
        code: Language (BCP-47), also the name of its table's file.
        direction: ``ltr`` or ``rtl``.
        table: Key to text, complete: what the language lacks is English.
        missing: Keys that fell back to English.
    """

    code: str
    direction: str
    table: Mapping[str, str]
    missing: frozenset[str]

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of ``key`` with ``values`` put into its ``{places}``; plain text, not HTML.

        Raises:
            KeyError: There is no such text in any language.
        """
        text = self.table[key]
        for place, value in values.items():
            # Not str.format: a value is often what somebody typed, and may itself hold braces.
            text = text.replace("{" + place + "}", str(value))
        return text

    def note(self, note: str) -> str:
        """Return a decoder's note in this language, and any other sentence as it is."""
        return self(f"note_{note.code}", **note.values) if isinstance(note, Note) else note


def wording(code: str) -> Wording:
    """Return the interface in the language nearest to ``code``: ``pt`` and ``pt-PT`` give ``pt-BR``.

    Args:
        code: A language tag as browsers send it; one that is not there, or no text at all, gives English.
    """
    return _tables()[_nearest(code)]


def wording_of(request: HTTPConnection | gr.Request) -> Wording:
    """Return the interface in a visitor's language: the one chosen on the page, else the first that they accept."""
    accepted = request.headers.get("accept-language", "").partition(",")[0].partition(";")[0]
    return wording(request.cookies.get(LANGUAGE_COOKIE) or accepted.strip())


@functools.cache
def _tables() -> Mapping[str, Wording]:
    """Return every interface by its code; cached by nothing that a visitor sends, which would never end."""
    english = _read(FALLBACK)
    found = {}
    for _, code in available():
        own = _read(code)
        found[code] = Wording(
            code=code,
            direction="rtl" if code in RIGHT_TO_LEFT else "ltr",
            table=types.MappingProxyType({**english, **own}),
            missing=frozenset(set(english) - set(own)),
        )
    return types.MappingProxyType(found)


def available() -> list[tuple[str, str]]:
    """Return (the language's name for itself, code) of each interface language, English first."""
    codes = sorted((path.stem for path in COMMON.glob("*.json")), key=lambda code: (code != FALLBACK, code))
    return [(_read(code)["language_name"], code) for code in codes]


def folders() -> list[Path]:
    """Return the folders that hold tables: the common one first, then the tabs' by name."""
    return [COMMON, *sorted(set(UI.glob("*/strings")) - {COMMON})]


def _nearest(code: object) -> str:
    if not isinstance(code, str) or len(code) > MAX_CODE:
        return FALLBACK
    codes = list(_tables())
    wanted = code.replace("_", "-").lower()
    for found in codes:
        if found.lower() == wanted:
            return found
    base = wanted.split("-")[0]
    return next((found for found in codes if found.lower().split("-")[0] == base), FALLBACK)


def _read(code: str) -> dict[str, str]:
    tables = [folder / f"{code}.json" for folder in folders()]
    texts: dict[str, str] = {}
    for table in tables:
        if table.is_file():
            texts.update(json.loads(table.read_text(encoding="utf-8")))
    return texts
