"""GCompris' picture words: ``content-CODE.json`` in ``lang.rcc``, the word of a picture by the file that speaks it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from cacara.errors import SourceError
from cacara.sources import archives
from training.data.corpora.words.entries import Entry, language_of, plain

SOURCE = "gcompris-words"
_MEMBER = re.compile(r"(?:.*/)?content-(?P<code>[A-Za-z_@]+)\.json")


def read(folder: Path) -> Iterator[Entry]:
    """Yield the entries of all languages.

    Raises:
        SourceError: There is no ``lang.rcc``, or it is damaged.
    """
    path = next(iter(sorted(folder.rglob("lang.rcc"))), None)
    if path is None:
        raise SourceError(f"{folder} holds no lang.rcc; wanted the package gcompris-qt-data")
    words = {}
    for member, payload in archives.rcc_files(path, (".json",)):
        if match := _MEMBER.fullmatch(member):
            try:
                words[match["code"]] = json.loads(payload)
            except ValueError as error:
                raise SourceError(f"{path.name}: {member} is no JSON: {error}") from error
    english = words.pop("en", None)
    if english is None:
        raise SourceError(f"{path.name} holds no content-en.json")
    for code, texts in sorted(words.items()):
        language = language_of(code)
        if language is None:
            continue
        for key, value in sorted(texts.items()):
            if key in english and (text := plain(value)):
                yield Entry(english[key], language, text, SOURCE)
