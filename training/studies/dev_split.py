"""The dev split as studies ask it: sounds, pictures and names, embedded once for all models that share a tower."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cacara import sources
from cacara.benchmark import entries, image_benchmark, sound_benchmark, sound_retrieval
from cacara.benchmark.sound_benchmark import Benchmark
from cacara.media import audio, images
from cacara.model import text_cache
from cacara.model.model import Cacara
from training.studies import naming
from training.studies.cells import Row

SOUNDS = Path("benchmarks/sounds-v1.jsonl")
PICTURES = Path("benchmarks/images-v1.jsonl")
AT_ONCE = 16
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

    def __init__(self, languages: Collection[str] = (), sounds: Path = SOUNDS, pictures: Path = PICTURES) -> None:
        """Name the benchmarks.

        Args:
            languages: BCP-47 codes of the texts that are asked; all when empty.
            sounds: The frozen benchmark of sounds.
            pictures: The frozen benchmark of pictures.
        """
        self.languages = frozenset(languages)
        self._paths = sounds, pictures
        self._models: list[Cacara] = []
        self._heard: dict[int, list[tuple[torch.Tensor, ...]]] = {}
        self._seen: dict[int, list[tuple[torch.Tensor, ...]]] = {}

    @functools.cached_property
    def sounds(self) -> tuple[Benchmark, list[NDArray[np.float32]]]:
        """Sounds with their texts, and the waveforms, float32 mono [samples] each."""
        path = self._paths[0]
        folders = sources.fetch_all(sorted(sound_benchmark.required_sources(path, "dev")))
        split = sound_benchmark.load(path, "dev", folders)
        waveforms = [audio.load(clip.path, audio.GALLERY_LIMITS).waveform for clip in split.clips]
        return self._asked(split), waveforms

    @functools.cached_property
    def pictures(self) -> tuple[Benchmark, list[NDArray[np.uint8]]]:
        """Pictures with their texts, and the pixels, uint8 [height, width, 3] each."""
        rows = image_benchmark.read(self._paths[1])
        folders = sources.fetch_all(sorted({row.source for row in rows.images}))
        split = image_benchmark.load(self._paths[1], "dev", folders)
        pixels = [images.load(picture.path, images.GALLERY_LIMITS) for picture in split.images]
        return self._asked(Benchmark(split.name, split.hash, split.split, split.images, split.queries)), pixels

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
        found = _rows(split, own, self._place_sounds(model, waveforms))
        if model.sees:
            of_pictures, pixels = self.pictures
            vectors = self._place_pictures(model, pixels)
            found += [(_OF_PICTURES[kind], *rest) for kind, *rest in _rows(of_pictures, own, vectors)]  # type: ignore
            if name_pictures:
                found += naming.rows(own, of_pictures.clips, vectors, sorted(self.languages or of_pictures.languages))
        text_cache.keep(model, self._texts(model))
        return found

    def _texts(self, model: Cacara) -> list[str]:
        several = [self.sounds[0], *([self.pictures[0]] if model.sees else [])]
        return [query.text for split in several for query in split.queries]

    def _place_sounds(self, model: Cacara, waveforms: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        tower = id(model.audio)
        if tower not in self._heard:
            self._heard[tower] = list(model.hear(waveforms))
        return np.concatenate([model.place_heard(heard) for heard in self._heard[tower]])

    def _place_pictures(self, model: Cacara, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        tower = id(model.image)
        if tower not in self._seen:
            self._seen[tower] = list(model.see(pixels))
        return np.concatenate([model.place_seen(seen) for seen in self._seen[tower]])

    def _asked(self, split: Benchmark) -> Benchmark:
        kept = tuple(query for query in split.queries if not self.languages or query.language in self.languages)
        return dataclasses.replace(split, queries=kept)


def _rows(split: Benchmark, embed: Embed, vectors: NDArray[np.float32]) -> list[Row]:
    silent = [np.zeros(1, np.float32)] * len(split.clips)
    modes = [sound_retrieval.AS_THE_MODEL_HAS_IT]
    (measured,) = sound_retrieval.measure({"it": _System(embed, vectors)}, split, silent, modes=modes)
    return [
        (direction, language, concept, query, int(rank))
        for direction, own in measured.outcomes.items()
        for language, outcome in own.items()
        for concept, query, rank in zip(outcome.concepts, outcome.queries, outcome.ranks, strict=True)
    ]
