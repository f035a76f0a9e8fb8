"""A checkpoint's ``config.json`` as frozen dataclasses."""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from cacara.encoders.config import TextConfig
from cacara.errors import CheckpointError

FORMAT_VERSION = 1
"""Raised by one whenever an older reader could misread a newer folder."""

DEFAULT_MODEL = "cacara-studio"
"""The bundled model that is used where none is named."""


@dataclasses.dataclass(frozen=True)
class AudioConfig:
    """The audio tower and its way into the text space.

    Attributes:
        backbone: A name of ``encoders.audio.BACKBONES``.
        hidden: Width of the projection's hidden layer; 0 for a projection that is one linear layer.
        projection_weight: Share of the trained projection in the embedding, 0 to 1.
        anchor_weight: Share of the class anchor (class posterior × class-name embeddings), 0 to 1.
        anchor_top: Number of the most probable classes that form the anchor.
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
        _at_least("hidden", self.hidden, 0)
        _at_least("projection_weight", self.projection_weight, 0)
        _at_least("anchor_weight", self.anchor_weight, 0)
        _at_least("anchor_top", self.anchor_top, 1)
        _at_least("anchor_power", self.anchor_power, 0)
        if self.projection_weight + self.anchor_weight == 0:
            raise CheckpointError("projection_weight and anchor_weight are both 0; wanted one above 0")
        if self.patch_pooling not in ("mean", "max"):
            raise CheckpointError(f"patch_pooling is {self.patch_pooling!r}; wanted 'mean' or 'max'")


@dataclasses.dataclass(frozen=True)
class ImageConfig:
    """The image tower and its way into the text space.

    Attributes:
        backbone: A name of ``encoders.image.BACKBONES``.
        hidden: Width of the projection's hidden layer; 0 for a projection that is one linear layer.
        projection_weight: Share of the trained projection in the embedding, 0 to 1.
        anchor_weight: Share of the class anchor (class posterior × class-name embeddings), 0 to 1.
        anchor_top: Number of the most probable classes that form the anchor.
        anchor_power: Exponent on the class probabilities; below 1 flattens them.
    """

    backbone: str
    hidden: int
    projection_weight: float
    anchor_weight: float
    anchor_top: int
    anchor_power: float

    def __post_init__(self) -> None:
        _at_least("hidden", self.hidden, 0)
        _at_least("projection_weight", self.projection_weight, 0)
        _at_least("anchor_weight", self.anchor_weight, 0)
        _at_least("anchor_top", self.anchor_top, 1)
        _at_least("anchor_power", self.anchor_power, 0)
        if self.projection_weight + self.anchor_weight == 0:
            raise CheckpointError("projection_weight and anchor_weight are both 0; wanted one above 0")


@dataclasses.dataclass(frozen=True)
class AcquirerConfig:
    """Settings of language acquirers (``cacara.model.parts.acquirers``).

    Attributes:
        embedding: The multilingual encoder whose token embeddings and tokenizer are used: a name of
            ``encoders.text.BACKBONES``, a folder, or a hub id.
        bottleneck: Width of every acquirer's inner layer.
        max_tokens: Longer texts are cut, special tokens included.
    """

    embedding: str
    bottleneck: int
    max_tokens: int

    def __post_init__(self) -> None:
        _at_least("acquirers.bottleneck", self.bottleneck, 1)
        _at_least("acquirers.max_tokens", self.max_tokens, 3)


@dataclasses.dataclass(frozen=True)
class ProjectorsConfig:
    """The two encoders that uCLIP's heads bring together (``cacara.model.parts.projectors``).

    Attributes:
        text_width: Width of the multilingual text tower's embeddings.
        dual_width: Width of the dual encoder's space, into which the audio and image heads lead.
    """

    text_width: int
    dual_width: int

    def __post_init__(self) -> None:
        _at_least("projectors.text_width", self.text_width, 1)
        _at_least("projectors.dual_width", self.dual_width, 1)


@dataclasses.dataclass(frozen=True)
class ProfileConfig:
    """The class profiles beside the text space (``cacara.model.parts.profile``).

    Attributes:
        size: Coordinates of a profile.
        share: Of the profiles in a score between a text and a sound, above 0, below 1.
        temperature: Of the softmax over class names that makes a text's profile.
        floor: Added to class probabilities before their logarithm is taken.
        centred: Whether the mean of the training sounds is taken from a sound's part in the text space.
    """

    size: int
    share: float
    temperature: float
    floor: float
    centred: bool = False

    def __post_init__(self) -> None:
        _at_least("profile.size", self.size, 1)
        for name in ("share", "temperature", "floor"):
            value = getattr(self, name)
            if not 0 < value < (1 if name == "share" else math.inf):
                raise CheckpointError(
                    f"profile.{name} is {value}; wanted more than 0{', below 1' if name == 'share' else ''}"
                )


@dataclasses.dataclass(frozen=True)
class LexicalMemoryConfig:
    """The lexical memory on the text side (``cacara.model.parts.lexical_memory``).

    Attributes:
        lexicon: ``bundled``, or the folder of a lexicon.
        policy: Which senses are seen: ``studio`` all, ``strict`` none that names a concept of a benchmark.
        share: Of what words mean in the embedding of a text all of whose words are known for sure, above 0, up to 1.
        doubt: Exponent on the sureness of senses; 0 takes every sense for sure.
        reach: Words of a text from which on one of a language that the text encoder was trained on keeps more of its
            own embedding.
        decay: Exponent on ``reach`` over the number of words; 0 treats long texts as short ones.
    """

    lexicon: str
    policy: str
    share: float
    doubt: float
    reach: int
    decay: float

    def __post_init__(self) -> None:
        _at_least("memory.reach", self.reach, 1)
        for name in ("doubt", "decay"):
            _at_least(f"memory.{name}", getattr(self, name), 0)
        if not 0 < self.share <= 1:
            raise CheckpointError(f"memory.share is {self.share}; wanted more than 0, at most 1")
        if self.policy not in ("studio", "strict"):
            raise CheckpointError(f"memory.policy is {self.policy!r:.80}; wanted 'studio' or 'strict'")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """All that is needed to build a model before its weights are read.

    Attributes:
        name: Of the method and variant, e.g. ``cacara``.
        version: Of these weights, e.g. ``2026.11.22``.
        dimension: Width of the shared space, profiles included.
        text: The text tower.
        audio: The audio tower.
        centring: Whether texts are centred by their language's mean unless a caller says otherwise.
        languages: Languages whose mean the checkpoint holds, in the order of its rows.
        licence: Of the trained weights; the model card gives the reason.
        image: The image tower; None for a model that knows no pictures, and then absent from the JSON.
        text_map: True for a model with a trained linear layer behind the text tower; else None, and then absent.
        acquirers: How other languages than the text tower's are read; None for a model without, and then absent.
        projectors: What uCLIP's heads bring together, if they lie behind the towers; else None, and then absent.
        profile: The class profiles beside the text space; None for a model without, and then absent.
        memory: The words that a lexicon remembers; None for a model without, and then absent.

    A part of a model is a field here, and mostly a dataclass above; ``cacara.model.parts.table`` lists the parts.
    """

    name: str
    version: str
    dimension: int
    text: TextConfig
    audio: AudioConfig
    centring: bool
    languages: tuple[str, ...]
    licence: str
    image: ImageConfig | None = None
    text_map: bool | None = None
    acquirers: AcquirerConfig | None = None
    projectors: ProjectorsConfig | None = None
    profile: ProfileConfig | None = None
    memory: LexicalMemoryConfig | None = None

    @property
    def text_width(self) -> int:
        """Width of the text tower's embeddings."""
        return self.projectors.text_width if self.projectors else self.space_width

    @property
    def media_width(self) -> int:
        """Width of what the audio and image heads give."""
        return self.projectors.dual_width if self.projectors else self.space_width

    @property
    def space_width(self) -> int:
        """Width of the shared space without class profiles."""
        return self.dimension - (self.profile.size if self.profile else 0)

    def __post_init__(self) -> None:
        _at_least("dimension", self.dimension, 1 + (self.profile.size if self.profile else 0))
        if self.profile and self.projectors:
            raise CheckpointError(
                "there are a profile and projectors, which lead into another space; wanted one of them"
            )
        if not re.fullmatch(r"[\w.-]+", self.name):  # files are named after it
            raise CheckpointError(f"name is {self.name!r:.80}; wanted letters, digits, '_', '.' and '-'")

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict, the inverse of ``from_json``."""
        return {
            "format_version": FORMAT_VERSION,
            **_without_none(dataclasses.asdict(self)),
            "languages": list(self.languages),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ModelConfig:
        """Build a config from ``to_json``'s dict.

        Raises:
            CheckpointError: Another format version; a field is missing, unknown or of the wrong type.
        """
        if not isinstance(content, Mapping):
            raise CheckpointError(f"it is {content!r:.80}; wanted an object of fields")
        version = content.get("format_version")
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"format_version is {version!r}, this program reads {FORMAT_VERSION}; "
                "update the program, or train the model anew with its recipe"
            )
        return _read(cls, {key: value for key, value in content.items() if key != "format_version"}, "")


def _read(kind: Any, values: object, prefix: str) -> Any:  # noqa: ANN401
    """Return a dataclass of JSON values that are exactly its fields, numbers and strings where they belong.

    Fields with a default may be missing.
    """
    if not isinstance(values, Mapping):
        raise CheckpointError(f"{prefix[:-1]} is {values!r:.80}; wanted an object of fields")
    hints = typing.get_type_hints(kind)
    optional = {field.name for field in dataclasses.fields(kind) if field.default is not dataclasses.MISSING}
    if missing := [prefix + name for name in hints if name not in values and name not in optional]:
        raise CheckpointError(f"the fields {', '.join(missing)} are missing")
    if unknown := [prefix + str(name) for name in values if name not in hints]:
        raise CheckpointError(f"the fields {', '.join(unknown)[:200]} are unknown; wanted {', '.join(hints)}")
    given = {name: wanted for name, wanted in hints.items() if name not in optional or values.get(name) is not None}
    return kind(**{name: _value(wanted, values[name], prefix + name) for name, wanted in given.items()})


def _value(wanted: Any, value: object, name: str) -> object:  # noqa: ANN401
    """Return a field's value of its JSON value: a dataclass, a tuple of strings, or a plain value."""
    if isinstance(wanted, types.UnionType):  # of a part that a model may lack: None has been dealt with
        (wanted,) = (choice for choice in typing.get_args(wanted) if choice is not types.NoneType)
    if dataclasses.is_dataclass(wanted):
        return _read(wanted, value, f"{name}.")
    if typing.get_origin(wanted) is tuple:
        if not isinstance(value, list) or not all(isinstance(code, str) for code in value):
            raise CheckpointError(f"{name} is {value!r:.80}; wanted a list of codes")
        return tuple(value)
    accepted = (int, float) if wanted is float else (wanted,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and wanted is not bool):
        raise CheckpointError(f"{name} is {value!r:.80}; wanted a value of type {wanted.__name__}")
    return value


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON values without the parts that a model does not have."""
    return {
        name: _without_none(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if value is not None
    }


def _at_least(name: str, value: float, least: float) -> None:
    if not (math.isfinite(value) and value >= least):
        raise CheckpointError(f"{name} is {value}; wanted a number from {least} up")
