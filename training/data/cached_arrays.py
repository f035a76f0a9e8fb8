"""Arrays that frozen towers compute once: kept in the cache under what they were computed from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from cacara import sources
from cacara_files import atomic

Arrays = Mapping[str, np.ndarray]


def weights_hash(module: nn.Module) -> str:
    """Return a hash of a module's parameters and buffers, 64 hex digits."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def get(kind: str, key: Any, compute: Callable[[], Arrays]) -> Arrays:  # noqa: ANN401
    """Return the arrays of ``key``, computed when the cache does not have them.

    Args:
        kind: Begins the file's name.
        key: All that the arrays depend on, JSON-ready.
        compute: Returns the arrays by name.
    """
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    path = sources.cache_folder() / "training" / f"{kind}-{digest}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    arrays = compute()
    with atomic.replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    return arrays
