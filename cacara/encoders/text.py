"""Text towers: a frozen ``transformers`` encoder, its pooling and its projection."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara import sources
from cacara.encoders.config import TextConfig
from cacara.encoders.hub import text as hub_text
from cacara.encoders.onnx import bert as onnx_bert
from cacara.encoders.onnx.graph import StandIn
from cacara.errors import CheckpointError
from cacara.sources.clients import Report, silent
from cacara.sources.converters import e5, minilm

BACKBONES: dict[str, Callable[[Report], Path]] = {
    e5.NAME: e5.prepare,
    minilm.NAME: minilm.prepare,
}
"""Backbones that packages carry; any other name is a folder or a hub id."""

log = logging.getLogger(__name__)


def _mean_of_tokens(output: Any, attention_mask: Tensor) -> Tensor:  # noqa: ANN401
    hidden = output.last_hidden_state.float()
    mask = attention_mask[..., None].to(hidden.dtype)
    return (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)


def _last_token(output: Any, attention_mask: Tensor) -> Tensor:  # noqa: ANN401
    hidden = output.last_hidden_state.float()
    last = hidden.shape[1] - 1 - attention_mask.flip(1).argmax(1)
    return hidden[torch.arange(len(hidden), device=hidden.device), last]


def _own_pooler(output: Any, attention_mask: Tensor) -> Tensor:  # noqa: ANN401
    return output.pooler_output.float()


POOLINGS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "mean": _mean_of_tokens,
    "last": _last_token,
    "pooler": _own_pooler,
}
"""From an encoder's output to float32 [texts, width]: sentence encoders', CLIP's and CLAP's way."""


class TextTower(nn.Module):
    """Texts to pooled, L2-normalised embeddings; none of its parameters ever trains."""

    def __init__(
        self,
        encoder: nn.Module,
        tokenizer: Any,  # noqa: ANN401
        config: TextConfig,
        projection: nn.Module | None = None,
        pooling: str = "mean",
    ) -> None:
        """Put the parts together.

        Args:
            encoder: A ``transformers`` encoder.
            tokenizer: Its tokenizer.
            config: Configuration of the tower.
            projection: From the pooled text into the shared space; None when that is the space.
            pooling: Pooling of tokens into a text: a name of ``POOLINGS``.
        """
        super().__init__()
        self.pooling = POOLINGS[pooling]
        self.encoder = encoder.eval().requires_grad_(False)
        self.projection = None if projection is None else projection.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.config = config
        self._graph = StandIn(onnx_bert.fits, onnx_bert.OnnxBert)

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
        return self._embed(self.encoder, input_ids, attention_mask)

    def read(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return what ``forward`` does but for rounding, in less time where there is a graph; no gradients."""
        return self._embed(self._graph.of(self.encoder), input_ids, attention_mask)

    def reader(self) -> str:
        """Return the name of the class that ``read`` sends texts through."""
        return type(self._graph.of(self.encoder)).__name__

    def _embed(self, encoder: nn.Module, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        pooled = self.pooling(encoder(input_ids=input_ids, attention_mask=attention_mask), attention_mask)
        projected = pooled if self.projection is None else self.projection(pooled).float()
        return functional.normalize(projected, dim=-1)


def load(config: TextConfig, report: Report = silent) -> TextTower:
    """Return the tower that a config names, its weights fetched when a package carries them.

    What lies in the cache and is damaged is removed and made anew, once.

    Raises:
        SourceError: The package cannot be fetched.
        CheckpointError: The folder or hub id cannot be loaded.
    """
    if config.backbone == "use-multilingual-3":  # no encoder of transformers
        from cacara.encoders import use as use_text

        return use_text.UseTower(use_text.prepare(report), config)
    place = place_of(config.backbone, report)
    try:
        loaded = hub_text.load(place)
    except CheckpointError as error:
        if config.backbone not in BACKBONES or not Path(place).is_relative_to(sources.cache_folder()):
            raise
        log.warning("%s is damaged and made anew: %s", place, error)
        shutil.rmtree(place, ignore_errors=True)
        loaded = hub_text.load(place_of(config.backbone, report))
    return TextTower(loaded.encoder, loaded.tokenizer, config, loaded.projection, loaded.pooling)


def place_of(backbone: str, report: Report = silent) -> str:
    """Return the folder or hub id of a backbone's name, its weights fetched when a package carries them.

    Raises:
        SourceError: The package cannot be fetched.
    """
    return str(BACKBONES[backbone](report)) if backbone in BACKBONES else backbone
