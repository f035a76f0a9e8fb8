"""Every language's texts moved to a common centre."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch.nn import functional

from cacara.model.parts.part import Part, TextBatch
from cacara.sources.clients import Report, silent

if TYPE_CHECKING:
    from cacara.model.config import ModelConfig
    from cacara.model.towers import Towers


class LanguageCentring(Part):
    """Moves every language's texts to a common centre.

    A multilingual encoder gives each language a direction of its own, which a query then shares with every
    text of its language and with no sound. Subtracting the mean of the language's embeddings, measured on texts
    outside the benchmark, takes it away. A language without a mean of its own, or an unknown one, uses the mean of
    all languages.
    """

    field, prefix, title = "languages", "centring.", "languages' means"

    means: Tensor
    global_mean: Tensor

    def __init__(self, languages: Sequence[str], dimension: int) -> None:
        super().__init__()
        self.languages = tuple(languages)
        self._row = {language: row for row, language in enumerate(self.languages)}
        self.register_buffer("means", torch.zeros(len(self.languages), dimension))
        self.register_buffer("global_mean", torch.zeros(dimension))

    @classmethod
    def build(cls, config: ModelConfig, towers: Towers, report: Report = silent) -> Self:
        """Return the means of the config's languages, see ``Part.build``."""
        return cls(config.languages, config.text_width)

    def forward(self, embeddings: Tensor, languages: Sequence[str | None]) -> Tensor:
        """Return centred embeddings, float32 [texts, dimension], L2-normalised.

        Args:
            embeddings: float32 [texts, dimension], L2-normalised.
            languages: A BCP-47 code a text, or None when the language is not known.
        """
        means = torch.stack([self.mean_of(language) for language in languages])
        return functional.normalize(embeddings - means, dim=-1)

    def mean_of(self, language: str | None) -> Tensor:
        """Return a language's mean, float32 [dimension]; that of all languages when it has none of its own."""
        for code in (language or "", (language or "").split("-")[0]):
            if (row := self._row.get(code)) is not None:
                return self.means[row]
        return self.global_mean

    def texts(self, batch: TextBatch) -> TextBatch:
        """Return texts centred by their languages, where they are to be."""
        if not batch.centre:
            return batch
        return dataclasses.replace(batch, embeddings=self(batch.embeddings, batch.languages))

    def compacted(self) -> dict[str, Tensor]:
        """Return the means in half precision: int8 is too coarse for what is subtracted."""
        return {name: value.half() for name, value in self.stored().items()}

    def card(self) -> str:
        """Return what of it lies in the model's folder."""
        return f"the centres of {len(self.languages)} languages, measured on CLDR emoji names outside the benchmark"
