"""Model parts: everything that is ours between the towers and the shared space, each of one shape."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cacara.model import compact_weights
from cacara.sources.clients import Report, silent

if TYPE_CHECKING:
    from cacara.model.config import ModelConfig
    from cacara.model.towers import Towers


English = Callable[[Sequence[str]], NDArray[np.float32]]
"""Embeds English texts into the text space: float32 [texts, width], L2-normalised."""


def without_text_side(texts: Sequence[str]) -> NDArray[np.float32]:
    """Refuse to embed, for batches that no part asks for more."""
    raise RuntimeError(f"{len(texts)} English texts are to be embedded, but the batch came without a text side")


@dataclasses.dataclass(frozen=True, eq=False)
class TextBatch:
    """Texts on their way from the text tower to the shared space.

    Attributes:
        embeddings: float32 [texts, width], L2-normalised.
        texts: The texts themselves.
        languages: A BCP-47 code a text, or None where it is not known; ``en`` for those that a part has read.
        centre: Whether they are to be centred by language.
        english: The model's own text side for English texts: float32 [texts, width], L2-normalised, in the text space.
    """

    embeddings: Tensor
    texts: Sequence[str]
    languages: Sequence[str | None]
    centre: bool
    english: English = without_text_side


class Part(nn.Module):
    """One part of a model; by default it leaves texts, sounds and pictures as they are, and stores all its tensors.

    A part stands in a model whose config has its field. ``cacara.model.parts.table`` lists all of them in the order in
    which they act; loading, saving, variants, counts and cards go by that table.

    Attributes:
        field: The field of ``ModelConfig`` that says that a model has the part.
        prefix: Beginning of its tensors' names in a model's file.
        title: Name in messages, in the plural.
        folder: The folder of its own files in a model's folder; empty for none.
        stored_elsewhere: Whether nothing of it lies in a model's folder but its config.
        variants: Names of variants that only a model with this part has.
        halves: Whether it is stored in half precision.
        leaves_text_space: Whether embeddings behind it lie in another space than the one the heads are trained into.
        trained_for: What it is trained for: ``sounds``, ``pictures`` or ``texts``; empty for parts that are not.
        trained_tensors: Beginnings of its trained tensors' names, without its prefix.
        fits: Prefixes of other tensors that it was trained to fit, so that a model which keeps it keeps them too.
    """

    field: ClassVar[str]
    prefix: ClassVar[str]
    title: ClassVar[str]
    folder: ClassVar[str] = ""
    stored_elsewhere: ClassVar[bool] = False
    variants: ClassVar[tuple[str, ...]] = ()
    halves: ClassVar[bool] = False
    leaves_text_space: ClassVar[bool] = False
    trained_for: ClassVar[str] = ""
    trained_tensors: ClassVar[tuple[str, ...]] = ()
    fits: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def build(cls, config: ModelConfig, towers: Towers, report: Report = silent) -> Self:
        """Return the part as a config describes it, before ``fill``.

        Args:
            config: The model's config, which has the part.
            towers: The model's towers, with their updates, on their device.
            report: Told of what has to be fetched.

        Raises:
            CheckpointError: It does not fit the towers.
            SourceError: Something cannot be fetched.
        """
        raise NotImplementedError(f"{cls.__name__} does not say how it is built")

    def fill(self, tensors: Mapping[str, Tensor], folder: Path) -> None:
        """Take the stored tensors; not one may be missing, left over or of another shape.

        Args:
            tensors: As ``stored`` returned them.
            folder: The model's folder, for parts that have files of their own.

        Raises:
            RuntimeError: The tensors do not fit.
            CheckpointError: A file is no good.
        """
        self.load_state_dict(dict(tensors), strict=True)

    def stored(self) -> dict[str, Tensor]:
        """Return the tensors as they go to disk, under their names without the prefix."""
        tensors = self.state_dict()
        if not self.halves:
            return dict(tensors)
        return {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}

    def compacted(self) -> dict[str, Tensor]:
        """Return the tensors as they go to disk in a model that is stored compactly."""
        return compact_weights.shrunk(self.stored())

    def files(self) -> dict[str, bytes]:
        """Return its own files: path in the model's folder → content."""
        return {}

    def read(self, texts: Sequence[str], languages: Sequence[str | None]) -> Mapping[int, np.ndarray]:
        """Return the texts that it reads itself, in place of the text tower; from there on they count as English.

        Args:
            texts: Non-empty texts.
            languages: A BCP-47 code a text, or None.

        Returns:
            Position in ``texts`` → float32 [width of the text tower], L2-normalised.
        """
        return {}

    @property
    def reads(self) -> tuple[str, ...]:
        """The languages that ``read`` takes, BCP-47."""
        return ()

    def make_ready(self, english: English, report: Report = silent) -> None:
        """Make what the part would otherwise make query by query, and keep it between runs.

        Args:
            english: The model's own text side.
            report: Told of the progress.
        """

    def texts(self, batch: TextBatch) -> TextBatch:
        """Return texts as they leave the part."""
        return batch

    def text_space(self, texts: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return embedded texts as they are compared with other texts; as they are, unless the part lengthens them."""
        return texts

    def sounds(self, embeddings: Tensor, probabilities: Tensor) -> Tensor:
        """Return sounds as they leave the part, float32 [sounds, width], L2-normalised.

        Args:
            embeddings: float32 [sounds, width], L2-normalised.
            probabilities: float32 [sounds, classes], each in [0, 1], of the audio tower.
        """
        return embeddings

    def images(self, embeddings: Tensor) -> Tensor:
        """Return pictures as they leave the part, float32 [pictures, width], L2-normalised."""
        return embeddings

    def variant(self, name: str) -> Part | None:
        """Return what of the part stands in a variant of the model; None for nothing."""
        return self

    def card(self) -> str:
        """Return what of it lies in the model's folder, as the model card lists it; empty for nothing to say."""
        return ""

    @classmethod
    def count_trained(cls, config: ModelConfig, tensors: Mapping[str, Tensor], folder: Path) -> int:
        """Return how many parameters of a model folder training set in this part.

        Args:
            config: The model's config, which has the part.
            tensors: The part's, under their names without the prefix.
            folder: The model's folder.
        """
        return sum(value.numel() for name, value in tensors.items() if name.startswith(cls.trained_tensors))


def behind_head(parts: Iterable[Part], embeddings: Tensor, probabilities: Tensor | None) -> Tensor:
    """Return what parts make of the embeddings that a head gave.

    Args:
        parts: In the order of the table.
        embeddings: float32 [items, width], L2-normalised.
        probabilities: Of sounds float32 [sounds, classes]; None for pictures.
    """
    for part in parts:
        embeddings = part.images(embeddings) if probabilities is None else part.sounds(embeddings, probabilities)
    return embeddings


def with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors of a prefix, which their names lose."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def acting_on_media(parts: Collection[Part]) -> tuple[Part, ...]:
    """Return the parts that change what a head gave; the others pass sounds and pictures on as they are."""
    return tuple(part for part in parts if type(part).sounds is not Part.sounds or type(part).images is not Part.images)
