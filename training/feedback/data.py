"""Feedback as numbers: which clips of a gallery were judged, what is held out, what frozen towers make of it all."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from cacara.errors import AudioError, ImageError
from cacara.galleries.gallery import Gallery
from cacara.galleries.manifest import Clip
from cacara.media import audio, images
from cacara.model.model import Cacara
from feedback_db.store.recordings import recording_path
from training.data import cached_arrays
from training.data.batches import refuse_measuring_only
from training.feedback.gate import Contests
from training.feedback.manifest import Manifest, Row
from training.feedback.method import JudgedPairs
from training.run_folder import RunError

FORMAT = 1
KINDS = ("sound", "picture")
MAX_SECONDS = 10.0

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class MinimumFeedback:
    """Least amount of feedback for a training.

    Attributes:
        pairs: Judged pairs.
        positives: Pairs that fit, at least partly.
        negatives: Pairs that do not.
        queries: Different queries.
        clips: Different clips.
    """

    pairs: int = 60
    positives: int = 20
    negatives: int = 10
    queries: int = 10
    clips: int = 10


def missing(rows: Sequence[Row], needed: MinimumFeedback) -> dict[str, tuple[int, int]]:
    """Return what there is too little of: its name to how much there is and how much is wanted."""
    positives = sum(row.grade > 0 for row in rows)
    found = {
        "pairs": len(rows),
        "positives": positives,
        "negatives": len(rows) - positives,
        "queries": len({row.query for row in rows}),
        "clips": len({row.clip_id for row in rows}),
    }
    wanted = dataclasses.asdict(needed)
    return {name: (count, wanted[name]) for name, count in found.items() if count < wanted[name]}


def refuse_too_little(rows: Sequence[Row], needed: MinimumFeedback) -> None:
    """Refuse feedback that cannot teach anything.

    Raises:
        RunError: There is too little; the message says how much is missing of what.
    """
    if short := missing(rows, needed):
        each = (f"{wanted - found} more {name} ({found} of {wanted})" for name, (found, wanted) in short.items())
        said = ", ".join(each)
        raise RunError(f"too little feedback on clips of this gallery to train on: wanted {said}")


@dataclasses.dataclass(frozen=True)
class HeldOutOptions:
    """Judged pairs that are held out of training, for the gate.

    Attributes:
        clips: Ids of clips that no training pair holds.
        queries: Queries that no training pair holds.
    """

    clips: frozenset[str]
    queries: frozenset[str]

    def holds(self, row: Row) -> bool:
        """Return whether a pair is kept from training."""
        return row.clip_id in self.clips or row.query in self.queries


def hold_out(rows: Sequence[Row], share: float, seed: int) -> HeldOutOptions:
    """Choose clips, and whole languages or else wordings, by their hashes: the same feedback gives the same choice.

    Args:
        rows: The manifest's rows.
        share: Of the clips that fit something, and of the queries, 0 to 1.
        seed: Another seed gives another choice.
    """
    fitting = sorted({row.clip_id for row in rows if row.grade > 0}, key=lambda name: _draw(name, seed))
    clips = frozenset(fitting[: round(share * len(fitting))])
    by_language: dict[str, set[str]] = {}
    for row in rows:
        by_language.setdefault(row.language or "", set()).add(row.query)
    wanted = share * len({row.query for row in rows})
    queries: set[str] = set()
    if len(by_language) >= 4:
        for language in sorted(by_language, key=lambda code: _draw(f"language {code}", seed)):
            if len(queries) + len(by_language[language]) <= 1.5 * wanted:
                queries |= by_language[language]
            if len(queries) >= wanted:
                break
    if len(queries) < 0.5 * wanted:
        every = sorted({row.query for row in rows}, key=lambda name: _draw(name, seed))
        queries |= set(every[: round(wanted - len(queries))])
    return HeldOutOptions(clips, frozenset(queries))


@dataclasses.dataclass(frozen=True, eq=False)
class TowerOutputs:
    """Clips of one kind as the frozen tower has them.

    Attributes:
        clips: The clips.
        features: float32 [clips, features].
        probabilities: float32 [clips, classes].
    """

    clips: tuple[Clip, ...]
    features: np.ndarray
    probabilities: np.ndarray

    @property
    def rows(self) -> dict[str, int]:
        """Clip id → its row."""
        return {clip.clip_id: row for row, clip in enumerate(self.clips)}


def hear(model: Cacara, clips: Sequence[Clip], kind: str, report: Callable[[float], None]) -> TowerOutputs:
    """Return what the frozen tower makes of clips, from the cache when it is there; unreadable ones are left out.

    Args:
        model: The base model.
        clips: Of one kind.
        kind: ``sound`` or ``picture``.
        report: Told of the share that is done.

    Raises:
        RunError: None can be read.
        ManifestError: A clip is for measuring alone.
    """
    refuse_measuring_only(clips)
    tower = model.audio if kind == "sound" else model.image
    assert tower is not None
    key = [FORMAT, kind, MAX_SECONDS, cached_arrays.weights_hash(tower), [clip.sha256 for clip in clips]]

    def compute() -> dict[str, np.ndarray]:
        features, probabilities, kept = [], [], []
        for position, clip in enumerate(clips):
            report(position / len(clips))
            try:
                made = _through(tower, clip, kind)
            except (AudioError, ImageError) as error:
                log.warning("left out: %s: %s", clip.clip_id, error)
                continue
            features.append(made[0].float().cpu().numpy()[0])
            probabilities.append(made[1].float().cpu().numpy()[0])
            kept.append(position)
        if not kept:
            raise RunError(f"none of {len(clips)} clips of the gallery can be read")
        return {"features": np.stack(features), "probabilities": np.stack(probabilities), "kept": np.array(kept)}

    arrays = cached_arrays.get("feedback", key, compute)
    chosen = tuple(clips[position] for position in arrays["kept"].tolist())
    return TowerOutputs(chosen, arrays["features"], arrays["probabilities"])


def _through(tower: torch.nn.Module, clip: Clip, kind: str) -> tuple[torch.Tensor, ...]:
    with torch.inference_mode():
        if kind == "picture":
            return tower([images.load(clip.path, images.GALLERY_LIMITS)])
        return tower([audio.load(clip.path, audio.GALLERY_LIMITS).waveform[: int(MAX_SECONDS * audio.SAMPLE_RATE_HZ)]])


def joined(first: TowerOutputs, second: TowerOutputs | None) -> TowerOutputs:
    """Return the clips of both, without those of the second whose ids the first has."""
    if second is None:
        return first
    new = [row for row, clip in enumerate(second.clips) if clip.clip_id not in first.rows]
    return TowerOutputs(
        (*first.clips, *(second.clips[row] for row in new)),
        np.concatenate([first.features, second.features[new]]),
        np.concatenate([first.probabilities, second.probabilities[new]]),
    )


def clips_of(gallery: Gallery, kind: str) -> tuple[Clip, ...]:
    """Return the clips of a kind."""
    return gallery.clips if kind == "sound" else gallery.pictures


def embed_queries(model: Cacara, rows: Sequence[Row], recordings: Path) -> dict[str, np.ndarray]:
    """Return what the base model makes of each query, float32 [dimension]; recordings that are gone are left out.

    Args:
        model: The base model.
        rows: Judged pairs.
        recordings: The folder of consented recordings.
    """
    texts: dict[str, str | None] = {}
    found: dict[str, np.ndarray] = {}
    for row in rows:
        if row.text is not None:
            texts[row.query] = row.language or texts.get(row.query)
        elif row.query.startswith("sound:") and row.query not in found:
            path = recording_path(recordings, row.query.removeprefix("sound:"))
            try:
                found[row.query] = model.encode_audio([audio.load(path).waveform])[0]
            except (AudioError, OSError) as error:
                log.warning("left out: a recording that cannot be read: %s", error)
    if texts:
        words = [query.removeprefix("text:") for query in texts]
        found |= dict(zip(texts, model.encode_text(words, list(texts.values())), strict=True))
    return found


def as_pairs(
    rows: Sequence[Row], heard: TowerOutputs, vectors: Mapping[str, np.ndarray], rehearsed: Sequence[int]
) -> JudgedPairs:
    """Return rows as numbers.

    Args:
        rows: Judged pairs of training, whose clips are among ``heard`` and whose queries among ``vectors``.
        heard: The clips.
        vectors: The queries' embeddings.
        rehearsed: Rows of ``heard`` that are held in place.
    """
    places = heard.rows
    queries = sorted({row.query for row in rows})
    numbers = {query: number for number, query in enumerate(queries)}
    return JudgedPairs(
        queries=np.stack([vectors[query] for query in queries]),
        features=heard.features,
        probabilities=heard.probabilities,
        pairs=np.array([(numbers[row.query], places[row.clip_id]) for row in rows], dtype=np.int64),
        grades=np.array([row.grade for row in rows], dtype=np.float32),
        weights=np.array([row.weight for row in rows], dtype=np.float32),
        rehearsed=np.array(rehearsed, dtype=np.int64),
    )


def held_out_contests(
    rows: Sequence[Row], held: HeldOutOptions, heard: TowerOutputs, vectors: Mapping[str, np.ndarray]
) -> Contests:
    """Return the held-out set (a): pairs that fit and that training did not have, against such that do not fit.

    Of a query that was held out, the rivals are its other clips; of a clip that was held out, its other queries.

    Args:
        rows: All rows of the manifest of this kind.
        held: Feedback that was kept from training.
        heard: The clips.
        vectors: The queries' embeddings.
    """
    places = heard.rows
    kept = [row for row in rows if held.holds(row) and row.query in vectors and row.clip_id in places]
    queries = sorted({row.query for row in kept})
    numbers = {query: number for number, query in enumerate(queries)}
    wrong = [row for row in kept if row.grade == 0]
    fitting, rivals, languages, concepts = [], [], [], []
    for row in kept:
        against = [
            (numbers[each.query], places[each.clip_id])
            for each in wrong
            if (row.query in held.queries and each.query == row.query)
            or (row.clip_id in held.clips and each.clip_id == row.clip_id)
        ]
        if row.grade > 0 and against:
            fitting.append((numbers[row.query], places[row.clip_id]))
            rivals.append(np.array(against, dtype=np.int64))
            languages.append(row.language or "")
            concepts.append(heard.clips[places[row.clip_id]].concept or row.clip_id)
    dimension = len(next(iter(vectors.values()))) if vectors else 1
    asked = np.stack([vectors[query] for query in queries]) if queries else np.zeros((0, dimension), np.float32)
    pairs = np.array(fitting, dtype=np.int64).reshape(-1, 2)
    return Contests(asked, pairs, tuple(rivals), np.array(languages, dtype=str), np.array(concepts, dtype=str))


def rehearsal(heard: TowerOutputs, rows: Sequence[Row]) -> list[int]:
    """Return the rows of clips that nobody called relevant to anything; all where there are none."""
    fitting = {row.clip_id for row in rows if row.grade > 0}
    return [row for row, clip in enumerate(heard.clips) if clip.clip_id not in fitting] or list(range(len(heard.clips)))


def usable(manifest: Manifest, galleries: Mapping[str, TowerOutputs], vectors: Mapping[str, np.ndarray]) -> list[Row]:
    """Return the rows whose clip is in the gallery and whose query can be embedded."""
    known = {(kind, clip.clip_id) for kind, heard in galleries.items() for clip in heard.clips}
    return [row for row in manifest.rows if (row.clip_kind, row.clip_id) in known and row.query in vectors]


def _draw(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()
