"""Embedding cache: what a model made of sounds and pictures, kept between runs by the hash of their bytes."""

from __future__ import annotations

import logging
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cacara import sources
from cacara.errors import AudioError, ImageError
from cacara.galleries.manifest import Clip
from cacara.media import audio, decoding, images
from cacara.model.model import Cacara
from cacara.sources.clients import Progress, Report, silent
from cacara_files import atomic

# What numpy and zipfile raise at a damaged file.
_UNREADABLE = (OSError, ValueError, LookupError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)

log = logging.getLogger(__name__)


def embed_clips(model: Cacara, name: str, clips: Sequence[Clip], report: Report = silent) -> dict[str, np.ndarray]:
    """Return embeddings by clip id, float32 [dimension] each; those that are not in the cache are added to it.

    Sounds and pictures that cannot be read are left out and logged.

    Args:
        model: The model; each has its own cache.
        name: What the progress calls the clips.
        clips: Sounds and, for a model that knows them, pictures.
        report: Receives the progress.
    """
    known = read(model)
    fresh: dict[str, np.ndarray] = {}
    embeddings: dict[str, np.ndarray] = {}
    for position, clip in enumerate(clips):
        embedding = known.get(clip.sha256)
        if embedding is None:
            report(Progress(name, "embed", position / len(clips)))
            try:
                embedding = _embed(model, clip)
            except (AudioError, ImageError) as error:
                log.warning("left out of the gallery: %s: %s", clip.clip_id, error)
                continue
            fresh[clip.sha256] = embedding
        embeddings[clip.clip_id] = embedding
    if fresh:
        write(model, {**known, **fresh})
    report(Progress(name, "ready", 1.0))
    return embeddings


def read(model: Cacara) -> dict[str, np.ndarray]:
    """Return a model's embeddings, float32 [dimension] each, by the hash of the file; none where they are damaged."""
    path = _path(model)
    try:
        with path.open("rb") as file:  # numpy itself leaves a damaged archive open
            arrays = np.load(file, allow_pickle=False)
            hashes, embeddings = arrays["hashes"], arrays["embeddings"].astype(np.float32, copy=False)
        if embeddings.shape != (hashes.size, model.dimension) or not np.isfinite(embeddings).all():
            raise ValueError(f"they have the shape {embeddings.shape}, or are not finite")
        return dict(zip(hashes.tolist(), embeddings, strict=True))
    except FileNotFoundError:
        return {}
    except _UNREADABLE as error:
        log.warning("cached embeddings %s are unreadable and made anew: %s", path.name, error)
        return {}


def write(model: Cacara, embeddings: Mapping[str, np.ndarray]) -> None:
    """Keep a model's embeddings by the hash of the file, in place of those before; a disk that is full is logged."""
    try:
        with atomic.replacing(_path(model)) as partial, partial.open("wb") as file:
            np.savez(file, hashes=np.array(list(embeddings)), embeddings=np.stack(list(embeddings.values())))
    except OSError as error:  # a full or read-only disk costs time at the next start, nothing else
        log.warning("embeddings are not cached: %s", error)


def _embed(model: Cacara, clip: Clip) -> np.ndarray:
    if clip.kind == "image":
        return model.encode_image([images.load(clip.path, images.GALLERY_LIMITS)])[0]
    return model.encode_audio([audio.load(clip.path, audio.GALLERY_LIMITS).waveform])[0]


def _path(model: Cacara) -> Path:
    precision = "" if model.precision == "float32" else f"-{model.precision}"
    name = f"{model.name}-{model.fingerprint}{precision}-{decoding.VERSION}.npz"
    return sources.cache_folder() / "embeddings" / name
