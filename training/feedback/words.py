"""Words out of feedback: corrected captions and judged queries as entries for a model's personal words.

The manifest, from which everything is learnt that people said, says what counts and how sure it is. Of it those rows
are taken whose text is a word or a short phrase in another language than English and fits its clip:

- a caption that somebody corrected means what the clip's English caption says, or the one that somebody corrected;
- a query that was judged means what its clips are called, where most of what was judged to fit is called the same.

Nothing is trained, so no gate measures it: a person looks at the entries before they are taken, and each can be taken
back. What is longer than a phrase stays in the manifest for trainings.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cacara import languages
from cacara.errors import LanguageError, LexiconError
from cacara.galleries import gallery
from cacara.galleries.gallery import Gallery
from cacara.galleries.manifest import Clip
from cacara.lexicon import PersonalWord
from training.feedback import manifest as feedback_manifest
from training.feedback.manifest import Manifest, Row

FITS = 0.5
"""Grade and weight that a row must exceed."""
AGREED = 2 / 3
"""Share of what was judged to fit a query that must be called the same."""

_Place = tuple[str, str]
"""A clip's kind and id."""


@dataclasses.dataclass(frozen=True)
class WordSuggestion:
    """An entry that feedback suggests.

    Attributes:
        word: The entry; its source says what it comes from.
        rows: Number of rows of the manifest that say so.
    """

    word: PersonalWord
    rows: int


@dataclasses.dataclass(frozen=True)
class WordSuggestions:
    """What feedback suggests.

    Attributes:
        words: By language and text, the best attested first of a text.
        left_out: Numbers of rows left out, by reason.
        manifest: Hash of what people said.
    """

    words: tuple[WordSuggestion, ...]
    left_out: Mapping[str, int]
    manifest: str

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        words = [{**each.word.to_json(), "rows": each.rows} for each in self.words]
        return {"words": words, "left_out": dict(self.left_out), "manifest": self.manifest}


def suggest(database: Path, place: str | None = None) -> WordSuggestions:
    """Return what a feedback database suggests.

    Args:
        database: The app's feedback database.
        place: Place of the gallery that was judged, see ``cacara.galleries.places``; None means the default one.

    Raises:
        RunError: There is no such database, or it cannot be read.
        GalleryError: The gallery cannot be had.
    """
    return collect(feedback_manifest.read_store(database), gallery.load(place))


def collect(manifest: Manifest, shown: Gallery) -> WordSuggestions:
    """Return what a manifest suggests.

    Args:
        manifest: Manifest of the feedback.
        shown: The gallery that was judged.
    """
    clips = {("sound", clip.clip_id): clip for clip in shown.clips}
    clips |= {("picture", clip.clip_id): clip for clip in shown.pictures}
    corrected = _corrected(manifest.rows)
    left_out: Counter[str] = Counter()
    captions: Counter[tuple[str, str, str]] = Counter()
    judged: dict[tuple[str, str], dict[str, float]] = {}
    rows_of: Counter[tuple[str, str]] = Counter()
    for row in manifest.rows:
        language = _other_language(row)
        if row.text is None or language is None or min(row.grade, row.weight) <= FITS:
            continue
        place = (row.clip_kind, row.clip_id)
        english = corrected.get(place) or (_english(clips[place], row) if place in clips else "")
        if not english:
            left_out["the clip is not in the gallery, or has no English description"] += 1
        elif row.source == "caption":
            captions[language, row.text, english] += 1
        else:
            weights = judged.setdefault((language, row.text), {})
            weights[english] = weights.get(english, 0.0) + row.weight
            rows_of[language, row.text] += 1
    for (language, text), weights in judged.items():
        english = max(weights, key=lambda name: (weights[name], name))
        if weights[english] < AGREED * sum(weights.values()):
            left_out["what fits the query is called differently"] += rows_of[language, text]
        else:
            captions.setdefault((language, text, english), rows_of[language, text])
    words = []
    for (language, text, english), rows in sorted(captions.items(), key=lambda item: (*item[0][:2], -item[1], item[0])):
        try:
            words.append(
                WordSuggestion(PersonalWord(language, text, english, source=f"feedback {manifest.hash}"), rows)
            )
        except LexiconError:
            left_out["longer than a phrase"] += rows
    return WordSuggestions(tuple(words), dict(sorted(left_out.items())), manifest.hash)


def _other_language(row: Row) -> str | None:
    try:
        code = languages.normalise(row.language or "")
        return None if languages.base(code) == "en" else code
    except LanguageError:
        return None


def _corrected(rows: Iterable[Row]) -> dict[_Place, str]:
    """Return the English captions that somebody corrected, the surest of a clip."""
    found: dict[_Place, tuple[float, str]] = {}
    for row in rows:
        if row.source == "caption" and row.text and row.language and languages.base(row.language) == "en":
            place = (row.clip_kind, row.clip_id)
            found[place] = max(found.get(place, (0.0, "")), (row.weight, _named(row.text)))
    return {place: text for place, (_, text) in found.items()}


def _english(clip: Clip, row: Row) -> str:
    """Return what a clip is called in English: its caption, and of a judged query the thing that is heard."""
    if row.source != "caption" and clip.concept:
        return _named(clip.concept)
    return next(
        (_named(texts[0]) for code, texts in clip.captions.items() if languages.base(code) == "en" and texts), ""
    )


def _named(text: str) -> str:
    """Return an English description as a sense, without article and full stop.

    >>> _named("A dog barks.")
    'dog barks'
    """
    plain = " ".join(unicodedata.normalize("NFC", text).split()).rstrip(".!")
    first, _, rest = plain.partition(" ")
    return rest if rest and first.lower() in ("a", "an", "the", "some") else plain
