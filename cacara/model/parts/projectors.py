"""uCLIP's two heads: a multilingual text space and a dual encoder's space to one that they share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from torch import Tensor, nn
from torch.nn import functional

from cacara.model.config import ProjectorsConfig
from cacara.model.parts.part import Part, TextBatch
from cacara.sources.clients import Report, silent

if TYPE_CHECKING:
    from cacara.model.config import ModelConfig
    from cacara.model.towers import Towers


class ProjectorHead(nn.Module):
    """One of the heads: linear to twice the width, batch normalisation, ReLU, linear to the shared width."""

    def __init__(self, width: int, shared: int) -> None:
        """Draw random weights.

        Args:
            width: Of what comes in.
            shared: Of the shared space.
        """
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, 2 * width), nn.BatchNorm1d(2 * width), nn.ReLU(), nn.Linear(2 * width, shared)
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return float32 [items, shared], L2-normalised, of float32 [items, width]."""
        return functional.normalize(self.layers(embeddings).float(), dim=-1)


class Projectors(Part):
    """Both heads; all that uCLIP trains.

    After "uCLIP: Parameter-Efficient Multilingual Extension of Vision-Language Models with Unpaired Data" (arXiv
    2511.13036): ``text`` takes a frozen multilingual text encoder's embeddings, ``dual`` those of a frozen dual
    encoder, whichever side of it they are from. With 384 and 512 to 512 these are the paper's 1,743,104 parameters.
    """

    field, prefix, title = "projectors", "projectors.", "uCLIP's heads"
    leaves_text_space = True
    trained_for = "texts"
    fits = ("head.", "image_head.", "centring.", "audio.", "audio_lora.", "text_lora.")

    def __init__(self, config: ProjectorsConfig, shared: int) -> None:
        """Draw random weights.

        Args:
            config: The widths of the two encoders.
            shared: Width of the shared space.
        """
        super().__init__()
        self.text = ProjectorHead(config.text_width, shared)
        self.dual = ProjectorHead(config.dual_width, shared)

    @classmethod
    def build(cls, config: ModelConfig, towers: Towers, report: Report = silent) -> Self:
        """Return untrained heads, see ``Part.build``."""
        assert config.projectors is not None
        return cls(config.projectors, config.dimension)

    def texts(self, batch: TextBatch) -> TextBatch:
        """Return texts behind their head."""
        return dataclasses.replace(batch, embeddings=self.text(batch.embeddings))

    def sounds(self, embeddings: Tensor, probabilities: Tensor) -> Tensor:
        """Return sounds behind the dual encoder's head."""
        return self.dual(embeddings)

    def images(self, embeddings: Tensor) -> Tensor:
        """Return pictures behind the dual encoder's head."""
        return self.dual(embeddings)

    def card(self) -> str:
        """Return what of it lies in the model's folder."""
        return f"the two heads ({sum(value.numel() for value in self.parameters()):,} trained parameters)"

    @classmethod
    def count_trained(cls, config: ModelConfig, tensors: Mapping[str, Tensor], folder: Path) -> int:
        """Return the number of parameters; the statistics of batches are none."""
        assert config.projectors is not None
        statistics = {name for name, _ in cls(config.projectors, config.dimension).named_buffers()}
        return sum(value.numel() for name, value in tensors.items() if name not in statistics)
