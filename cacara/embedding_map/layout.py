"""Laying a map out in the plane with UMAP, in a process of its own that can be stopped at any moment.

The process is ``python -m cacara.embedding_map.layout TASK.npz DONE.npz``; each line it writes is a JSON object, its
progress.
UMAP and its compiler never enter the process that asks: they take half a minute to wake, and hold it up meanwhile.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from cacara import working_folders
from cacara.embedding_map import measures as embedding_map_measures
from cacara.embedding_map.plane import EmbeddingMap, MapInputs, MapPoint
from cacara.embedding_map.points import SUBJECT, MapStopped, never
from cacara.errors import CacaraError
from cacara.sources.clients import Progress, Report, silent

LEAST_FOR_UMAP = 48
"""With fewer points UMAP's neighbourhoods are all of the map; their two main directions are shown instead."""

UMAP_NEIGHBOURS = 15
UMAP_MIN_DISTANCE = 0.1
SEED = 20
_EPOCHS = ((4_000, 400), (20_000, 250))  # up to so many points, so many rounds
_LOOKING_SECONDS = 0.2

log = logging.getLogger(__name__)


def lay_out(
    inputs: MapInputs, embeddings: np.ndarray, report: Report = silent, stopped: Callable[[], bool] = never
) -> EmbeddingMap:
    """Return the finished map; the same inputs give the same on one machine.

    Args:
        inputs: Its inputs.
        embeddings: float32 [points, dimension], L2-normalised.
        report: Told of the progress.
        stopped: Asked several times a second whether to go on.

    Raises:
        MapStopped: ``stopped`` said so.
        CacaraError: The process failed; the log has what it said.
    """
    report(Progress(SUBJECT, "start", None))
    with working_folders.made("map") as folder:
        task, done = folder / "task.npz", folder / "done.npz"
        points = json.dumps([dataclasses.asdict(point) for point in inputs.points])
        drawn = inputs.without_profiles(embeddings)
        np.savez(task, embeddings=drawn, points=np.array(points), together=np.array(inputs.centred))
        _run(task, done, report, stopped)
        with np.load(done, allow_pickle=False) as arrays:
            positions, method, measures = arrays["positions"], str(arrays["method"]), str(arrays["measures"])
    return EmbeddingMap(inputs, embeddings, positions, method, json.loads(measures))


def _run(task: Path, done: Path, report: Report, stopped: Callable[[], bool]) -> None:
    with (task.parent / "errors").open("w+b") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "cacara.embedding_map.layout", str(task), str(done)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=Path(__file__).parents[2],  # so that `cacara` is found, installed or not
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"},
        )
        assert process.stdout is not None
        told = threading.Thread(target=_tell, args=(io.TextIOWrapper(process.stdout), report), daemon=True)
        told.start()
        try:
            while process.poll() is None:
                if stopped():
                    raise MapStopped("the making of the map was stopped")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOKING_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            told.join()
        if process.returncode:
            errors.seek(0)
            log.error(
                "the layout ended with %d: %s", process.returncode, errors.read()[-4000:].decode(errors="replace")
            )
            raise CacaraError(f"the map could not be laid out (code {process.returncode}); the server's log says why")


def _tell(lines: TextIO, report: Report) -> None:
    with lines:
        for line in lines:
            told: dict[str, Any] = json.loads(line)
            report(Progress(SUBJECT, told["stage"], told["fraction"]))


