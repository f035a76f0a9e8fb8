"""A model's towers: encoders that stay outside its folder, and what training changed of them, which lies in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from torch import Tensor

from cacara.encoders import audio, image, text
from cacara.encoders.audio import AudioTower
from cacara.encoders.image import ImageTower
from cacara.encoders.text import TextTower
from cacara.errors import CheckpointError
from cacara.model.config import ModelConfig
from cacara.model.parts import lora
from cacara.model.parts.part import with_prefix
from cacara.sources.clients import Report, silent

AUDIO, AUDIO_LORA, TEXT_LORA = "audio.", "audio_lora.", "text_lora."
"""Prefixes of the names of the towers' stored tensors."""
PREFIXES = {"audio": AUDIO, "audio_lora": AUDIO_LORA, "text_lora": TEXT_LORA}
"""Field of ``TowerUpdates`` → the prefix under which it is stored."""
TRAINED_FOR = {AUDIO: "sounds", AUDIO_LORA: "sounds", TEXT_LORA: "texts"}


@dataclasses.dataclass(frozen=True, eq=False)
class Towers:
    """The encoders of one model; ``image`` is None for a model that knows no pictures."""

    text: TextTower
    audio: AudioTower
    image: ImageTower | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class TowerUpdates:
    """Changes of the towers by training; None leaves what a base has.

    Attributes:
        audio: Tensors of the audio tower that training changed, under its state dict's names.
        audio_lora: Low-rank updates of the audio tower, as ``lora.state`` returns them; merged when it is loaded.
        text_lora: Low-rank updates of the text encoder, merged when it is loaded.
    """

    audio: Mapping[str, Tensor] | None = None
    audio_lora: Mapping[str, Tensor] | None = None
    text_lora: Mapping[str, Tensor] | None = None

    def given(self) -> tuple[str, ...]:
        """Return the prefixes of what is not None."""
        return tuple(prefix for field, prefix in PREFIXES.items() if getattr(self, field) is not None)

    def stored(self) -> dict[str, Tensor]:
        """Return the tensors as they go to disk."""
        return {
            f"{prefix}{name}": value
            for field, prefix in PREFIXES.items()
            for name, value in (getattr(self, field) or {}).items()
        }


def load(config: ModelConfig, report: Report = silent) -> Towers:
    """Return the towers that a config names, as they were pretrained.

    Raises:
        CheckpointError: A tower cannot be loaded, or is of another width than the config says.
        SourceError: A tower's weights cannot be fetched.
    """
    text_tower = text.load(config.text, report)
    if text_tower.dimension != config.text_width:
        raise CheckpointError(f"the text backbone is {text_tower.dimension} wide, config.json says {config.text_width}")
    audio_tower = audio.load(config.audio.backbone, config.audio.patch_pooling, report)
    return Towers(text_tower, audio_tower, image.load(config.image.backbone, report) if config.image else None)


def update(towers: Towers, tensors: Mapping[str, Tensor]) -> None:
    """Put stored updates into the towers, in place.

    Args:
        towers: As they were pretrained.
        tensors: A model's, of which those under ``PREFIXES`` are taken.

    Raises:
        RuntimeError: Tensors do not fit.
        LookupError: A tower has no such layer.
        ValueError: An update's shape does not fit its layer.
    """
    # Only the layers that training changed are in the folder; the others are the backbone's.
    towers.audio.load_state_dict({**towers.audio.state_dict(), **with_prefix(tensors, AUDIO)}, strict=True)
    lora.merge(towers.audio, with_prefix(tensors, AUDIO_LORA))
    lora.merge(towers.text.encoder, with_prefix(tensors, TEXT_LORA))


def kept_prefixes(before: ModelConfig, after: ModelConfig) -> tuple[str, ...]:
    """Return the prefixes of updates that a model keeps of its base: those of towers that are the same."""
    same_audio = before.audio.backbone == after.audio.backbone
    same_text = before.text.backbone == after.text.backbone
    return ((AUDIO, AUDIO_LORA) if same_audio else ()) + ((TEXT_LORA,) if same_text else ())
