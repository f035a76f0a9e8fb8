"""How well a model finds pictures by text and by sound, and the other way round, on the frozen benchmark of pictures.

Four directions. Between texts and pictures all is as between texts and sounds (``sound_retrieval``), so a picture
takes a sound's place there. Between sounds and pictures a query is one of either, the candidates are all of the other
kind in the split, and what is relevant is what shares the query's concept; a query whose concept is not among them is
left out, and counted. No model was trained on a sound with a picture: that edge emerges from the texts between them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cacara.benchmark import sound_retrieval
from cacara.benchmark.image_benchmark import ImageBenchmark
from cacara.benchmark.outcome import NO_LANGUAGE, Outcome, Outcomes, outcome_of
from cacara.benchmark.sound_benchmark import Benchmark
from cacara.benchmark.sound_retrieval import Measurement, Mode
from cacara.errors import QueryError
from cacara.model.model import Cacara
from cacara.model.parts.head import SHARES
from cacara.search.manifest import Clip

DIRECTIONS = ("text_to_image", "image_to_text", "audio_to_image", "image_to_audio")
MODES = (Mode(True, True), Mode(False, True), Mode(True, False))


class Sight:
    """A model whose sounds are pictures, so that whatever measures sounds measures pictures."""

    def __init__(self, model: Cacara, seen: tuple[torch.Tensor, torch.Tensor], frames: int = 1) -> None:
        """Put the parts together; ``variants_of`` does it.

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


def variants_of(model: Cacara, images: Sequence[NDArray[np.uint8]], frames: int = 1) -> dict[str, Sight]:
    """Return the model's pictures by name of variant: its own, the class anchor alone, the projection alone.

    Args:
        model: One that knows pictures.
        images: uint8 [height, width, 3] each; they go through the tower once.
        frames: How many of ``images`` in turn stand for one.

    Raises:
        QueryError: The model knows no pictures.
    """
    head = model.image_head
    if model.image is None or head is None:
        raise QueryError(f"the model {model.name} knows no pictures; wanted one with an image head")
    with torch.inference_mode():
        parts = [model.image(images[start : start + 16]) for start in range(0, len(images), 16)]
    seen = torch.cat([features for features, _ in parts]), torch.cat([classes for _, classes in parts])
    branches = {name: model.with_parts(head.weighed(*SHARES[name])) for name in ("untrained", "projection")}
    return {name: Sight(each, seen, frames) for name, each in {model.name: model, **branches}.items()}


def measure(
    model: Cacara,
    benchmark: ImageBenchmark,
    images: Sequence[NDArray[np.uint8]],
    sounds: Benchmark,
    waveforms: Sequence[NDArray[np.float32]],
    *,
    modes: Sequence[Mode] = MODES,
    frames: int = 1,
    progress: Callable[[float, str], None] | None = None,
) -> list[Measurement]:
    """Return the outcomes of all directions in every mode, the model's own first.

    Args:
        model: One that knows pictures.
        benchmark: A resolved split.
        images: Its pictures, uint8 [height, width, 3] each, in the order of ``benchmark.images``, ``frames`` of each.
        sounds: The same split of the benchmark of sounds.
        waveforms: Its sounds, float32 mono ``[samples]`` each.
        modes: What to measure between texts and pictures; sounds and pictures have no language.
        frames: How many of ``images`` in turn stand for one picture of the benchmark, as those of a film do.
        progress: Called with the fraction done in [0, 1] and what is being done.

    Raises:
        QueryError: The model knows no pictures.
        ValueError: The benchmark has no text, or not as many pictures or sounds as are given.
    """
    if len(images) != frames * len(benchmark.images) or len(waveforms) != len(sounds.clips):
        raise ValueError(
            f"{len(images)} pictures of {frames} × {len(benchmark.images)}, {len(waveforms)} sounds of "
            f"{len(sounds.clips)}; wanted one each"
        )
    variants = variants_of(model, images, frames)
    heard = model.encode_audio(waveforms)
    edges = {
        name: between(sounds.clips, heard, benchmark.images, sight.encode_audio(images[::frames]))
        for name, sight in variants.items()
    }
    as_sounds = Benchmark(benchmark.name, benchmark.hash, benchmark.split, benchmark.images, benchmark.queries)
    stand_ins: Any = images[::frames]  # only their number counts: each variant knows what was seen
    measured = sound_retrieval.measure(variants, as_sounds, stand_ins, modes=modes, shared_text=True, progress=progress)
    renamed = dict(zip(sound_retrieval.DIRECTIONS, DIRECTIONS[:2], strict=True))
    return [
        dataclasses.replace(
            found,
            outcomes={
                **{renamed[name]: outcomes for name, outcomes in found.outcomes.items()},
                **(edges[found.system] if found.mode == modes[0] else {}),
            },
        )
        for found in measured
    ]


def between(
    clips: Sequence[Clip],
    heard: NDArray[np.float32],
    pictures: Sequence[Clip],
    seen: NDArray[np.float32],
) -> Outcomes:
    """Return both directions between sounds and pictures; neither if no concept has both.

    Args:
        clips: The sounds.
        heard: Their embeddings, float32 ``[clips, dimension]``.
        pictures: The pictures.
        seen: Their embeddings, float32 ``[pictures, dimension]``.
    """
    if not {clip.concept for clip in clips} & {picture.concept for picture in pictures}:
        return {}
    return {
        "audio_to_image": {NO_LANGUAGE: _one_way(clips, heard, pictures, seen)},
        "image_to_audio": {NO_LANGUAGE: _one_way(pictures, seen, clips, heard)},
    }


def to_report(measured: Sequence[Measurement], benchmark: ImageBenchmark) -> dict[str, Any]:
    """Return the JSON-ready report, in the form of ``evaluation.to_report``."""
    as_sounds = Benchmark(benchmark.name, benchmark.hash, benchmark.split, benchmark.images, benchmark.queries)
    report = sound_retrieval.to_report(measured, as_sounds)
    note = "sounds and pictures were never trained with each other; zxx is no language"
    return report | {"notes": [*report["notes"], note]}


def _one_way(
    queries: Sequence[Clip], asked: NDArray[np.float32], candidates: Sequence[Clip], found: NDArray[np.float32]
) -> Outcome:
    wanted, there = ([clip.concept or clip.clip_id for clip in clips] for clips in (queries, candidates))
    relevant = np.array(wanted)[:, None] == np.array(there)[None, :]
    named, keys = ([clip.clip_id for clip in clips] for clips in (queries, candidates))
    return outcome_of(asked @ found.T, relevant, named, wanted, keys, there)
