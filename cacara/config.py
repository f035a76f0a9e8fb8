"""What a checkpoint's ``config.json`` says, as frozen dataclasses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from cacara.errors import CheckpointError

FORMAT_VERSION = 1
"""Raised by one whenever an older reader could misread a newer folder."""


@dataclasses.dataclass(frozen=True)
class TextConfig:
    """The frozen text tower.

    Attributes:
        backbone: A name of ``backbones.text.BACKBONES``, a folder, or a hub id.
        prefix: Put before every text, as the backbone was trained.
        max_tokens: Longer texts are cut, special tokens included.
    """

    backbone: str
    prefix: str
    max_tokens: int


@dataclasses.dataclass(frozen=True)
class AudioConfig:
    """The audio tower and its way into the text space.

    Attributes:
        backbone: A name of ``backbones.audio.BACKBONES``.
        hidden: Width of the projection's hidden layer.
        projection_weight: Share of the trained projection in the embedding, 0 to 1.
        anchor_weight: Share of the class anchor (class posterior × class-name embeddings), 0 to 1.
        anchor_top: How many of the most probable classes form the anchor.
        anchor_power: Exponent on the class probabilities; below 1 flattens them.
        patch_pooling: How a clip's patches become one posterior: ``mean`` or ``max``.
    """

    backbone: str
    hidden: int
    projection_weight: float
    anchor_weight: float
    anchor_top: int
    anchor_power: float
    patch_pooling: str

    def __post_init__(self) -> None:
        if self.projection_weight < 0 or self.anchor_weight < 0 or self.projection_weight + self.anchor_weight == 0:
            raise CheckpointError(
                f"weights of projection {self.projection_weight} and anchor {self.anchor_weight}: "
                "wanted two numbers from 0 up, not both 0"
            )
        if self.patch_pooling not in ("mean", "max"):
            raise CheckpointError(f"patch_pooling is {self.patch_pooling!r}; wanted 'mean' or 'max'")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """All that is needed to build a model before its weights are read.

    Attributes:
        name: Of the method and variant, e.g. ``cacara``.
        version: Of these weights, e.g. ``2026.11.22``.
        dimension: Width of the shared space.
        text: The text tower.
        audio: The audio tower.
        centring: Whether texts are centred by their language's mean unless a caller says otherwise.
        languages: Languages whose mean the checkpoint holds, in the order of its rows.
        licence: Of the trained weights; the model card gives the reason.
    """

    name: str
    version: str
    dimension: int
    text: TextConfig
    audio: AudioConfig
    centring: bool
    languages: tuple[str, ...]
    licence: str

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict, the inverse of ``from_json``."""
        return {
            "format_version": FORMAT_VERSION,
            **dataclasses.asdict(self),
            "languages": list(self.languages),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ModelConfig:
        """Build a config from ``to_json``'s dict.

        Raises:
            CheckpointError: Another format version; a field is missing, unknown or of the wrong type.
        """
        version = content.get("format_version")
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"format_version is {version!r}, this program reads {FORMAT_VERSION}; "
                "update the program, or train the model anew with its recipe"
            )
        values = {key: value for key, value in content.items() if key != "format_version"}
        try:
            return cls(
                **{
                    **values,
                    "text": TextConfig(**values["text"]),
                    "audio": AudioConfig(**values["audio"]),
                    "languages": tuple(values["languages"]),
                }
            )
        except (TypeError, KeyError) as error:
            raise CheckpointError(f"config.json does not fit: {error}") from error
