"""Words and sentences that the benchmarks hold out of training: their concepts' names and their strings.

Four benchmarks: the sounds and pictures of ``benchmarks/``, dev and test, dev-2, and ESC-50, whose classes
``corpora/rules/esc50.tsv`` names. The policies are those of ``training.data.translations``.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

from cacara.benchmark.dataset import benchmark_file
from cacara.benchmark.dataset.benchmark_file import UNSEEN
from cacara.errors import ManifestError
from cacara.sources import texts as source_texts
from cacara.sources.texts import text_hash
from training.data import translations
from training.data.corpora import rules
from training.data.corpora.split import benchmarks

_ENDS = ("", ".", "!", "?", "。", "।")
"""Endings of benchmark texts that a lexicon holds without them."""


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Names and strings of all benchmarks.

    Attributes:
        names: English names of the concepts of dev and test and of ESC-50's classes, in singular and lower case.
        strings: ``text_hash`` of every text of dev and test, English and others.
        test_strings: The same of the test splits' texts in other languages than English.
        unseen: The same of dev-2's texts that no lexicon may hold.
    """

    names: frozenset[str]
    strings: frozenset[str]
    test_strings: frozenset[str]
    unseen: frozenset[str]

    def allows(self, english: str, text: str, policy: str) -> bool:
        """Return whether a policy lets a model see an English text with its translation.

        Args:
            english: The English text.
            text: The translation.
            policy: ``strict``: it names no concept and is no string of a benchmark; ``studio``: the translation is no
                string of a test split, nor an unseen one of dev-2.
        """
        ends = _ENDS if " " in text else ("",)
        if any(text_hash(text + end) in self.unseen for end in ends):
            return False
        if policy == "studio":
            return text_hash(text) not in self.test_strings
        return not self._named(english) and text_hash(text) not in self.strings

    @functools.cached_property
    def _named(self) -> functools._lru_cache_wrapper[bool]:
        return functools.lru_cache(maxsize=1 << 20)(lambda english: translations.names_any(english, self.names))


def read(sounds: Path, pictures: Path, tuxpaint: Path) -> HeldOut:
    """Return what the benchmarks keep out.

    Args:
        sounds: The frozen benchmark of sounds.
        pictures: The frozen benchmark of pictures.
        tuxpaint: Where the source ``tuxpaint`` was fetched to, whose strings the pictures' texts are.

    Raises:
        ManifestError: A benchmark is malformed, or a text of it is not there.
    """
    every = list(benchmarks(sounds))
    images = [row for row in benchmark_file.read(pictures).images if row.split != "train"]
    concepts = {sound.concept for rows in every for sound in rows.sounds} | {image.concept for image in images}
    names = set(translations.concept_names(concepts))
    for _, (label, further) in rules.read_table(rules.TABLES / "esc50.tsv", columns=2):
        names |= {translations.singular(name.strip()) for name in (label.replace("_", " "), *further.split(";"))}
    texts = [row for rows in every for row in rows.texts]
    strings = {row.sha256_16 for row in texts}
    test_strings = {row.sha256_16 for row in texts if row.split == "test" and row.language != "en"}
    unseen = {row.sha256_16 for row in texts if row.kind == UNSEEN}
    root = source_texts.content_folder("tuxpaint", tuxpaint)
    for row in images:
        try:
            described = source_texts.read_stamp_texts(root / row.texts)
        except OSError as error:
            raise ManifestError(f"the text {row.texts} of {pictures.name} cannot be read: {error}") from error
        strings |= {text_hash(text) for text in described.values()}
        if row.split == "test":
            test_strings |= {text_hash(text) for locale, text in described.items() if not locale.startswith("en")}
    return HeldOut(frozenset(names), frozenset(strings), frozenset(test_strings), frozenset(unseen))
