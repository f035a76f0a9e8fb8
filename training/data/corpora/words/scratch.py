"""Scratch's instruments: ``music.instrument…`` and ``music.drum…`` in ``editor/extensions/CODE.json``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cacara.errors import SourceError
from training.data.corpora.words.entries import Entry, language_of, plain

SOURCE = "scratch-l10n"
_KEY = re.compile(r"music\.(?:instrument|drum)[A-Z]\w*")


def read(folder: Path) -> Iterator[Entry]:
    """Yield the names of instruments, without the number that each begins with.

    Raises:
        SourceError: There is no English file, or one is damaged.
    """
    (root, *_) = [*sorted(folder.rglob("extensions")), folder]
    english = _names(root / "en.json")
    for path in sorted(root.glob("*.json")):
        language = language_of(path.stem)
        if language is None:
            continue
        for key, text in sorted(_names(path).items()):
            if key in english and text:
                yield Entry(english[key], language, text, SOURCE, "noun")


def _names(path: Path) -> Mapping[str, str]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    return {key: plain(value) for key, value in rows.items() if _KEY.fullmatch(key)}
