"""Panlexia: words of everyday concepts, by the synset that each names.

``dict/X/CODE.tsv`` has a line of column names, ``id`` and ``word`` among them. An id such as ``PWN:ant.n.01`` is a
synset of Princeton WordNet and gives the English word and its part of speech; Panlexia's own (``PLX:``) do the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cacara.errors import SourceError
from training.data.corpora.words.entries import Entry, language_of, plain, text_of, without_remarks

SOURCE = "panlexia"
_ID = re.compile(r"[A-Z]+:(?P<word>.+)\.(?P<part>[a-z]+)(?:\.(?P<number>\d+))?")
_PARTS = {"n": "noun", "v": "verb", "a": "adjective", "s": "adjective", "r": "adverb"}
_PART = re.compile(r"(?:^|\s)-|-\s*$")
"""Of a stem or an ending, which is no word."""
_GRAMMAR = re.compile(r"\b[123](?:SG|PL|DU)\b|[A-Z]{2}")


def read(folder: Path) -> Iterator[Entry]:
    """Yield the entries of all languages that have a code.

    Raises:
        SourceError: The folder holds no word list, or one is damaged.
    """
    paths = sorted((folder / "dict").glob("*/*.tsv"))
    if not paths:
        raise SourceError(f"{folder} holds no dict/*/*.tsv; wanted the repository panlexia")
    for path in paths:
        language = language_of(path.stem)
        if language is None:
            continue
        header, *lines = text_of(path, "replace").split("\n")
        try:
            columns = header.rstrip("\r").split("\t")
            identifier, word, style = (
                columns.index("id"),
                columns.index("word"),
                columns.index("style") if "style" in columns else None,
            )
        except ValueError as error:
            raise SourceError(f"{path.name} cannot be read: {error}") from error
        for line in lines:
            cells = line.rstrip("\r").split("\t")
            match = _ID.fullmatch(cells[identifier]) if len(cells) > word else None
            if match is None or _GRAMMAR.search(match["word"]):
                continue
            vulgar = style is not None and cells[style].startswith("vul")
            for piece in re.split(r"[,;،/]", without_remarks(cells[word])):
                if (text := plain(piece)) and not _PART.search(piece):
                    english = match["word"].replace("_", " ")
                    yield Entry(
                        english, language, text, SOURCE, _PARTS.get(match["part"]), _sense(match["number"]), vulgar
                    )


def _sense(number: str | None) -> int:
    return max(int(number) - 1, 0) if number else 0
