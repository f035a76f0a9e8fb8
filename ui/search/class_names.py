"""AudioSet's class names in the visitor's language, as far as CLDR's names of emoji have them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from cacara import sources

ENGLISH = "en"


def in_language(name: str, code: str) -> tuple[str, str]:
    """Return a class's name in a language of the page and that language's code, or as it is and ``en``.

    Args:
        name: Such as ``Violin, fiddle``: the first of its names that CLDR has counts.
        code: BCP-47, of the page.
    """
    folder = None if code == ENGLISH else sources.find("cldr")  # no search waits for its being fetched
    known = {} if folder is None else _names(code, folder)
    found = next((known[part] for each in name.split(",") if (part := each.strip().lower()) in known), None)
    return (name, ENGLISH) if found is None else (found, code)


@functools.cache
def _names(code: str, folder: Path) -> Mapping[str, str]:
    """Return English name → name in a language of the page; a page has few, so few are kept."""
    from cacara.words.lexicon import Lexicon

    lexicon = Lexicon({"cldr": folder})
    named = lexicon.names(code)
    return {concept.name.lower(): named[concept.key] for concept in lexicon.concepts if concept.key in named}
