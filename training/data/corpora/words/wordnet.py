"""Open Multilingual Wordnet's part out of Wiktionary (Bond and Foster 2013), joined to English by WordNet's synsets.

``wns/wikt/wn-wikt-CODE.tab``: after a comment line, the synset as offset and part of speech (``00015097-a``), a
relation and the lemma. A synset's English lemmas stand in ``data.noun`` and its like of WordNet 3.0, and which of a
lemma's senses it is in ``index.noun`` and its like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cacara.errors import SourceError
from training.data.corpora.words.entries import Entry, language_of, plain, text_of

SOURCE = "omw-wikt"
LEMMAS = 2
"""English lemmas of a synset that are taken: WordNet lists the commonest first."""
_FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
_PARTS = {"n": "noun", "v": "verb", "a": "adjective", "r": "adverb"}
_PERSON = "18"
"""Of WordNet's lexicographer files, noun.person."""
_FILE = re.compile(r"wn-wikt-(?P<code>[a-z]{2,3}(?:-[A-Za-z]+)*)\.tab")


def read(folder: Path, wordnet: Path) -> Iterator[Entry]:
    """Yield the entries of all languages that have a code.

    Args:
        folder: The repository omw-data.
        wordnet: Where WordNet 3.0 was fetched to, somewhere below which ``data.noun`` lies.

    Raises:
        SourceError: A folder holds nothing of the kind, or a file is damaged.
    """
    synsets = _synsets(wordnet)
    paths = sorted((folder / "wns" / "wikt").glob("wn-wikt-*.tab"))
    if not paths:
        raise SourceError(f"{folder} holds no wns/wikt/wn-wikt-*.tab; wanted the repository omw-data")
    for path in paths:
        match = _FILE.fullmatch(path.name)
        language = language_of(match["code"]) if match else None
        if language is None:
            continue
        for line in text_of(path, "replace").split("\n"):
            if line.startswith("#") or line.count("\t") < 2:
                continue
            synset, _, lemma = line.split("\t")[:3]
            if text := plain(lemma.replace("_", " ")):
                synset = synset.replace("-s", "-a")
                if text.casefold() in (english.casefold() for english, _ in synsets.get(synset, ())):
                    continue  # "tennis" is no word for lawn tennis in other languages
                for english, sense in synsets.get(synset, ()):
                    yield Entry(english, language, text, SOURCE, _PARTS[synset[-1]], sense)


def _synsets(folder: Path) -> dict[str, list[tuple[str, int]]]:
    """Return each synset's first English lemmas, each with the number of the sense that the synset is of it, from 0."""
    found: dict[str, list[tuple[str, int]]] = {}
    for part, name in _FILES.items():
        try:
            (data,) = folder.rglob(f"data.{name}")
            senses = _senses(data.with_name(f"index.{name}"))
            for line in data.read_text(encoding="latin-1").split("\n"):
                if not line or line.startswith(" "):
                    continue  # the licence
                cells = line.split(" ")
                lemmas = cells[4 : 4 + 2 * int(cells[3], 16) : 2][:LEMMAS]
                lemmas = [re.sub(r"\(.*", "", lemma) for lemma in lemmas]
                if cells[1] == _PERSON and lemmas[0][:1].isupper():
                    continue  # Shakespeare, and the like
                if not lemmas[0][:1].isupper():  # no scientific name beside a common one
                    lemmas = [lemma for lemma in lemmas if not lemma[:1].isupper()]
                found[f"{cells[0]}-{part}"] = [
                    (lemma.replace("_", " "), senses.get((lemma.lower(), cells[0]), 0)) for lemma in lemmas
                ]
        except (OSError, ValueError, IndexError) as error:
            raise SourceError(f"WordNet's data.{name} in {folder} cannot be read: {error}") from error
    return found


def _senses(index: Path) -> dict[tuple[str, str], int]:
    senses = {}
    for line in index.read_text(encoding="latin-1").split("\n"):
        if line and not line.startswith(" "):
            cells = line.split()
            offsets = cells[-int(cells[2]) :]
            senses.update({(cells[0], offset): number for number, offset in enumerate(offsets)})
    return senses
