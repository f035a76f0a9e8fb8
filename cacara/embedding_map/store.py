"""Finished maps in the cache folder, by what they were made of."""

from __future__ import annotations

import dataclasses
import json
import logging
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cacara import sources
from cacara.embedding_map.plane import EmbeddingMap, MapInputs
from cacara.embedding_map.points import embed, never
from cacara.sources.clients import Progress, Report, silent
from cacara_files import atomic

if TYPE_CHECKING:
    from cacara.search.retriever import Retriever

MAPS_KEPT = 40
"""The oldest files beyond are removed; one takes 2 to 20 MB."""

# What numpy and zipfile raise at a damaged file.
_UNREADABLE = (OSError, ValueError, LookupError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)

log = logging.getLogger(__name__)


def make(
    retriever: Retriever, inputs: MapInputs, report: Report = silent, stopped: Callable[[], bool] = never
) -> EmbeddingMap:
    """Return the map of these inputs: the stored one, else a new one, which is stored.

    Raises:
        MapStopped: ``stopped`` said so.
        CacaraError: It cannot be laid out.
    """
    from cacara.embedding_map.layout import lay_out

    stored = read(inputs)
    if stored is None:
        stored = lay_out(inputs, embed(retriever, inputs, report, stopped), report, stopped)
        write(stored)
    report(Progress("map", "ready", 1.0))
    return stored


def path_of(inputs: MapInputs) -> Path:
    """Return where the map of these inputs is stored."""
    return sources.cache_folder() / "maps" / f"{inputs.model}-{inputs.key}.npz"


def read(inputs: MapInputs) -> EmbeddingMap | None:
    """Return the stored map of these inputs, or None; a damaged file counts as none."""
    path = path_of(inputs)
    try:
        with path.open("rb") as file:  # numpy itself leaves a damaged archive open
            arrays = np.load(file, allow_pickle=False)
            embeddings, positions = arrays["embeddings"], arrays["positions"]
            method, measures = str(arrays["method"]), json.loads(str(arrays["measures"]))
        count = len(inputs.points)
        if positions.shape != (count, 2) or len(embeddings) != count or not np.isfinite(positions).all():
            raise ValueError(f"it holds positions of the shape {positions.shape}, wanted {(count, 2)}, all finite")
    except FileNotFoundError:
        return None
    except _UNREADABLE as error:
        log.warning("the stored map %s is unreadable and made anew: %s", path.name, error)
        return None
    return EmbeddingMap(inputs, embeddings, positions, method, measures)


def write(made: EmbeddingMap) -> None:
    """Store a map; a disk that takes none costs time later, nothing else."""
    path = path_of(made.inputs)
    try:
        with atomic.replacing(path) as partial, partial.open("wb") as file:
            np.savez(
                file,
                embeddings=made.embeddings,
                positions=made.positions,
                method=np.array(made.method),
                measures=np.array(json.dumps(dict(made.measures))),
            )
        _forget_oldest(path.parent)
    except OSError as error:
        log.warning("the map is not stored: %s", error)


def remove(inputs: MapInputs) -> None:
    """Forget the stored map of these inputs, if there is one."""
    path_of(inputs).unlink(missing_ok=True)


def _forget_oldest(folder: Path) -> None:
    newest = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest[MAPS_KEPT:]:
        path.unlink(missing_ok=True)


def as_table(made: EmbeddingMap) -> list[dict[str, object]]:
    """Return a map as rows: what each point is and where, for ``--output``."""
    return [
        dataclasses.asdict(point) | {"x": round(float(x), 5), "y": round(float(y), 5)}
        for point, (x, y) in zip(made.inputs.points, made.positions, strict=True)
    ]
