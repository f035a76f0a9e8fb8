"""GATITOS: English words and phrases in low-resource languages, one pair a line (Jones et al. 2023, arXiv 2303.15265).

``gatitos/en_CODE.tsv`` holds English, a tab, and one translation or several by commas; some translators repeated the
line instead.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cacara.errors import SourceError
from training.data.corpora.words.entries import Entry, language_of, plain, text_of

SOURCE = "gatitos"
_FILE = re.compile(r"en_(?P<code>.+)\.tsv")
_SEVERAL = re.compile(r"[,;/،、]")
_REMARK = re.compile(r"\((noun|verb|adj(?:ective)?|adv(?:erb)?)\)")
_PARTS = {
    "noun": "noun",
    "verb": "verb",
    "adj": "adjective",
    "adjective": "adjective",
    "adv": "adverb",
    "adverb": "adverb",
}


def read(folder: Path) -> Iterator[Entry]:
    """Yield the entries, the translations of an English text in their order.

    Raises:
        SourceError: The folder holds no such file, or one is damaged.
    """
    paths = sorted((folder / "gatitos").glob("en_*.tsv"))
    if not paths:
        raise SourceError(f"{folder} holds no gatitos/en_*.tsv; wanted the repository url-nlp")
    for path in paths:
        match = _FILE.fullmatch(path.name)
        language = language_of(match["code"]) if match else None
        if language is None:
            continue
        seen: Counter[str] = Counter()
        for line in text_of(path).splitlines():
            english, _, translations = line.partition("\t")
            part = _REMARK.search(translations)
            # A comma in a sentence of several words does not part translations.
            pieces = _SEVERAL.split(translations) if len(english.split()) <= 3 else [translations]
            for piece in pieces:
                if text := plain(piece):
                    yield Entry(english, language, text, SOURCE, _PARTS[part[1]] if part else None, seen[english])
                    seen[english] += 1
