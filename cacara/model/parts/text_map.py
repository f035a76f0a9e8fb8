"""A trained layer behind the text tower and the centring, as M2M has one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Self

from torch import Tensor, nn
from torch.nn import functional

from cacara.model.parts.part import Part, TextBatch
from cacara.sources.clients import Report, silent

if TYPE_CHECKING:
    from cacara.model.config import ModelConfig
    from cacara.model.towers import Towers


class TextMap(Part):
    """One linear layer of the text space onto itself."""

    field, prefix, title = "text_map", "text_map.", "text maps"
    trained_for, trained_tensors = "texts", ("",)

    def __init__(self, width: int) -> None:
        """Draw random weights.

        Args:
            width: Of the text tower's embeddings.
        """
        super().__init__()
        layer = nn.Linear(width, width)
        self.weight, self.bias = layer.weight, layer.bias

    @classmethod
    def build(cls, config: ModelConfig, towers: Towers, report: Report = silent) -> Self:
        """Return the layer, see ``Part.build``."""
        return cls(config.text_width)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return float32 [texts, width], L2-normalised, of float32 [texts, width]."""
        return functional.normalize(functional.linear(embeddings, self.weight, self.bias).float(), dim=-1)

    def texts(self, batch: TextBatch) -> TextBatch:
        """Return texts behind the layer."""
        return dataclasses.replace(batch, embeddings=self(batch.embeddings))
