"""Text towers: a frozen ``transformers`` encoder with mean pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from cacara.backbones import e5_weights, hub_text, minilm_weights
from cacara.config import TextConfig
from cacara.package_clients import Report, silent

BACKBONES: dict[str, Callable[[Report], Path]] = {
    e5_weights.NAME: e5_weights.prepare,
    minilm_weights.NAME: minilm_weights.prepare,
}
"""Backbones that packages carry; any other name is a folder or a hub id."""


class TextTower(nn.Module):
    """Texts to mean-pooled, L2-normalised embeddings; none of its parameters ever trains."""

    def __init__(
        self,
        encoder: nn.Module,
        tokenizer: Any,  # noqa: ANN401
        config: TextConfig,
        projection: nn.Module | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            encoder: A ``transformers`` encoder.
            tokenizer: Its tokenizer.
            config: What the model's config says of the tower.
            projection: From the mean over tokens into the shared space; None when that is the space.
        """
        super().__init__()
        self.encoder = encoder.eval().requires_grad_(False)
        self.projection = None if projection is None else projection.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.config = config

    @property
    def dimension(self) -> int:
        """Width of the embeddings."""
        if self.projection is not None:
            return list(self.projection.parameters())[-1].shape[0]
        return int(self.encoder.config.hidden_size)  # type: ignore[union-attr, arg-type]

    def train(self, mode: bool = True) -> TextTower:
        """Stay in evaluation mode whatever ``mode`` says: the tower is frozen."""
        return super().train(False)

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Return ``input_ids`` and ``attention_mask``, int64 [texts, tokens], padded to the longest."""
        batch = self.tokenizer(
            [self.config.prefix + text for text in texts],
            padding=True,
            truncation=True,
            max_length=self.config.max_tokens,
            return_tensors="pt",
        )
        return {name: batch[name] for name in ("input_ids", "attention_mask")}

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return float32 [texts, dimension], L2-normalised."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        mask = attention_mask[..., None].to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        projected = mean if self.projection is None else self.projection(mean).float()
        return functional.normalize(projected, dim=-1)


def load(config: TextConfig, report: Report = silent) -> TextTower:
    """Return the tower that a config names, its weights fetched when a package carries them.

    Raises:
        SourceError: The package cannot be fetched.
        CheckpointError: The folder or hub id cannot be loaded.
    """
    place = str(BACKBONES[config.backbone](report)) if config.backbone in BACKBONES else config.backbone
    loaded = hub_text.load(place)
    return TextTower(loaded.encoder, loaded.tokenizer, config, loaded.projection)
