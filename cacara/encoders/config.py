"""Configuration of a text encoder."""

from __future__ import annotations

import dataclasses

from cacara.errors import CheckpointError


@dataclasses.dataclass(frozen=True)
class TextConfig:
    """The frozen text tower.

    Attributes:
        backbone: A name of ``encoders.text.BACKBONES``, a folder, or a hub id.
        prefix: Put before every text, as the backbone was trained.
        max_tokens: Longer texts are cut, special tokens included.
    """

    backbone: str
    prefix: str
    max_tokens: int

    def __post_init__(self) -> None:
        if self.max_tokens < 3:  # begin, end and one piece of a word
            raise CheckpointError(f"max_tokens is {self.max_tokens}; wanted a number from 3 up")
