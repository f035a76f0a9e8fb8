"""A model folder's tensors: all in one file, or those alone in which it differs from a bundled model.

Models that share their sounds and pictures bit by bit need not ship them twice. The file of the smaller one names the
bundled model that has the others, and the hash of that model's own file, so that a changed base is never mixed in.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as parse_safetensors
from torch import Tensor

from cacara.errors import CheckpointError
from cacara.model import compact_weights

NAME = "model.safetensors"
BUNDLED = Path(__file__).parents[1] / "bundled"
BASE, BASE_HASH = "base", "base_sha256"
"""The file's metadata that name a bundled model, and the SHA-256 of that model's file of weights."""


def read(path: Path) -> tuple[bytes, dict[str, Tensor]]:
    """Return a file's bytes and its tensors, with those of its base where it has one.

    Args:
        path: The file.

    Raises:
        CheckpointError: It cannot be read, is damaged, or its base is missing or another one.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        own = compact_weights.restored(parse_safetensors(raw))
        metadata = _metadata(raw)  # of these bytes: the file may be another one by now
    except (SafetensorError, ValueError, LookupError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is damaged ({len(raw):,} bytes: {error}); copy it again, or train it anew"
        ) from error
    if BASE not in metadata:
        return raw, own
    name, wanted = metadata[BASE], metadata.get(BASE_HASH, "")
    base = BUNDLED / name / NAME
    if Path(name).name != name or not base.is_file():
        raise CheckpointError(f"{path} was made on the bundled model {name!r:.60}, which is not there")
    found = _hash(base)
    if found != wanted:
        raise CheckpointError(
            f"{path} was made on another {name} (hash {wanted[:12]}, found {found[:12]}); train it anew"
        )
    return raw, {**read(base)[1], **own}


def base_of(path: Path) -> str | None:
    """Return the name of the bundled model that a file shares tensors with; None where it holds all of its own.

    Raises:
        CheckpointError: The file cannot be read or is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get(BASE)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def state(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Return what tells a folder's files from others put in their place."""
    states = {}
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            states[path] = (found.st_ino, found.st_size, found.st_mtime_ns)
    return states


def shared(tensors: Mapping[str, Tensor], base: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors in which a model differs from its base, and the metadata that name the base.

    Args:
        tensors: All of the model's; none of the base's may be missing.
        base: The base's folder; one that is not bundled, or is made on another itself, is not shared with.

    Returns:
        The tensors to write, and what to say beside them; all tensors and nothing where they are not shared.
    """
    folder = base.resolve()
    if folder.parent != BUNDLED.resolve():
        return dict(tensors), {}
    if base_of(folder / NAME) is not None:
        return dict(tensors), {}
    theirs = read(folder / NAME)[1]
    if theirs.keys() - tensors.keys():
        return dict(tensors), {}
    own = {name: value for name, value in tensors.items() if not _equal(value, theirs.get(name))}
    return own, {BASE: folder.name, BASE_HASH: _hash(folder / NAME)}


def _metadata(raw: bytes) -> dict[str, str]:
    """Return what a safetensors file says beside its tensors; its header is JSON, its length in 8 bytes before it."""
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + length]).get("__metadata__") or {}


def _equal(value: Tensor, other: Tensor | None) -> bool:
    return other is not None and value.dtype == other.dtype and torch.equal(value.cpu(), other)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
