"""Cache of an audio tower's output for a benchmark's sounds, which takes minutes for thousands of clips.

It is what the tower alone makes of them, before the head, so models that differ elsewhere share it. A file is named
after all it depends on: the tower's weights and config, precision, device, torch's release, and the sounds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from cacara import sources
from cacara.model.model import CLIPS_AT_ONCE, Cacara
from cacara_files import atomic

MAX_FILES = 6
"""Of the towers and benchmarks used last; ESC-50's 2,000 clips take 12 MB a tower."""

log = logging.getLogger(__name__)


def embed(
    model: Cacara,
    sounds_id: str,
    count: int,
    read: Callable[[int], np.ndarray],
    progress: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """Return a model's embeddings of sounds; the tower hears them only when no earlier run has.

    Args:
        model: The model.
        sounds_id: What identifies the sounds and their order, such as a hash of their files.
        count: Their number.
        read: Returns the waveform at a position, float32 [samples], mono at 16 kHz.
        progress: Called with the share that the tower has heard.

    Returns:
        float32 [count, dimension], L2-normalised.

    Raises:
        AudioError: A sound cannot be read.
    """
    path = _path(model, sounds_id)
    heard = _read(path, count)
    if heard is None:
        heard = _hear(model, count, read, progress)
        _keep(path, heard)
    batches = zip(*(torch.from_numpy(array).to(model.device).split(CLIPS_AT_ONCE) for array in heard), strict=True)
    return np.concatenate(
        [np.zeros((0, model.dimension), np.float32), *(model.place_heard(batch) for batch in batches)]
    )


def _hear(
    model: Cacara, count: int, read: Callable[[int], np.ndarray], progress: Callable[[float], None]
) -> list[np.ndarray]:
    batches = []
    for start in range(0, count, CLIPS_AT_ONCE):
        progress(start / count)
        waveforms = [read(position) for position in range(start, min(count, start + CLIPS_AT_ONCE))]
        batches += [[tensor.float().cpu().numpy() for tensor in heard] for heard in model.hear(waveforms)]
    return [np.concatenate(arrays) for arrays in zip(*batches, strict=True)]


def _keep(path: Path, heard: Sequence[np.ndarray]) -> None:
    try:
        with atomic.replacing(path) as partial, partial.open("wb") as file:
            np.savez(file, *heard)
        for old in sorted(path.parent.glob("sounds-*.npz"), key=lambda file: file.stat().st_mtime)[:-MAX_FILES]:
            old.unlink()
    except OSError as error:  # a full or read-only disk costs time in the next run, nothing else
        log.warning("what the audio tower heard is not kept: %s", error)


def _read(path: Path, count: int) -> list[np.ndarray] | None:
    try:
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            heard = [arrays[name] for name in arrays.files]
        if not heard or any(len(array) != count or not np.isfinite(array).all() for array in heard):
            raise ValueError(f"shapes {[array.shape for array in heard]} for {count} sounds")
        with contextlib.suppress(OSError):
            os.utime(path)  # it is in use: see MAX_FILES
        return heard
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("what an audio tower heard, %s, is unreadable and made anew: %s", path.name, error)
        return None


def _path(model: Cacara, sounds_id: str) -> Path:
    digest = hashlib.sha256()
    config = dataclasses.asdict(model.config.audio)
    tower = {name: config[name] for name in ("backbone", "patch_pooling")}
    depends_on = [sounds_id, tower, model.precision, model.device.type, torch.__version__]
    digest.update(json.dumps(depends_on).encode())
    for name, value in sorted(model.audio.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return sources.cache_folder() / "embeddings" / f"sounds-{digest.hexdigest()[:16]}.npz"
