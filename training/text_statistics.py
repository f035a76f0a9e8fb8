"""The centre of each language's texts, measured outside the benchmark."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import torch

from cacara import languages, sources
from cacara.adapters import LanguageCentring
from cacara.backbones.text import TextTower
from cacara.benchmark_file import text_hash
from cacara.errors import LanguageError

NAMES_A_LANGUAGE = 300
BATCH = 128

log = logging.getLogger(__name__)


def cldr_names(folder: Path) -> dict[str, dict[str, str]]:
    """Return the emoji names of the CLDR package: language to symbol to name, in its own order.

    Regional variants that repeat their base language are left out.
    """
    names: dict[str, dict[str, str]] = {}
    for path in sorted((folder / "package" / "annotations").glob("*/annotations.json")):
        code = path.parent.name
        if re.search(r"-([A-Z]{2}|\d{3})$", code) and code not in ("pt-PT",):
            continue
        try:
            language = languages.normalise(code)
        except LanguageError:
            continue
        rows = json.loads(path.read_text(encoding="utf-8"))["annotations"].get("annotations", {})
        found = {symbol: entry["tts"][0].strip() for symbol, entry in rows.items() if entry.get("tts")}
        if len(found) >= 100:
            names[language] = found
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
    key = json.dumps([tower.config.backbone, tower.config.prefix, NAMES_A_LANGUAGE, names, sorted(benchmark_hashes)])
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    path = sources.cache_folder() / "training" / f"centres-{digest}.npz"
    if path.is_file():
        centring = LanguageCentring(sorted(names), tower.dimension)
        with np.load(path, allow_pickle=False) as arrays:
            centring.means.copy_(torch.from_numpy(arrays["means"]))
            centring.global_mean.copy_(torch.from_numpy(arrays["global_mean"]))
        return centring
    centring = language_centres(tower, names, benchmark_hashes)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.{os.getpid()}.partial.npz")
    np.savez(partial, means=centring.means.numpy(), global_mean=centring.global_mean.numpy())
    partial.replace(path)
    return centring


def embed(tower: TextTower, texts: Sequence[str]) -> np.ndarray:
    """Return the tower's embeddings of texts as they are, float32 [texts, dimension]."""
    embeddings = np.zeros((len(texts), tower.dimension), np.float32)
    order = sorted(range(len(texts)), key=lambda position: len(texts[position]))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        with torch.inference_mode():
            embeddings[chosen] = tower(**tower.tokenize([texts[position] for position in chosen])).numpy()
    return embeddings
