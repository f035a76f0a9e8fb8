"""Text embeddings kept between runs: a frozen tower need not read the benchmark's thousands of texts each time.

They are what the text tower alone makes of a text, before centring, so models that differ elsewhere share them. A
file is named after all they depend on: the tower's weights and config, precision, device and torch's release.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch

from cacara import sources
from cacara.model.model import Cacara
from cacara_files import atomic

MAX_FILES = 12
"""Of the towers used last; a file has 10 MB or so."""

log = logging.getLogger(__name__)


def recall(model: Cacara, texts: Iterable[str]) -> None:
    """Let a model know the embeddings of these texts, as the tower reads them, that an earlier run has kept."""
    path = _path(model)
    kept = _read(path)
    if kept:
        with contextlib.suppress(OSError):
            os.utime(path)  # it is in use: see MAX_FILES
    model.learn_texts({text: kept[digest] for text in texts if (digest := _digest(text)) in kept})


def keep(model: Cacara, texts: Iterable[str]) -> None:
    """Keep the embeddings of these texts, as the tower reads them, as far as the model remembers them."""
    path = _path(model)
    kept = _read(path)
    known = model.known_texts()
    fresh = {_digest(text): known[text] for text in texts if text in known}
    if not fresh.keys() - kept.keys():
        return
    together = {**kept, **fresh}
    try:
        with atomic.replacing(path) as partial, partial.open("wb") as file:
            np.savez(file, hashes=np.array(list(together)), embeddings=np.stack(list(together.values())))
        for old in sorted(path.parent.glob("texts-*.npz"), key=lambda file: file.stat().st_mtime)[:-MAX_FILES]:
            old.unlink()
    except OSError as error:  # a full or read-only disk costs time in the next run, nothing else
        log.warning("text embeddings are not kept: %s", error)


def _path(model: Cacara) -> Path:
    digest = hashlib.sha256()
    reader = model.text.reader()  # a graph rounds otherwise than torch
    depends_on = [dataclasses.asdict(model.config.text), model.precision, model.device.type, torch.__version__, reader]
    digest.update(json.dumps(depends_on).encode())
    for name, value in sorted(model.text.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return sources.cache_folder() / "embeddings" / f"texts-{digest.hexdigest()[:16]}.npz"


def _read(path: Path) -> Mapping[str, np.ndarray]:
    try:
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            hashes, embeddings = arrays["hashes"], arrays["embeddings"]
        if embeddings.ndim != 2 or len(embeddings) != hashes.size or not np.isfinite(embeddings).all():
            raise ValueError(f"they have the shape {embeddings.shape}, or are not finite")
        return dict(zip(hashes.tolist(), embeddings, strict=True))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("kept text embeddings %s are unreadable and made anew: %s", path.name, error)
        return {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
