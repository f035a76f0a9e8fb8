"""The centre of each language's texts, measured outside the benchmark."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import torch

from cacara import languages
from cacara.encoders.text import TextTower
from cacara.errors import LanguageError, SourceError
from cacara.model.parts.centring import LanguageCentring
from cacara.sources import texts as source_texts
from cacara.sources.texts import text_hash
from training.data import cached_arrays

FORMAT = 1
NAMES_A_LANGUAGE = 300
MIN_NAMES = 100
BATCH = 128
REGIONAL = re.compile(r"-([A-Z]{2}|\d{3})$")
KEPT_REGIONS = ("pt-PT",)

log = logging.getLogger(__name__)


def cldr_names(folder: Path) -> dict[str, dict[str, str]]:
    """Return the emoji names of the CLDR package: language to symbol to name, in its own order.

    Regional variants that repeat their base language are left out, and languages with fewer than ``MIN_NAMES``.

    Args:
        folder: Where the source ``cldr`` was fetched to.

    Raises:
        SourceError: The folder holds no names.
    """
    names: dict[str, dict[str, str]] = {}
    for path in sorted(source_texts.content_folder("cldr", folder).glob("*/annotations.json")):
        code = path.parent.name
        if REGIONAL.search(code) and code not in KEPT_REGIONS:
            continue
        try:
            language = languages.normalise(code)
        except LanguageError:
            continue
        rows = json.loads(path.read_text(encoding="utf-8"))["annotations"].get("annotations", {})
        found = {symbol: entry["tts"][0].strip() for symbol, entry in rows.items() if entry.get("tts")}
        if len(found) >= MIN_NAMES:
            names[language] = found
    if not names:
        raise SourceError(f"no language of {folder} has {MIN_NAMES} names; wanted CLDR's package of annotations")
    return names


def language_centres(
    tower: TextTower, names: dict[str, dict[str, str]], benchmark_hashes: Collection[str]
) -> LanguageCentring:
    """Return the mean embedding of each language's names, and of all languages.

    Args:
        tower: The frozen text tower.
        names: As ``cldr_names`` returns them.
        benchmark_hashes: ``text_hash`` of every text of the benchmark; such names are left out.
    """
    centring = LanguageCentring(sorted(names), tower.dimension)
    for row, language in enumerate(centring.languages):
        # The same symbols in every language, spread evenly: centres then differ by language, not by topic.
        symbols = sorted(names[language])
        step = max(1, len(symbols) // NAMES_A_LANGUAGE)
        texts = [names[language][symbol] for symbol in symbols[::step]]
        texts = [text for text in texts if text_hash(text) not in benchmark_hashes]
        centring.means[row] = torch.from_numpy(embed(tower, texts).mean(0))
        log.info("centre of %s from %d names (%d of %d)", language, len(texts), row + 1, len(names))
    centring.global_mean.copy_(centring.means.mean(0))
    return centring


def cached_centres(
    tower: TextTower, names: dict[str, dict[str, str]], benchmark_hashes: Collection[str]
) -> LanguageCentring:
    """Return ``language_centres``, from the cache when the same names went through the same tower before."""

    def compute() -> dict[str, np.ndarray]:
        computed = language_centres(tower, names, benchmark_hashes)
        return {"means": computed.means.numpy(), "global_mean": computed.global_mean.numpy()}

    config, weights = dataclasses.asdict(tower.config), cached_arrays.weights_hash(tower)
    key = [FORMAT, config, weights, NAMES_A_LANGUAGE, names, sorted(benchmark_hashes)]
    arrays = cached_arrays.get("centres", key, compute)
    centring = LanguageCentring(sorted(names), tower.dimension)
    centring.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return centring


def embed(tower: TextTower, texts: Sequence[str]) -> np.ndarray:
    """Return the tower's embeddings of texts as they are, float32 [texts, dimension]."""
    embeddings = np.zeros((len(texts), tower.dimension), np.float32)
    device = next(tower.parameters()).device
    order = sorted(range(len(texts)), key=lambda position: len(texts[position]))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        with torch.inference_mode():
            tokens = tower.tokenize([texts[position] for position in chosen])
            batch = tower(**{name: value.to(device) for name, value in tokens.items()})
            embeddings[chosen] = batch.cpu().numpy()
    return embeddings
