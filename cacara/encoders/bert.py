"""BERT: the encoder of multilingual-e5-small and all-MiniLM-L6-v2, its tensors named as ``transformers`` names them.

Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers", arXiv 1810.04805. ``transformers`` computes
the same, and takes three seconds and 180 MB to import, most of it for what nobody asks for here.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from cacara.errors import CheckpointError

DROPOUT = 0.1
"""While an encoder learns as a whole; frozen ones are in evaluation mode."""


@dataclasses.dataclass
class BertConfig:
    """The fields of a folder's ``config.json`` that decide what a plain BERT computes."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0
    model_type: str = "bert"
    hidden_act: str = "gelu"
    position_embedding_type: str = "absolute"
    is_decoder: bool = False

    @property
    def plain(self) -> bool:
        """Whether ``Bert`` supports this configuration."""
        kind = (self.model_type, self.hidden_act, self.position_embedding_type, self.is_decoder)
        return kind == ("bert", "gelu", "absolute", False)


class BertEmbeddings(nn.Module):
    """Token, position and segment embeddings, summed and normalised; all tokens are of the first segment."""

    def __init__(self, config: BertConfig, table: Tensor | None) -> None:
        super().__init__()
        table = torch.randn(config.vocab_size, config.hidden_size) if table is None else table
        self.word_embeddings = nn.Embedding.from_pretrained(table, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return float32 [texts, tokens, width]."""
        places = self.position_embeddings.weight[: input_ids.shape[1]]
        summed = self.word_embeddings(input_ids) + self.token_type_embeddings.weight[0] + places
        normalised: Tensor = self.dropout(self.LayerNorm(summed))
        return normalised


class BertOutput(nn.Module):
    """A fully connected layer, to which its block's input is added before the sum is normalised."""

    def __init__(self, inputs: int, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, values: Tensor, block_input: Tensor) -> Tensor:
        """Return float32 [texts, tokens, width]."""
        normalised: Tensor = self.LayerNorm(block_input + self.dropout(self.dense(values)))
        return normalised


class BertSelfAttention(nn.Module):
    """Multi-head self-attention, without its output projection."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.query, self.key, self.value = (nn.Linear(config.hidden_size, config.hidden_size) for _ in range(3))

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Map hidden states [texts, tokens, width]; ``mask`` bool [texts, 1, 1, tokens] says which are read."""
        query, key, value = (
            layer(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        dropped = DROPOUT if self.training else 0.0
        read = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropped)
        return read.transpose(1, 2).flatten(-2)


class BertAttention(nn.Module):
    """Attention and its output."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.self = BertSelfAttention(config)
        self.output = BertOutput(config.hidden_size, config)


class BertLayer(nn.Module):
    """Attention among tokens and a perceptron a token."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = BertAttention(config)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(config.hidden_size, config.intermediate_size)})
        self.output = BertOutput(config.intermediate_size, config)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Map hidden states [texts, tokens, width]; ``mask`` bool [texts, 1, 1, tokens] says which are read."""
        hidden = self.attention.output(self.attention.self(hidden, mask), hidden)
        made: Tensor = self.output(functional.gelu(self.intermediate["dense"](hidden)), hidden)
        return made


class BertStack(nn.Module):
    """The layers, one after the other."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(BertLayer(config) for _ in range(config.num_hidden_layers))


class Bert(nn.Module):
    """The encoder without a pooler."""

    def __init__(self, config: BertConfig, table: Tensor | None = None) -> None:
        """Make the layers with random weights.

        Args:
            config: Its sizes.
            table: Token embeddings [vocabulary, width], of any precision; None makes random ones.
        """
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config, table)
        self.encoder = BertStack(config)

    def get_input_embeddings(self) -> nn.Module:
        """Return the token embeddings."""
        return self.embeddings.word_embeddings

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> types.SimpleNamespace:
        """Return ``last_hidden_state``, float32 [texts, tokens, width].

        Args:
            input_ids: int64 [texts, tokens].
            attention_mask: 1 where there is a token, 0 where there is padding, [texts, tokens].
        """
        hidden, mask = self.embeddings(input_ids), attention_mask[:, None, None, :].bool()
        for layer in self.encoder.layer:
            hidden = layer(hidden, mask)
        return types.SimpleNamespace(last_hidden_state=hidden)


def load(folder: Path) -> Bert | None:
    """Return the encoder of a folder in float32, token embeddings in the precision that stores them; None for others.

    Others are folders whose config or weights' file is not that of a plain BERT: ``transformers`` may know them.

    Raises:
        CheckpointError: Weights are missing or of another shape.
        OSError: A file cannot be read.
        SafetensorError: The weights are damaged.
    """
    path, weights = folder / "config.json", folder / "model.safetensors"
    if not path.is_file() or not weights.is_file():
        return None
    config = _config(json.loads(path.read_text(encoding="utf-8")))
    if config is None:
        return None
    stored = {name.removeprefix("bert."): value for name, value in load_file(weights).items()}
    table = stored.pop("embeddings.word_embeddings.weight", None)
    if table is None or table.shape != (config.vocab_size, config.hidden_size):
        raise CheckpointError("the token embeddings are missing or of another shape")
    encoder = Bert(config, table)
    if "pooler.dense.weight" in stored:  # not used, and part of what identifies a tower
        encoder.pooler = nn.ModuleDict({"dense": nn.Linear(config.hidden_size, config.hidden_size)})
    wanted = encoder.state_dict()
    del wanted["embeddings.word_embeddings.weight"]
    wrong = [name for name, value in wanted.items() if name not in stored or stored[name].shape != value.shape]
    if wrong:
        raise CheckpointError(f"{len(wrong)} weights are missing or of another shape, first {wrong[0]}")
    encoder.load_state_dict({name: stored[name] for name in wanted}, strict=False)
    return encoder


def _config(fields: Mapping[str, Any]) -> BertConfig | None:
    known = {field.name for field in dataclasses.fields(BertConfig)}
    if fields.get("model_type") != "bert":
        return None
    config = BertConfig(**{name: value for name, value in fields.items() if name in known})
    return config if config.plain else None
