"""Translate by a dictionary, then search in English: what learning a language is held against."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cacara import sources
from training.data import translations as lexicons
from training.data.corpora import freedict
from training.data.translations import Translation
from training.studies.mla_ways import StudyMaterial, TrainedWay
from training.studies.uclip_study import Dictionary

LONGEST_PHRASE = 4

log = logging.getLogger(__name__)


def translated(world: StudyMaterial, folder: Path, words: bool) -> TrainedWay:
    """Translate by FreeDict, then search in English; what is not known stays as it is.

    The dictionaries know all words, also those that name what the policy keeps from the other ways.

    Args:
        world: The material.
        folder: Unused: nothing is trained.
        words: Whether a text that is not known as a whole is translated phrase by phrase.
    """
    dictionary = Dictionary(dictionary_pairs(world.options.languages))

    def embed(texts: Sequence[str], code: str) -> NDArray[np.float32]:
        english = [
            dictionary.translate(text, code) or (by_phrases(dictionary, text, code) if words else text)
            for text in texts
        ]
        return world.model.encode_text(english, "en", centre=True)

    return TrainedWay(embed, 0, 0.0, "FreeDict")


def dictionary_pairs(languages: Sequence[str]) -> list[Translation]:
    """Return FreeDict's entries of the languages, sorted; a language without a dictionary has none."""
    folders = sources.fetch_all(lexicons.DICTIONARIES, lambda progress: log.info("%s", progress))
    found = set()
    for key in lexicons.DICTIONARIES:
        for english, language, said in freedict.read(key, folders[key]):
            if language not in languages:
                break  # a dictionary is of one language
            found.add(Translation(english, language, said, key))
    return sorted(found)


def by_phrases(dictionary: Dictionary, text: str, language: str) -> str:
    """Return a text whose longest known phrases are translated, from left to right; other words stay."""
    words, said, place = text.split(), list[str](), 0
    while place < len(words):
        for size in range(min(LONGEST_PHRASE, len(words) - place), 0, -1):
            phrase = " ".join(words[place : place + size]).strip(",;:()\"'«»„“”")
            if (english := dictionary.translate(phrase, language)) or size == 1:
                said.append(english or phrase or words[place])
                place += size
                break
    return " ".join(said)
