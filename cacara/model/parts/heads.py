"""The parts that are ours between a backbone and the shared space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara.errors import CheckpointError
from cacara.model.config import AudioConfig, ImageConfig


class AnchoredHead(nn.Module):
    """What a classifier makes of something, its features and class posterior, to an embedding in the text space.

    The embedding is a weighted sum of two unit vectors, normalised again:

    * the projection, an MLP on the features, trained on English captions;
    * the class anchor, ``Σ_c w_c p_c^γ e_c`` over the most probable classes, where ``e_c`` is the text
      tower's embedding of the class's English name and ``w_c`` damps classes that say little
      ("Inside, small room"). It needs no training and knows all the classes of the classifier.
    """

    class_embeddings: Tensor
    class_weights: Tensor

    def __init__(self, config: AudioConfig | ImageConfig, features: int, classes: int, dimension: int) -> None:
        super().__init__()
        if config.anchor_weight and not classes:
            raise CheckpointError(f"anchor_weight is {config.anchor_weight}, but the tower knows no classes; wanted 0")
        self.config = config
        self.projection = (
            _perceptron(features, config.hidden, dimension) if config.hidden else nn.Linear(features, dimension)
        )
        self.register_buffer("class_embeddings", torch.zeros(classes, dimension))
        self.register_buffer("class_weights", torch.ones(classes))

    def forward(self, features: Tensor, probabilities: Tensor) -> Tensor:
        """Return embeddings, float32 [items, dimension], L2-normalised.

        Args:
            features: float32 [items, features].
            probabilities: float32 [items, classes], each in [0, 1].
        """
        embedding = torch.zeros(len(features), self.class_embeddings.shape[1], device=features.device)
        if self.config.projection_weight:
            projected = functional.normalize(self.projection(features).float(), dim=-1)
            embedding = embedding + self.config.projection_weight * projected
        if self.config.anchor_weight:
            embedding = embedding + self.config.anchor_weight * self.anchor(probabilities)
        return functional.normalize(embedding, dim=-1)

    def anchor(self, probabilities: Tensor) -> Tensor:
        """Return the class anchors, float32 [items, dimension], L2-normalised."""
        weighted = probabilities.clamp(min=1e-9) ** self.config.anchor_power * self.class_weights
        top = weighted.topk(min(self.config.anchor_top, weighted.shape[1]), dim=-1)
        sparse = torch.zeros_like(weighted).scatter(-1, top.indices, top.values)
        return functional.normalize(sparse @ self.class_embeddings, dim=-1)


def _perceptron(features: int, hidden: int, dimension: int) -> nn.Module:
    return nn.Sequential(
        nn.LayerNorm(features), nn.Linear(features, hidden), nn.GELU(), nn.Dropout(0.3), nn.Linear(hidden, dimension)
    )


class AudioHead(AnchoredHead):
    """A clip's way into the text space: YAMNet's features, and AudioSet's classes as the anchor."""


class ImageHead(AnchoredHead):
    """A picture's way into the text space: EfficientNet's features, and ImageNet's classes as the anchor."""


class LanguageCentring(nn.Module):
    """Moves every language's texts to a common centre.

    A multilingual encoder gives each language a direction of its own, which a query then shares with every
    text of its language and with no sound. Subtracting the mean of the language's embeddings, measured on texts
    outside the benchmark, takes it away. A language without a mean of its own, or an unknown one, uses the mean of
    all languages.
    """

    means: Tensor
    global_mean: Tensor

    def __init__(self, languages: Sequence[str], dimension: int) -> None:
        super().__init__()
        self.languages = tuple(languages)
        self._row = {language: row for row, language in enumerate(self.languages)}
        self.register_buffer("means", torch.zeros(len(self.languages), dimension))
        self.register_buffer("global_mean", torch.zeros(dimension))

    def forward(self, embeddings: Tensor, languages: Sequence[str | None]) -> Tensor:
        """Return centred embeddings, float32 [texts, dimension], L2-normalised.

        Args:
            embeddings: float32 [texts, dimension], L2-normalised.
            languages: A BCP-47 code a text, or None when the language is not known.
        """
        means = torch.stack([self.mean_of(language) for language in languages])
        return functional.normalize(embeddings - means, dim=-1)

    def mean_of(self, language: str | None) -> Tensor:
        """Return a language's mean, float32 [dimension]; that of all languages when it has none of its own."""
        for code in (language or "", (language or "").split("-")[0]):
            if (row := self._row.get(code)) is not None:
                return self.means[row]
        return self.global_mean
