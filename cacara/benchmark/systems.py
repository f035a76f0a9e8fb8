"""Systems that a benchmark measures: anything that embeds texts and clips into one space.

A clip is a sound or a picture; whatever measures one measures the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from cacara.errors import QueryError
from cacara.model.model import Cacara
from cacara.model.parts.head import SHARES


class System(Protocol):
    """Anything that embeds texts and sounds into one space."""

    def encode_text(
        self, texts: Sequence[str], languages: str | Sequence[str] | None = None, *, centre: bool | None = True
    ) -> NDArray[np.float32]:
        """Return float32 ``[N, D]``, L2-normalised; without ``languages`` the system detects them.

        ``centre`` None leaves it to the system whether texts are centred by language.
        """
        ...

    def encode_audio(self, waveforms: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return float32 ``[N, D]``, L2-normalised, of float32 mono waveforms ``[samples]``."""
        ...


class SharedTowers:
    """Outputs of frozen towers for the same sounds and pictures, computed once for all models that share a tower."""

    def __init__(self) -> None:
        """Begin without any; the models must stay in memory, as towers are told apart by identity."""
        self._heard: dict[int, list[tuple[torch.Tensor, ...]]] = {}
        self._seen: dict[int, tuple[torch.Tensor, ...]] = {}

    def sounds(self, model: Cacara, waveforms: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the sounds' embeddings, float32 ``[clips, dimension]``, see ``Cacara.encode_audio``.

        Args:
            model: Places them.
            waveforms: The same ones for all models.
        """
        tower = id(model.audio)
        if tower not in self._heard:
            self._heard[tower] = list(model.hear(waveforms))
        placed = [model.place_heard(heard) for heard in self._heard[tower]]
        return np.concatenate(placed) if placed else model.encode_audio(())

    def seen(self, model: Cacara, pixels: Sequence[NDArray[np.uint8]]) -> tuple[torch.Tensor, ...]:
        """Return what the image tower makes of pictures, see ``Cacara.see``; ``place_seen`` does the rest.

        Args:
            model: One that knows pictures.
            pixels: uint8 [height, width, 3] each, the same ones for all models.

        Raises:
            QueryError: The model knows no pictures.
        """
        if not model.sees:
            raise QueryError(f"the model {model.name} knows no pictures; wanted one with an image head")
        tower = id(model.image)
        if tower not in self._seen:
            self._seen[tower] = tuple(torch.cat(parts) for parts in zip(*model.see(pixels), strict=True))
        return self._seen[tower]


class SharedModel:
    """A model as a ``System``: sounds go once through each audio tower that models share."""

    def __init__(self, model: Cacara, towers: SharedTowers) -> None:
        """Wrap a model.

        Args:
            model: The model.
            towers: Shared by the models of a comparison, which must all be given the same sounds.
        """
        self.model = model
        self._towers = towers

    def encode_text(
        self, texts: Sequence[str], languages: str | Sequence[str] | None = None, *, centre: bool | None = True
    ) -> NDArray[np.float32]:
        """Return float32 ``[texts, dimension]``, see ``Cacara.encode_text``."""
        return self.model.encode_text(texts, languages, centre=centre)

    def encode_audio(self, waveforms: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return float32 ``[clips, dimension]``, see ``Cacara.encode_audio``."""
        return self._towers.sounds(self.model, waveforms)


class Sight:
    """A model whose sounds are pictures, so that whatever measures sounds measures pictures."""

    def __init__(self, model: Cacara, seen: tuple[torch.Tensor, ...], frames: int = 1) -> None:
        """Put the parts together; ``sights_of`` does it.

        Args:
            model: One that knows pictures.
            seen: What the image tower makes of the pictures that ``encode_audio`` will be given.
            frames: How many of ``seen`` stand for one of them by their mean, as those of a film do.
        """
        self.model = model
        self._frames = frames
        self._seen = seen

    def encode_text(
        self, texts: Sequence[str], languages: str | Sequence[str] | None = None, *, centre: bool | None = True
    ) -> NDArray[np.float32]:
        """Return float32 ``[texts, dimension]``, see ``Cacara.encode_text``."""
        return self.model.encode_text(texts, languages, centre=centre)

    def encode_audio(self, waveforms: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Return the pictures' embeddings, float32 ``[pictures, dimension]``."""
        if len(waveforms) * self._frames != len(self._seen[0]):
            raise ValueError(f"{len(waveforms)} pictures, {len(self._seen[0])} were seen; wanted those")
        placed = self.model.place_seen(self._seen)
        if self._frames > 1:
            means = torch.from_numpy(placed).reshape(len(waveforms), self._frames, -1).mean(1)
            return torch.nn.functional.normalize(means, dim=-1).numpy()
        return placed


def sights_of(model: Cacara, seen: tuple[torch.Tensor, ...], frames: int = 1) -> dict[str, Sight]:
    """Return the model's pictures by name of variant: its own, the class anchor alone, the projection alone.

    Args:
        model: One that knows pictures.
        seen: What its image tower makes of them.
        frames: How many of them in turn stand for one.
    """
    head = model.image_head
    assert head is not None
    branches = {name: model.with_parts(head.weighed(*SHARES[name])) for name in ("untrained", "projection")}
    return {name: Sight(each, seen, frames) for name, each in {model.name: model, **branches}.items()}
