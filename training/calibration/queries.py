"""What a calibration asks: the queries of benchmarks as a model embeds them, with pools of what may be found."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cacara.benchmark import audio_cache, text_cache
from cacara.benchmark.dataset import splits
from cacara.benchmark.dataset.splits import Benchmark, Query
from cacara.galleries.manifest import Clip
from cacara.media import audio, images
from cacara.model.model import Cacara
from cacara.search.embedding import QueryEmbedding
from cacara.search.likelihood import kind_of
from cacara.search.request import SearchRequest
from training.calibration.trials import QUERIES_A_CONCEPT, Asked

TEXTS = ("english", "known", "unknown")

log = logging.getLogger(__name__)


def of_sounds(model: Cacara, benchmark: Benchmark, others: Sequence[Clip], seed: int) -> list[list[Asked]]:
    """Return what texts and sounds ask of sounds, and sounds of descriptions: a list for each fit.

    Args:
        model: The model.
        benchmark: Its texts and sounds.
        others: Sounds of other concepts, which fill the galleries.
        seed: By which a concept's texts are drawn.
    """
    heard, beside = _heard(model, benchmark.clips), _heard(model, others)
    pool = np.concatenate([heard, beside])
    concepts = [clip.concept or clip.clip_id for clip in benchmark.clips]
    holds = [frozenset([concept]) for concept in concepts] + [frozenset[str]()] * len(others)
    spoken = {query.text: frozenset([query.concept]) for query in benchmark.queries if query.language == "en"}
    captions = {clip.caption("en"): frozenset[str]() for clip in others}
    described = {**captions, **spoken}
    texts = model.encode_text(list(described), "en")
    return [
        _asked_in_text(model, benchmark.queries, "audio", pool, holds, seed),
        [Asked("sound", "audio", heard, concepts, pool, holds, range(len(heard)))],
        [Asked("sound", "text", heard, concepts, texts, list(described.values()))],
    ]


def of_pictures(model: Cacara, benchmark: Benchmark, others: Sequence[Clip], seed: int) -> list[list[Asked]]:
    """Return what texts and pictures ask of pictures; arguments as of ``of_sounds``."""
    seen, beside = _seen(model, benchmark.clips), _seen(model, others)
    pool = np.concatenate([seen, beside])
    concepts = [clip.concept or clip.clip_id for clip in benchmark.clips]
    holds = [frozenset([concept]) for concept in concepts] + [frozenset[str]()] * len(others)
    return [
        _asked_in_text(model, benchmark.queries, "image", pool, holds, seed),
        [Asked("picture", "image", seen, concepts, pool, holds, range(len(seen)))],
    ]


def pictures(folders: Mapping[str, Path]) -> tuple[Benchmark, Sequence[Clip]]:
    """Return the dev split of the benchmark of pictures, and the pictures of its train split, of other concepts."""
    dev, train = (splits.load(splits.PICTURES, split, folders) for split in ("dev", "train"))
    return dev, train.clips


def _asked_in_text(
    model: Cacara,
    queries: Sequence[Query],
    target: str,
    pool: np.ndarray,
    holds: Sequence[frozenset[str]],
    seed: int,
) -> list[Asked]:
    """Return the texts of each kind; kinds that the queries lack are left out."""
    kinds = np.array([_kind(model, query) for query in queries])
    rng = np.random.default_rng(seed)
    found = []
    for kind in TEXTS:
        drawn: dict[str, list[Query]] = {}
        for position in rng.permutation(np.flatnonzero(kinds == kind)).tolist():
            of_concept = drawn.setdefault(queries[position].concept, [])
            if len(of_concept) < QUERIES_A_CONCEPT:
                of_concept.append(queries[position])
        asked = [query for _, some in sorted(drawn.items()) for query in some]
        if not asked:
            continue
        texts = [query.text for query in asked]
        text_cache.recall(model, texts)
        vectors = model.encode_text(texts, [query.language for query in asked])
        text_cache.keep(model, texts)
        log.info("%d queries of the kind %s", len(asked), kind)
        found.append(Asked(kind, target, vectors, [query.concept for query in asked], pool, holds))
    return found


def _kind(model: Cacara, query: Query) -> str:
    """Return the kind of a text, as a search tells it."""
    known = model.look_up(query.text, query.language)
    request = SearchRequest(text=query.text, language=query.language)
    return kind_of(QueryEmbedding(request, np.zeros(0, np.float32), query.language, "chosen", looked_up=known))


def _heard(model: Cacara, clips: Sequence[Clip]) -> np.ndarray:
    def read(position: int) -> np.ndarray:
        return audio.load(clips[position].path, audio.GALLERY_LIMITS).waveform

    named = hashlib.sha256("\n".join(clip.sha256 for clip in clips).encode()).hexdigest()
    log.info("%d sounds", len(clips))
    return audio_cache.embed(model, f"calibration-{named}", len(clips), read)


def _seen(model: Cacara, clips: Sequence[Clip]) -> np.ndarray:
    log.info("%d pictures", len(clips))
    return model.encode_image([images.load(clip.path, images.GALLERY_LIMITS) for clip in clips])
