"""The heads: from what a tower makes of sounds or pictures into the text space."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara.errors import CheckpointError
from cacara.model.config import AudioConfig, ImageConfig
from cacara.model.parts.part import Part
from cacara.sources.clients import Report, silent

if TYPE_CHECKING:
    from cacara.model.config import ModelConfig
    from cacara.model.towers import Towers

SHARES: Mapping[str, tuple[float, float]] = {
    "untrained": (0.0, 1.0),
    "anchor": (0.0, 1.0),
    "projection": (1.0, 0.0),
}
"""Variant → share of the projection and of the class anchor."""


class AnchoredHead(Part):
    """Map from a classifier's features and class posterior to an embedding in the text space.

    The embedding is a weighted sum of two unit vectors, normalised again:

    * the projection, an MLP on the features, trained on English captions;
    * the class anchor, ``Σ_c w_c p_c^γ e_c`` over the most probable classes, where ``e_c`` is the text
      tower's embedding of the class's English name and ``w_c`` damps classes that say little
      ("Inside, small room"). It needs no training and knows all the classes of the classifier.

    Training, fine-tuning and inference all compute it here.
    """

    trained_tensors = ("projection.",)

    config: AudioConfig | ImageConfig
    class_embeddings: Tensor
    class_weights: Tensor

    def __init__(self, config: AudioConfig | ImageConfig, features: int, classes: int, dimension: int) -> None:
        super().__init__()
        _refuse_anchor_of_nothing(config, classes)
        self.config = config
        self.projection = (
            _perceptron(features, config.hidden, dimension) if config.hidden else nn.Linear(features, dimension)
        )
        self.register_buffer("class_embeddings", torch.zeros(classes, dimension))
        self.register_buffer("class_weights", torch.ones(classes))

    def forward(self, features: Tensor, probabilities: Tensor, offset: Tensor | None = None) -> Tensor:
        """Return embeddings, float32 [items, dimension], L2-normalised.

        Args:
            features: float32 [items, features].
            probabilities: float32 [items, classes], each in [0, 1].
            offset: What a training adds to the class embeddings, float32 [classes, dimension]; None for nothing.
        """
        projected = self.project(features) if self.config.projection_weight else None
        anchors = self.anchor(probabilities, offset) if self.config.anchor_weight else None
        return self.combine(projected, anchors)

    def project(self, features: Tensor) -> Tensor:
        """Return the projections, float32 [items, dimension], L2-normalised."""
        return functional.normalize(self.projection(features).float(), dim=-1)

    def anchor(self, probabilities: Tensor, offset: Tensor | None = None) -> Tensor:
        """Return the class anchors, float32 [items, dimension], L2-normalised; see ``forward``."""
        weighted = probabilities.clamp(min=1e-9) ** self.config.anchor_power * self.class_weights
        top = weighted.topk(min(self.config.anchor_top, weighted.shape[1]), dim=-1)
        sparse = torch.zeros_like(weighted).scatter(-1, top.indices, top.values)
        embeddings = self.class_embeddings if offset is None else self.class_embeddings + offset
        return functional.normalize(sparse @ embeddings, dim=-1)

    def combine(self, projected: Tensor | None, anchors: Tensor | None) -> Tensor:
        """Return the weighted sum of projections and anchors, float32 [items, dimension], L2-normalised.

        Args:
            projected: As ``project`` gives them; None where they have no weight.
            anchors: As ``anchor`` gives them; None where they have no weight.
        """
        weights = self.config.projection_weight, self.config.anchor_weight
        branches = [
            weight * branch
            for weight, branch in zip(weights, (projected, anchors), strict=True)
            if weight and branch is not None
        ]
        return functional.normalize(sum(branches[1:], branches[0]), dim=-1)

    def weighed(self, projection: float, anchor: float) -> Self:
        """Return this head with other shares of projection and anchor; tensors are shared."""
        config = dataclasses.replace(self.config, projection_weight=projection, anchor_weight=anchor)
        _refuse_anchor_of_nothing(config, len(self.class_weights))
        made = copy.copy(self)
        made.config = config
        return made

    def trained_parameters(self) -> int:
        """Return how many parameters training sets."""
        return sum(parameter.numel() for parameter in self.projection.parameters())


def _refuse_anchor_of_nothing(config: AudioConfig | ImageConfig, classes: int) -> None:
    if config.anchor_weight and not classes:
        raise CheckpointError(f"anchor_weight is {config.anchor_weight}, but the tower knows no classes; wanted 0")


def _perceptron(features: int, hidden: int, dimension: int) -> nn.Module:
    return nn.Sequential(
        nn.LayerNorm(features), nn.Linear(features, hidden), nn.GELU(), nn.Dropout(0.3), nn.Linear(hidden, dimension)
    )


class AudioHead(AnchoredHead):
    """A clip's way into the text space: YAMNet's features, and AudioSet's classes as the anchor."""

    field, prefix, title = "audio", "head.", "audio heads"
    variants = tuple(SHARES)
    trained_for = "sounds"
    config: AudioConfig

    @classmethod
    def build(cls, config: ModelConfig, towers: Towers, report: Report = silent) -> Self:
        """Return an empty head on the audio tower, see ``Part.build``."""
        return cls(config.audio, towers.audio.features, towers.audio.classes, config.media_width)

    def variant(self, name: str) -> AudioHead:
        """Return the head with the shares of a variant, or as it is."""
        return self.weighed(*SHARES[name]) if name in SHARES else self

    def card(self) -> str:
        """Return what of it lies in the model's folder."""
        if not self.config.anchor_weight:
            return f"the trained layers ({self.trained_parameters():,} parameters)"
        return (
            f"the audio head ({self.trained_parameters():,} trained parameters and the embeddings of "
            f"{len(self.class_weights)} AudioSet class\n  names)"
        )


class ImageHead(AnchoredHead):
    """A picture's way into the text space: EfficientNet's features, and ImageNet's classes as the anchor."""

    field, prefix, title = "image", "image_head.", "image heads"
    halves = True
    trained_for = "pictures"
    config: ImageConfig

    @classmethod
    def build(cls, config: ModelConfig, towers: Towers, report: Report = silent) -> Self:
        """Return an empty head on the image tower, see ``Part.build``."""
        assert config.image is not None and towers.image is not None
        return cls(config.image, towers.image.features, towers.image.classes, config.media_width)

    def card(self) -> str:
        """Return what of it lies in the model's folder."""
        return (
            f"the image head ({self.trained_parameters():,} trained parameters and the embeddings of "
            f"{len(self.class_weights):,} ImageNet class\n  names), in half precision"
        )
