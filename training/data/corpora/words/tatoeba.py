"""Tatoeba's sentences as LASER has them (Artetxe and Schwenk 2019): ``tatoeba.CODE-eng.CODE`` and ``.eng``, by line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from cacara.errors import SourceError
from training.data.corpora.words.entries import Entry, language_of, text_of

SOURCE = "tatoeba"
_FILE = re.compile(r"tatoeba\.(?P<code>[a-z]{3})-eng\.(?P=code)")


def read(folder: Path) -> Iterator[Entry]:
    """Yield the sentences with their translations.

    Raises:
        SourceError: The folder holds no such file, or two that belong together differ in length.
    """
    paths = [path for path in sorted(folder.rglob("tatoeba.*-eng.*")) if _FILE.fullmatch(path.name)]
    if not paths:
        raise SourceError(f"{folder} holds no tatoeba.*-eng.*; wanted data/tatoeba of the repository LASER")
    for path in paths:
        match = _FILE.fullmatch(path.name)
        language = language_of(match["code"]) if match else None
        if language is None:
            continue
        texts, english = _lines(path), _lines(path.with_suffix(".eng"))
        if len(texts) != len(english):
            raise SourceError(f"{path.name} has {len(texts)} lines and its English file {len(english)}; wanted as many")
        for source, text in zip(english, texts, strict=True):
            if source.strip() and text.strip():
                yield Entry(" ".join(source.split()), language, " ".join(text.split()), SOURCE)


def _lines(path: Path) -> list[str]:
    return unicodedata.normalize("NFC", text_of(path)).rstrip("\n").split("\n")
