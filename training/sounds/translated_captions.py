"""The paper's counterpart: the same model trained with captions in all languages, to measure what they cost and bring.

English-only training is what ``training.sounds.alignment`` stands for, and ``training.data.batches`` enforces it;
here other languages come in by a data class of their own, and the card says so. No person has translated the
captions: a caption or, where it is in no dictionary, the name of its clip's concept is looked up in lexicons
(``training.data.translations``, policy ``studio``: words may be known, the benchmark's own strings are left out).
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cacara import sources
from cacara.encoders.text import TextTower
from cacara.errors import ManifestError
from cacara.galleries.manifest import Clip
from cacara.model.parts.centring import LanguageCentring
from training.data import cached_arrays, text_statistics, translations
from training.data.batches import CaptionedFeatures
from training.data.features import Features
from training.data.translations import Translation
from training.run_folder import RunError
from training.sounds import alignment
from training.sounds.alignment import EmergentAlignmentOptions
from training.sounds.card import Method

FORMAT = 1
POLICY = "studio"
ENGLISH = "en"

log = logging.getLogger(__name__)

Texts = Mapping[str, tuple[str, ...]]
"""Language to its texts of one clip, English among them."""


class TranslatedCaptions(CaptionedFeatures):
    """Clips as features, each drawn with a text of a language drawn evenly among those it has texts in."""

    def __init__(
        self,
        clips: Sequence[Clip],
        features: Features,
        texts: Sequence[Texts],
        embeddings: Mapping[tuple[str, str], np.ndarray],
    ) -> None:
        """Put the parts together.

        Args:
            clips: The clips that ``features.kept`` counts in.
            features: Their views.
            texts: One for each of ``clips``.
            embeddings: Every (language, text), float32 [dimension], L2-normalised.
        """
        super().__init__(clips, features, {})
        self._texts = [sorted(texts[position].items()) for position in features.kept]
        self._spoken = embeddings

    def _phrasing(self, index: int, rng: np.random.Generator) -> np.ndarray:
        languages = self._texts[index]
        language, texts = languages[rng.integers(len(languages))]
        return self._spoken[language, texts[rng.integers(len(texts))]]


@dataclasses.dataclass(frozen=True)
class LexiconCaptions:
    """Captions by lexicon, as ``emergent_alignment.train`` takes them.

    Attributes:
        pairs: Pairs that may be looked up.
    """

    pairs: Sequence[Translation]

    def record(self, clips: Sequence[Clip]) -> dict[str, Any]:
        """Return what the captions are, for the record of the run: counts tell one set of lexicons from another."""
        return {"policy": POLICY, **count(translate(clips, self.pairs))}

    def method(self, clips: Sequence[Clip]) -> Method:
        """Return what the card says of them."""
        about = (
            "An upper bound, not emergent alignment: it was trained on captions in {languages} languages. They are\n"
            "English captions, and for {translated} of {clips} clips words of lexicons for the caption or for its\n"
            "concept, by rule: nobody has translated the captions. {pairs:,} pairs of a clip and a text, of which\n"
            "{english:,} English."
        )
        return Method(about.format(**count(translate(clips, self.pairs))), "translated_captions", english_alone=False)

    def batches(
        self, clips: Sequence[Clip], heard: Features, tower: TextTower, centring: LanguageCentring
    ) -> TranslatedCaptions:
        """Return the clips with their texts as the frozen text tower gives them, each centred by its language."""
        texts = translate(clips, self.pairs)
        spoken = sorted({(language, text) for own in texts for language, known in own.items() for text in known})
        begin = time.monotonic()
        raw = cached_arrays.get(
            "translated",
            [FORMAT, dataclasses.asdict(tower.config), cached_arrays.weights_hash(tower), spoken],
            lambda: {"embeddings": text_statistics.embed(tower, [text for _, text in spoken])},
        )["embeddings"]
        log.info("%d texts embedded in %.0f s", len(spoken), time.monotonic() - begin)
        embedded = centring(torch.from_numpy(raw), [language for language, _ in spoken]).numpy()
        return TranslatedCaptions(clips, heard, texts, dict(zip(spoken, embedded, strict=True)))


def translate(clips: Sequence[Clip], pairs: Sequence[Translation]) -> list[Texts]:
    """Return every clip's texts: its English captions, and what lexicons have for them or for its concept.

    In each language the captions that are in a lexicon come first; only where none is, the concept is looked up.

    Raises:
        ManifestError: No clip has a text in another language than English.
    """
    lexicon: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for pair in pairs:
        lexicon[_key(pair.english)][pair.language].add(pair.text)
    texts: list[Texts] = []
    for clip in clips:
        found: dict[str, set[str]] = {}
        for phrase in clip.captions[ENGLISH]:
            for language, known in lexicon.get(_key(phrase), {}).items():
                found.setdefault(language, set()).update(known)
        for language, known in lexicon.get(_key(clip.concept or ""), {}).items():
            found.setdefault(language, known)
        own = {language: tuple(sorted(known)) for language, known in sorted(found.items())}
        texts.append({**own, ENGLISH: clip.captions[ENGLISH]})
    if all(len(own) == 1 for own in texts):
        raise ManifestError(
            f"none of {len(clips)} clips has a text in another language; wanted lexicons that name some"
        )
    return texts


def count(texts: Sequence[Texts]) -> dict[str, int]:
    """Return how many clips, clips with translations, languages, and pairs of a clip and a text there are."""
    return {
        "clips": len(texts),
        "translated": sum(len(own) > 1 for own in texts),
        "languages": len({language for own in texts for language in own}),
        "pairs": sum(len(known) for own in texts for known in own.values()),
        "english": sum(len(own[ENGLISH]) for own in texts),
    }


def train(options: EmergentAlignmentOptions, output: Path, benchmark: Path) -> Path:
    """Train a model on captions in all languages; the rest is as in ``emergent_alignment.train``.

    Raises:
        RunError: ``trainable`` is another part than the projection, or as there.
    """
    if options.trainable != "projection":
        raise RunError(f"trainable is {options.trainable!r}; translated captions are for 'projection' alone")
    folders = {key: sources.fetch(key, lambda progress: log.info("%s", progress)) for key in translations.SOURCES}
    pairs = translations.allowed(translations.collect(folders), POLICY, benchmark)
    return alignment.train(options, output, benchmark, LexiconCaptions(pairs))


def _key(phrase: str) -> str:
    return translations.singular(phrase.strip(" .!"))
