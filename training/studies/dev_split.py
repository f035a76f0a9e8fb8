"""The dev split as studies ask it: sounds, pictures and names, embedded once for all models that share a tower."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cacara.benchmark import entries, retrieval, text_cache
from cacara.benchmark.dataset import splits
from cacara.benchmark.dataset.splits import Benchmark
from cacara.benchmark.systems import SharedTowers
from cacara.languages import spelling
from cacara.model.model import Cacara
from training.studies import naming
from training.studies.cells import Row

_OF_PICTURES = {"text_to_audio": "text_to_image", "audio_to_text": "image_to_text"}

Embed = Callable[[Sequence[str], str], NDArray[np.float32]]
"""Texts of one language, and its code, to float32 [texts, dimension], L2-normalised."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class _System:
    """Texts by a function, and media that are embedded already, as ``sound_retrieval`` wants a system."""

    embed: Embed
    vectors: NDArray[np.float32]

    def encode_text(
        self, texts: Sequence[str], languages: str | Sequence[str] | None = None, *, centre: bool | None = True
    ) -> NDArray[np.float32]:
        return self.embed(texts, str(languages))

    def encode_audio(self, waveforms: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return self.vectors


class DevSplit:
    """What models are asked; each part is read when it is first wanted."""

    def __init__(
        self, languages: Collection[str] = (), sounds: Path = splits.SOUNDS, pictures: Path = splits.PICTURES
    ) -> None:
        """Name the benchmarks.

        Args:
            languages: BCP-47 codes of the texts that are asked; all when empty.
            sounds: The frozen benchmark of sounds.
            pictures: The frozen benchmark of pictures.
        """
        self.languages = frozenset(languages)
        self._paths = sounds, pictures
        self._models: list[Cacara] = []
        self._towers = SharedTowers()

    @functools.cached_property
    def sounds(self) -> tuple[Benchmark, list[NDArray[np.float32]]]:
        """Sounds with their texts, and the waveforms, float32 mono [samples] each."""
        split = splits.fetch(self._paths[0], "dev")
        return self._asked(split), list(splits.waveforms(split))

    @functools.cached_property
    def pictures(self) -> tuple[Benchmark, list[NDArray[np.uint8]]]:
        """Pictures with their texts, and the pixels, uint8 [height, width, 3] each."""
        split = splits.fetch(self._paths[1], "dev")
        return self._asked(split), list(splits.pixels(split))

    def load(self, given: str | Path) -> Cacara:
        """Return a model, ``[LABEL=]NAME_OR_FOLDER[:VARIANT]``; what it shares with earlier ones is in memory once.

        Raises:
            CheckpointError: There is no such model, or it is damaged.
        """
        (model,) = entries.load(entries.parse([str(given)]), "cpu", lambda progress: log.info("%s", progress))
        for earlier in self._models:
            model.share_towers(earlier)
        self._models.append(model)
        return model

    def ask(self, model: Cacara, embed: Embed | None = None, *, name_pictures: bool = False) -> list[Row]:
        """Return the queries between texts and sounds, and texts and pictures if the model sees, with their ranks.

        Args:
            model: Places the sounds and pictures.
            embed: Places the texts; None for the model's own way.
            name_pictures: Whether pictures are sorted by translated names too, see ``naming``.
        """
        own = embed or (lambda texts, code: model.encode_text(texts, code))
        split, waveforms = self.sounds
        text_cache.recall(model, self._texts(model))
        found = _rows(split, own, self._towers.sounds(model, waveforms))
        if model.sees:
            of_pictures, pixels = self.pictures
            vectors = model.place_seen(self._towers.seen(model, pixels))
            found += [(_OF_PICTURES[kind], *rest) for kind, *rest in _rows(of_pictures, own, vectors)]  # type: ignore
            if name_pictures:
                found += naming.rows(own, of_pictures.clips, vectors, sorted(self.languages or of_pictures.languages))
        text_cache.keep(model, self._texts(model))
        return found

    def _texts(self, model: Cacara) -> list[str]:
        several = [self.sounds[0], *([self.pictures[0]] if model.sees else [])]
        return [spelling.fold(query.text, query.language) for split in several for query in split.queries]

    def _asked(self, split: Benchmark) -> Benchmark:
        kept = tuple(query for query in split.queries if not self.languages or query.language in self.languages)
        return dataclasses.replace(split, queries=kept)


def _rows(split: Benchmark, embed: Embed, vectors: NDArray[np.float32]) -> list[Row]:
    silent = [np.zeros(1, np.float32)] * len(split.clips)
    modes = [retrieval.AS_THE_MODEL_HAS_IT]
    (measured,) = retrieval.measure({"it": _System(embed, vectors)}, split, silent, modes=modes)
    return [
        (direction, language, concept, query, int(rank))
        for direction, own in measured.outcomes.items()
        for language, outcome in own.items()
        for concept, query, rank in zip(outcome.concepts, outcome.queries, outcome.ranks, strict=True)
    ]
