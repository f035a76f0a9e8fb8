"""Text encoders that ``transformers`` loads from a folder or the hub, with the projection some of them carry.

Three multilingual layouts are known. Plain: what ``save_pretrained`` writes, no projection. M-CLIP (Carlsson et al.
2022): encoder under ``transformer.`` and one linear layer into CLIP's space. OpenCLIP, as of
``laion/CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k``: an encoder under ``text.transformer.`` and two linear layers
with a GELU between them. All three pool by the mean over tokens. CLIP's and CLAP's own English text sides are read too:
the first pools at a text's last token, the second has a pooler.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from cacara.encoders import bert, piece_tokenizer
from cacara.encoders.hub.weights import read_strictly
from cacara.errors import CheckpointError

OPEN_CLIP_CONFIG = "open_clip_config.json"
M_CLIP = "M-CLIP"
DUAL = {
    "clip": ("CLIPTextModelWithProjection", "last"),
    "clip_text_model": ("CLIPTextModelWithProjection", "last"),
    "clap": ("ClapTextModelWithProjection", "pooler"),
    "clap_text_model": ("ClapTextModelWithProjection", "pooler"),
}
"""The text sides of dual encoders: ``model_type`` to the class of ``transformers`` and its pooling."""
WEIGHTS = (
    "open_clip_model.safetensors",
    "model.safetensors",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
)


@dataclasses.dataclass(frozen=True)
class HubText:
    """Components of a text tower.

    Attributes:
        encoder: A ``transformers`` encoder.
        tokenizer: Its tokenizer.
        projection: From the encoder's width into the shared space; None when the encoder's output is the space.
        pooling: A name of ``cacara.encoders.text.POOLINGS``.
    """

    encoder: nn.Module
    tokenizer: Any
    projection: nn.Module | None = None
    pooling: str = "mean"


def load(place: str) -> HubText:
    """Return the encoder of a folder or hub repository in float32, its weights read strictly.

    Raises:
        CheckpointError: It cannot be read, or lacks weights.
    """
    try:
        config = _json(place, "config.json")
        if (open_clip := _json(place, OPEN_CLIP_CONFIG)) is not None:
            return _load_open_clip(place, open_clip)
        if config is not None and config.get("model_type") == M_CLIP:
            return _load_m_clip(place, config)
        if config is not None and config.get("model_type") in DUAL:
            return _load_dual(place, config["model_type"])
        return _load_plain(place)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError, CheckpointError) as error:
        raise CheckpointError(f"text backbone {place!r} cannot be loaded: {error}") from error


def _load_plain(place: str) -> HubText:
    encoder: nn.Module | None = bert.load(Path(place))
    if encoder is None:
        from transformers import AutoModel

        # The encoder's own pooler is not used, and many checkpoints come without it.
        encoder = read_strictly(AutoModel, place, unused="pooler")
    return HubText(encoder, piece_tokenizer.of(place))


def _load_dual(place: str, kind: str) -> HubText:
    import transformers

    name, pooling = DUAL[kind]
    model: Any = read_strictly(getattr(transformers, name), place)
    return HubText(model.text_model, transformers.AutoTokenizer.from_pretrained(place), model.text_projection, pooling)


def _load_m_clip(place: str, config: Mapping[str, Any]) -> HubText:
    weights = _weights(place)
    encoder = _encoder(config["modelBase"], weights, "transformer.")
    linear = _part(weights, "LinearTransformation.")
    dimension, width = linear["weight"].shape
    projection = nn.Linear(width, dimension)
    projection.load_state_dict(linear, strict=True)
    return HubText(encoder, _tokenizer(place, config["modelBase"]), projection)


def _load_open_clip(place: str, config: Mapping[str, Any]) -> HubText:
    text = config.get("model_cfg", config)["text_cfg"]
    pooler = text.get("hf_pooler_type", text.get("pooler_type", "mean_pooler"))
    if pooler != "mean_pooler":
        raise CheckpointError(f"its text side pools by {pooler!r}; wanted 'mean_pooler'")
    weights = _weights(place)
    encoder = _encoder(text["hf_model_name"], weights, "text.transformer.")
    layers = _part(weights, "text.proj.")
    if set(layers) != {"0.weight", "2.weight"}:
        raise CheckpointError(f"its text projection has the weights {sorted(layers)}; wanted 0.weight and 2.weight")
    (hidden, width), (dimension, _) = layers["0.weight"].shape, layers["2.weight"].shape
    projection = nn.Sequential(
        nn.Linear(width, hidden, bias=False), nn.GELU(), nn.Linear(hidden, dimension, bias=False)
    )
    projection.load_state_dict(layers, strict=True)
    return HubText(encoder, _tokenizer(place, text.get("hf_tokenizer_name", text["hf_model_name"])), projection)


def _encoder(base: str, weights: Mapping[str, Tensor], prefix: str) -> nn.Module:
    """Build the encoder whose architecture ``base`` describes; its weights are ours, not ``base``'s."""
    from transformers import AutoConfig, AutoModel

    encoder = AutoModel.from_config(AutoConfig.from_pretrained(base), dtype=torch.float32)
    own = _part(weights, prefix)
    # The encoder's own pooler is not used; older checkpoints keep the numbers 0, 1, 2, … as a weight.
    left_out = ("pooler.", "embeddings.position_ids")
    told = encoder.load_state_dict(
        {name: value.float() for name, value in own.items() if not name.startswith(left_out)}, strict=False
    )
    encoder.pooler = None
    if wrong := [name for name in (*told.missing_keys, *told.unexpected_keys) if not name.startswith(left_out)]:
        raise CheckpointError(f"{len(wrong)} weights do not fit {base}, first {wrong[0]}")
    return encoder


def _tokenizer(place: str, base: str) -> Any:  # noqa: ANN401
    from transformers import AutoTokenizer

    own = _file(place, "tokenizer.json") or _file(place, "sentencepiece.bpe.model")
    return AutoTokenizer.from_pretrained(place if own else base)


def _weights(place: str) -> dict[str, Tensor]:
    for name in WEIGHTS:
        if (path := _file(place, name)) is None:
            continue
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    raise CheckpointError(f"it holds none of {', '.join(WEIGHTS)}")


def _part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _json(place: str, name: str) -> dict[str, Any] | None:
    path = _file(place, name)
    return None if path is None else json.loads(path.read_text(encoding="utf-8"))


def _file(place: str, name: str) -> Path | None:
    """Return a file of a folder, or of a hub repository after fetching it; None if there is no such file."""
    if Path(place).is_dir():
        return path if (path := Path(place, name)).is_file() else None
    from transformers.utils import cached_file

    try:
        found = cached_file(place, name)
    except OSError:  # missing, or no network: what is looked for in the end will say so
        return None
    return Path(found) if found else None
