"""How long models take from a query's text to the nearest sounds, one query at a time, on this machine.

All models of a comparison are asked in turn, query by query, so that what else the machine does weighs on all alike.
The result is kept in the cache under the models and what they run on: the same comparison gives the same report.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from cacara import sources
from cacara.benchmark.dataset.splits import Query
from cacara.languages import spelling
from cacara.model.model import Cacara
from cacara.search.index import ExactIndex
from cacara_files import atomic

FORMAT = 1
LANGUAGES = ("cs", "de", "en", "es", "fi", "fr", "hr", "hu", "ro", "sw")
"""In which it is asked, as far as the benchmark has them; else in all of its languages."""
QUERIES = 40
GALLERY = 1000
"""Sounds in the index that is searched; their embeddings are random, which costs the same."""
NEAREST = 10

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Latency:
    """One model's times, in milliseconds.

    Attributes:
        median_ms: Of all queries.
        p90_ms: The ninth decile.
        queries: Their number.
    """

    median_ms: float
    p90_ms: float
    queries: int


def of(models: Mapping[str, Cacara], queries: Sequence[Query]) -> dict[str, Latency]:
    """Return the models' latencies, from the cache when the same models were asked the same here before.

    Args:
        models: Name → model.
        queries: The benchmark's; some of them are asked.
    """
    asked = chosen(queries)
    depends_on = [FORMAT, [list(query) for query in asked], torch.__version__, torch.get_num_threads()]
    depends_on += [[name, m.fingerprint, m.device.type, m.precision] for name, m in models.items()]
    digest = hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:16]
    path = sources.cache_folder() / "latency" / f"{digest}.json"
    if (kept := _read(path, models)) is not None:
        return kept
    found = measure(models, asked)
    _keep(path, found)
    return found


def chosen(queries: Sequence[Query]) -> list[tuple[str, str]]:
    """Return up to ``QUERIES`` texts with their languages, evenly over languages, always the same."""
    by_language: dict[str, list[str]] = {}
    for query in sorted(queries, key=lambda query: (query.language, query.text)):
        by_language.setdefault(query.language, []).append(query.text)
    kept = [code for code in LANGUAGES if code in by_language] or sorted(by_language)
    each = max(1, QUERIES // max(1, len(kept)))
    found = []
    for code in kept[:QUERIES]:
        texts = list(dict.fromkeys(by_language[code]))
        found += [(text, code) for text in texts[:: max(1, len(texts) // each)][:each]]
    return found


def measure(models: Mapping[str, Cacara], asked: Sequence[tuple[str, str]]) -> dict[str, Latency]:
    """Return the models' latencies; a text that a model remembers is forgotten before it is asked.

    Args:
        models: Name → model.
        asked: Texts with their languages, one or more.
    """
    rng = np.random.default_rng(0)
    galleries = {}
    for name, model in models.items():
        rows = rng.normal(size=(GALLERY, model.dimension)).astype(np.float32)
        galleries[name] = ExactIndex([str(row) for row in range(GALLERY)], rows)
        _ask(model, galleries[name], *asked[0])  # what is made at the first use is not counted
    taken: dict[str, list[float]] = {name: [] for name in models}
    for text, language in asked:
        for name, model in models.items():
            model.forget_texts([spelling.fold(text, language)])
            taken[name].append(_ask(model, galleries[name], text, language))
    return {
        name: Latency(round(float(np.median(times)), 1), round(float(np.quantile(times, 0.9)), 1), len(times))
        for name, times in taken.items()
    }


def _ask(model: Cacara, gallery: ExactIndex, text: str, language: str) -> float:
    begun = time.perf_counter()
    gallery.search(model.encode_text([text], language)[0:1], NEAREST)
    return 1000 * (time.perf_counter() - begun)


def _read(path: Path, models: Mapping[str, Cacara]) -> dict[str, Latency] | None:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {name: Latency(**rows[name]) for name in models}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("kept latencies %s are unreadable and measured anew: %s", path.name, error)
        return None


def _keep(path: Path, found: Mapping[str, Latency]) -> None:
    try:
        rows = {name: dataclasses.asdict(latency) for name, latency in found.items()}
        atomic.write_text(path, json.dumps(rows) + "\n")
    except OSError as error:  # a full or read-only disk: the next run measures again
        log.warning("latencies are not kept: %s", error)
