"""Pictures sorted into classes that lexicons name: zero-shot classification in languages other than English.

The classes of a language are the concepts of dev that CLDR, gcompris or FreeDict name in it, never the pictures' own
descriptions, so languages differ in how many they have. The same pictures and classes named in English stand beside.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cacara import sources
from cacara.galleries.manifest import Clip
from cacara.metrics import ranks_of_first_relevant
from cacara.search.classification import Labels, class_embeddings
from training.data import translations
from training.data.translations import Translation
from training.studies.cells import Row

NAMED, IN_ENGLISH = "picture_to_name", "picture_to_english_name"
"""Sets of rows; the second has the language's classes, named in English."""
NAMED_BY = ("cldr", "gcompris", "freedict")
"""Names are taken from the first of these that has any, by the beginning of a source's key."""
MOST_NAMES = 3


@functools.cache
def pairs() -> tuple[Translation, ...]:
    """Return the translations of all lexicons."""
    return tuple(translations.collect(sources.fetch_all(translations.ALL_SOURCES)))


def class_names(found: Sequence[Translation], concepts: Sequence[str], languages: Sequence[str]) -> Labels:
    """Return what lexicons call concepts; English has the concept itself.

    Args:
        found: Translations.
        concepts: English names.
        languages: Languages to name them in; those that name fewer than two concepts are left out.
    """
    wanted = {translations.singular(concept): concept for concept in concepts}
    named: dict[str, dict[str, dict[int, set[str]]]] = {}
    for pair in found:
        concept = wanted.get(translations.singular(pair.english))
        place = next((n for n, key in enumerate(NAMED_BY) if pair.source.startswith(key)), None)
        if concept is not None and place is not None and pair.language in languages:
            rows = named.setdefault(pair.language, {}).setdefault(concept, {})
            rows.setdefault(place, set()).add(pair.text)
    names: dict[str, dict[str, tuple[str, ...]]] = {"en": {concept: (concept,) for concept in sorted(concepts)}}
    for code in languages:
        kept = {concept: tuple(sorted(of[min(of)])[:MOST_NAMES]) for concept, of in named.get(code, {}).items()}
        if len(kept) > 1:
            names[code] = dict(sorted(kept.items()))
    return Labels(names)


def rows(
    embed: Callable[[Sequence[str], str], NDArray[np.float32]],
    pictures: Sequence[Clip],
    vectors: NDArray[np.float32],
    languages: Sequence[str],
) -> list[Row]:
    """Return a row for each picture whose concept a language names: the rank of its class among those of the language.

    Args:
        embed: Places the names.
        pictures: Each with a concept.
        vectors: float32 [pictures, dimension], L2-normalised.
        languages: BCP-47 codes.
    """
    concepts = sorted({picture.concept or "" for picture in pictures})
    labels = class_names(pairs(), concepts, [code for code in languages if code != "en"])
    found: list[Row] = []
    for code, names in labels.names.items():
        english = {concept: (concept,) for concept in names}
        found += _ranked(NAMED, code, embed, pictures, vectors, names, code)
        found += _ranked(IN_ENGLISH, code, embed, pictures, vectors, english, "en")
    return found


class _Encoder:
    """A text encoder by a function."""

    def __init__(self, embed: Callable[[Sequence[str], str], NDArray[np.float32]]) -> None:
        self._embed = embed

    def encode_text(
        self, texts: Sequence[str], languages: str | Sequence[str | None] | None = None
    ) -> NDArray[np.float32]:
        return self._embed(texts, str(languages))


def _ranked(
    kind: str,
    language: str,
    embed: Callable[[Sequence[str], str], NDArray[np.float32]],
    pictures: Sequence[Clip],
    vectors: NDArray[np.float32],
    names: Mapping[str, tuple[str, ...]],
    spoken: str,
) -> list[Row]:
    classes = list(names)
    asked = [place for place, picture in enumerate(pictures) if picture.concept in names]
    scores = vectors[asked] @ class_embeddings(_Encoder(embed), names, spoken).T
    right = np.array([[name == pictures[place].concept for name in classes] for place in asked])
    ranks = ranks_of_first_relevant(scores, right)
    clips = [pictures[place] for place in asked]
    return [(kind, language, clip.concept or "", clip.clip_id, int(r)) for clip, r in zip(clips, ranks, strict=True)]
