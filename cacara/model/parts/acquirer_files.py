"""Files of language acquirers: what one holds, written and read strictly."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save
from torch import Tensor

from cacara import languages
from cacara.errors import CheckpointError, LanguageError
from cacara_files.atomic import replacing

FOLDER = "acquirers"
SUFFIX = ".safetensors"
FORMAT = "cacara-acquirers-1"
MAX_FILE_BYTES = 10_000_000
_METADATA = ("format", "language", "space", "pairs")


@dataclasses.dataclass(frozen=True)
class AcquirerFile:
    """Contents of a file of acquirers.

    Attributes:
        language: BCP-47 code.
        space: ``Acquirers.space`` of the model that they were trained for.
        pairs: Number of pairs of texts that they were trained on.
        tensors: ``N.down`` and ``N.up``.
    """

    language: str
    space: str
    pairs: int
    tensors: Mapping[str, Tensor]


def write(path: Path, content: AcquirerFile) -> None:
    """Write a file of acquirers, see ``to_bytes``, beside its place, then put it there.

    Raises:
        CheckpointError: It cannot be written.
    """
    try:
        with replacing(path) as partial:
            partial.write_bytes(to_bytes(content))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error.strerror or error}") from error


def to_bytes(content: AcquirerFile) -> bytes:
    """Return a file of acquirers in half precision; same content, same bytes."""
    described = {
        "format": FORMAT,
        "language": content.language,
        "space": content.space,
        "pairs": str(content.pairs),
    }
    halves = {name: value.detach().cpu().half().contiguous() for name, value in sorted(content.tensors.items())}
    return _in_order(save(halves, metadata=described))


def _in_order(raw: bytes) -> bytes:
    """Return a safetensors file with its metadata in order: the library writes them as its hash map happens to be."""
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    ordered = {"__metadata__": dict(sorted(header.pop("__metadata__").items())), **header}
    packed = json.dumps(ordered, separators=(",", ":")).encode()
    packed += b" " * (-len(packed) % 8)
    return len(packed).to_bytes(8, "little") + packed + raw[8 + length :]


def read(path: Path) -> AcquirerFile:
    """Return what a file of acquirers holds; it is hostile until it has been looked at.

    Raises:
        CheckpointError: It is missing, too large, no safetensors file (a pickle is none), or not one of acquirers.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise CheckpointError(f"{path.name} has {size:,} bytes; wanted acquirers of at most {MAX_FILE_BYTES:,}")
        raw = path.read_bytes()
        tensors = parse_safetensors(raw)
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror or error}") from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path.name} is no safetensors file ({error!s:.80}); wanted acquirers") from error
    if set(metadata) != set(_METADATA) or metadata["format"] != FORMAT:
        raise CheckpointError(f"{path.name} is not marked as {FORMAT} ({sorted(metadata)!r:.80})")
    try:
        language, pairs = languages.normalise(metadata["language"]), int(metadata["pairs"])
    except (LanguageError, ValueError) as error:
        raise CheckpointError(f"{path.name}: {error!s:.120}") from error
    return AcquirerFile(language, metadata["space"], pairs, tensors)