def arrange(embeddings: np.ndarray, tell: Callable[[str, float | None], None]) -> tuple[np.ndarray, str]:
    """Return positions, float32 [points, 2], and how they were found: ``umap`` or ``pca``.

    Args:
        embeddings: float32 [points, dimension], L2-normalised, at least one.
        tell: Told of each stage and how much of it is done.
    """
    plane = main_directions(embeddings)
    if len(embeddings) < LEAST_FOR_UMAP:
        return _fitted(plane), "pca"
    tell("compare points", None)
    near = embedding_map_measures.nearest(embeddings, UMAP_NEIGHBOURS - 1)
    own = np.arange(len(embeddings))[:, None]
    indices = np.concatenate([own, near], axis=1)  # UMAP counts a point as its own first neighbour
    cosines = np.einsum("nkd,nd->nk", embeddings[indices], embeddings)
    distances = np.maximum(1 - cosines, 0).astype(np.float32)
    distances[:, 0] = 0
    tell("load UMAP", None)
    import umap

    epochs = next((rounds for most, rounds in _EPOCHS if len(embeddings) <= most), _EPOCHS[-1][1])
    layout = umap.UMAP(
        n_neighbors=UMAP_NEIGHBOURS,
        min_dist=UMAP_MIN_DISTANCE,
        metric="cosine",
        # Exact neighbours and the main directions as a start: both deterministic, and what lies far apart stays so
        # (Kobak and Linderman, Nature Biotechnology 2021).
        precomputed_knn=(indices, distances, None),
        init=(plane / plane.std() + np.random.default_rng(SEED).normal(0, 1e-3, plane.shape)).astype(np.float32),
        random_state=SEED,
        n_jobs=1,
        n_epochs=epochs,
        verbose=True,
        tqdm_kwds={"file": _Rounds(tell), "mininterval": 0.5, "bar_format": "{n_fmt}/{total_fmt}"},
    )
    tell("lay out", 0.0)
    return _fitted(layout.fit_transform(embeddings)), "umap"


def together(embeddings: np.ndarray, kinds: Sequence[str]) -> np.ndarray:
    """Return the points with each kind moved to the common centre, float32 [points, dimension], L2-normalised.

    Sounds lie apart from texts as a whole (the modality gap, arXiv 2203.02053), so that all neighbours of a sound are
    sounds and each kind is an island. Which text is the nearest of all texts does not depend on where the island lies.

    Args:
        embeddings: float32 [points, dimension], L2-normalised.
        kinds: Of each point.
    """
    moved = embeddings.copy()
    for kind in set(kinds):
        own = np.array([each == kind for each in kinds])
        if own.sum() > 1:  # a point alone is its own centre, and would be left without a direction
            moved[own] -= moved[own].mean(axis=0)
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.divide(moved, lengths, out=np.zeros_like(moved), where=lengths > 1e-6)


def main_directions(embeddings: np.ndarray) -> np.ndarray:
    """Return the points along their two main directions, float64 [points, 2]; signs are fixed."""
    centred = embeddings.astype(np.float64) - embeddings.mean(axis=0, dtype=np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    main = vectors[:, ::-1][:, :2]
    main = main * np.sign(main[np.abs(main).argmax(axis=0), np.arange(main.shape[1])])
    return centred @ main


def _fitted(positions: np.ndarray) -> np.ndarray:
    """Return positions moved and scaled, in both directions alike, into -1 to 1."""
    low, high = positions.min(axis=0), positions.max(axis=0)
    reach = float((high - low).max()) / 2 or 1.0
    return ((positions - (low + high) / 2) / reach).astype(np.float32)


class _Rounds(io.TextIOBase):
    """Takes what UMAP's progress bar writes, ``12/250``."""

    def __init__(self, tell: Callable[[str, float | None], None]) -> None:
        self._tell = tell

    def write(self, text: str) -> int:
        done, _, total = text.strip().partition("/")
        if done.isdigit() and total.isdigit():
            self._tell("lay out", int(done) / int(total))
        return len(text)


def _main() -> None:
    task, done = map(Path, sys.argv[1:])
    answers = sys.stdout

    def tell(stage: str, fraction: float | None) -> None:
        answers.write(json.dumps({"stage": stage, "fraction": fraction}) + "\n")
        answers.flush()

    with np.load(task, allow_pickle=False) as arrays:
        embeddings = arrays["embeddings"]
        points = [MapPoint(**fields) for fields in json.loads(str(arrays["points"]))]
        drawn = together(embeddings, [point.kind for point in points]) if arrays["together"] else embeddings
    with contextlib.redirect_stdout(sys.stderr):  # UMAP prints
        positions, method = arrange(drawn, tell)
    tell("measure", None)
    measures = json.dumps(embedding_map_measures.measure(points, embeddings, positions))
    np.savez(done, positions=positions, method=np.array(method), measures=np.array(measures))


if __name__ == "__main__":
    _main()
