"""A frozen BERT encoder with packed weights: for a short text the function of ``transformers``' in half its time."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara.encoders import packed
from cacara.encoders.packed import Layer

if TYPE_CHECKING:
    from transformers import BertModel  # takes seconds to import; who has an encoder has done so

USUAL_TOKENS = 16
"""Of a query; longer and shorter ones work as well."""


class PackedLayer:
    """One layer: attention with its three projections in one product, and the perceptron."""

    def __init__(self, layer: Any, heads: int) -> None:  # noqa: ANN401
        query, key, value, joined, wide, narrow = _linears(layer)
        weight, bias = (torch.cat([getattr(part, name) for part in (query, key, value)]) for name in ("weight", "bias"))
        self.heads = heads
        self.projections = packed.linear(weight, bias, USUAL_TOKENS)
        self.joined, self.wide, self.narrow = _linear(joined), _linear(wide, "gelu"), _linear(narrow)
        self.joined_norm, self.narrow_norm = layer.attention.output.LayerNorm, layer.output.LayerNorm

    def __call__(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Map hidden states [texts, tokens, width]; ``mask`` bool [texts, 1, 1, tokens] or None says what is read."""
        texts, tokens, width = hidden.shape
        split = self.projections(hidden).view(texts, tokens, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        read = functional.scaled_dot_product_attention(query, key, value, mask)
        hidden = self.joined_norm(hidden + self.joined(read.transpose(1, 2).reshape(texts, tokens, width)))
        made: Tensor = self.narrow_norm(hidden + self.narrow(self.wide(hidden)))
        return made


class PackedBert(nn.Module):
    """Stands in for a ``BertModel`` in evaluation mode; its weights are copies, so later changes do not reach it."""

    def __init__(self, encoder: BertModel) -> None:
        super().__init__()
        self.config = encoder.config
        self.embeddings = encoder.embeddings
        self.layers = [PackedLayer(layer, encoder.config.num_attention_heads) for layer in encoder.encoder.layer]

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> types.SimpleNamespace:
        """Return ``last_hidden_state``, float32 [texts, tokens, width], as ``transformers`` does.

        Args:
            input_ids: int64 [texts, tokens].
            attention_mask: 1 where there is a token, 0 where there is padding, [texts, tokens].
        """
        hidden = self.embeddings(input_ids=input_ids)
        mask = None if bool(attention_mask.all()) else attention_mask[:, None, None, :].bool()
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return types.SimpleNamespace(last_hidden_state=hidden)


def fits(encoder: nn.Module) -> bool:
    """Whether an encoder is a plain BERT whose function ``PackedBert`` is, and whose weights can be packed."""
    from transformers import BertModel

    if type(encoder) is not BertModel or encoder.config.hidden_act != "gelu" or encoder.config.is_decoder:
        return False
    # What training attaches to a layer stands in its place and is no plain layer any more.
    return all(type(part) is nn.Linear for layer in encoder.encoder.layer for part in _linears(layer)) and (
        packed.available(encoder.encoder)
    )


def _linears(layer: Any) -> list[nn.Module]:  # noqa: ANN401
    attention = layer.attention
    own = attention.self
    return [own.query, own.key, own.value, attention.output.dense, layer.intermediate.dense, layer.output.dense]


def _linear(layer: nn.Module, activation: str = "none") -> Layer:
    assert isinstance(layer, nn.Linear)
    return packed.linear(layer.weight, layer.bias, USUAL_TOKENS, activation)
