"""Text towers: a frozen ``transformers`` encoder with mean pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara.backbones import e5_weights
from cacara.config import TextConfig
from cacara.errors import CheckpointError
from cacara.package_clients import Report, silent

BACKBONES: dict[str, Callable[[Report], Path]] = {e5_weights.NAME: e5_weights.prepare}
"""Backbones that packages carry; any other name is a folder or a hub id."""


class TextTower(nn.Module):
    """Texts to mean-pooled, L2-normalised embeddings; none of its parameters ever trains."""

    def __init__(self, encoder: nn.Module, tokenizer: Any, config: TextConfig) -> None:  # noqa: ANN401
        super().__init__()
        self.encoder = encoder.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.config = config

    @property
    def dimension(self) -> int:
        """Width of the embeddings."""
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
        return functional.normalize((hidden * mask).sum(1) / mask.sum(1).clamp(min=1), dim=-1)


def load(config: TextConfig, report: Report = silent) -> TextTower:
    """Return the tower that a config names, its weights fetched when a package carries them.

    Raises:
        SourceError: The package cannot be fetched.
        CheckpointError: The folder or hub id cannot be loaded.
    """
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    prepare = BACKBONES.get(config.backbone)
    place = str(prepare(report)) if prepare else config.backbone
    transformers_logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(place)
        # E5 and its kin pool by themselves: a BERT's own pooler is not even in the weights.
        options = {"add_pooling_layer": False} if prepare else {}
        encoder = AutoModel.from_pretrained(place, dtype=torch.float32, **options)
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"text backbone {config.backbone!r} cannot be loaded: {error}") from error
    return TextTower(encoder, tokenizer, config)
