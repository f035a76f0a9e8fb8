"""What a way to read other languages finds in the dev split: sounds and pictures, both directions, with intervals."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cacara import sources
from cacara.benchmark import image_benchmark, sound_benchmark, sound_retrieval
from cacara.benchmark.figures import RECALL_DEPTHS, rounded
from cacara.benchmark.outcome import Outcomes
from cacara.benchmark.significance import Difference, paired_difference
from cacara.benchmark.sound_benchmark import Benchmark, Query
from cacara.benchmark.sound_retrieval import Mode
from cacara.media import audio, images
from cacara.metrics import bootstrap_interval
from cacara.model.model import Cacara

log = logging.getLogger(__name__)

Embed = Callable[[Sequence[str], str], NDArray[np.float32]]
"""Texts of one language, and its code, to float32 [texts, dimension], L2-normalised and centred."""

Row = tuple[str, str, str, int]
"""Direction, language, concept and rank of one query."""


@dataclasses.dataclass(frozen=True, eq=False)
class Side:
    """Sounds or pictures of a split, embedded once, with texts that ask for them.

    Attributes:
        asked: The benchmark, with the texts of the wanted languages alone.
        vectors: float32 [things, dimension], L2-normalised.
    """

    asked: Benchmark
    vectors: NDArray[np.float32]


Sides = Mapping[str, Side]
"""``sounds`` and, where the model knows them, ``pictures``."""


class _System:
    """Texts by a function, and things that are embedded already, as ``sound_retrieval`` wants a system."""

    def __init__(self, embed: Embed, vectors: NDArray[np.float32]) -> None:
        self._embed, self._vectors = embed, vectors

    def encode_text(
        self, texts: Sequence[str], languages: str | Sequence[str] | None = None, *, centre: bool | None = True
    ) -> NDArray[np.float32]:
        return self._embed(texts, str(languages))

    def encode_audio(self, waveforms: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return self._vectors


def dev_sides(model: Cacara, languages: Collection[str], sounds: Path, pictures: Path) -> dict[str, Side]:
    """Return the dev split's sounds, and its pictures if the model knows them, with the languages' texts.

    Args:
        model: It embeds them.
        languages: BCP-47 codes; one without texts on a side is asked on the other alone.
        sounds: The frozen benchmark of sounds.
        pictures: The frozen benchmark of pictures.

    Raises:
        SourceError: A package cannot be fetched.
        ManifestError: A benchmark cannot be read, or differs from its hashes.
    """
    rows = image_benchmark.read(pictures).of_split("dev")
    keys = sound_benchmark.required_sources(sounds, "dev") | {row.source for row in rows}
    folders = sources.fetch_all(sorted(keys), lambda progress: log.info("%s", progress))
    heard = sound_benchmark.load(sounds, "dev", folders)
    waveforms = [audio.load(clip.path, audio.GALLERY_LIMITS).waveform for clip in heard.clips]
    found = {"sounds": Side(only(heard, languages), model.encode_audio(waveforms))}
    if model.sees:
        seen = image_benchmark.load(pictures, "dev", folders)
        vectors = model.encode_image([images.load(picture.path, images.GALLERY_LIMITS) for picture in seen.images])
        found["pictures"] = Side(
            only(Benchmark(seen.name, seen.hash, seen.split, seen.images, seen.queries), languages), vectors
        )
    return found


def only(asked: Benchmark, languages: Collection[str]) -> Benchmark:
    """Return a benchmark with the texts of some languages alone."""
    kept: list[Query] = [query for query in asked.queries if query.language in languages]
    return dataclasses.replace(asked, queries=tuple(kept))


def ask(sides: Sides, embed: Embed) -> dict[str, list[Row]]:
    """Return each side's queries, of both directions, with their ranks.

    Args:
        sides: As ``dev_sides`` returns them; a side without texts is left out.
        embed: Turns texts into embeddings.
    """
    found: dict[str, list[Row]] = {}
    for name, side in sides.items():
        if side.asked.queries:
            silent = [np.zeros(1, np.float32)] * len(side.asked.clips)
            systems = {name: _System(embed, side.vectors)}
            (measured,) = sound_retrieval.measure(systems, side.asked, silent, modes=(Mode(True, True),))
            found[name] = _rows(measured.outcomes)
    return found


def _rows(outcomes: Outcomes) -> list[Row]:
    asked = {"text_to_audio": "asked", "audio_to_text": "described"}
    return [
        (asked[direction], language, concept, int(rank))
        for direction, own in outcomes.items()
        for language, outcome in own.items()
        for concept, rank in zip(outcome.concepts, outcome.ranks, strict=True)
    ]


@dataclasses.dataclass(frozen=True, eq=False)
class Score:
    """One number a query: 0 to 100, its concept, and what its mean is taken over first.

    Attributes:
        values: float64 [queries].
        concepts: [queries], what the bootstrap draws.
        strata: [queries], language, with the direction where there are two; the score is the mean of their means.
    """

    values: NDArray[np.float64]
    concepts: NDArray[np.str_]
    strata: NDArray[np.str_]

    @property
    def mean(self) -> float:
        """The score."""
        return float(np.mean([self.values[self.strata == stratum].mean() for stratum in np.unique(self.strata)]))

    def to_json(self) -> dict[str, Any]:
        """Return the score with its 95 % interval, rounded."""
        lower, upper = bootstrap_interval(self.values, self.concepts, self.strata)
        return {"mean": rounded(self.mean), "ci95": [rounded(lower), rounded(upper)]}

    def minus(self, other: Score) -> Difference:
        """Return by how much it is above another of the same queries, paired."""
        return paired_difference(other.values, self.values, self.concepts, self.strata)


def recall(rows: Sequence[Row], depth: int) -> Score:
    """Return recall at a depth of the texts that ask, the mean over languages."""
    asking = [row for row in rows if row[0] == "asked"]
    return _score(asking, (depth,))


def average_recall(rows: Sequence[Row]) -> Score:
    """Return AR: the mean of R@1, R@5 and R@10 over both directions and all languages."""
    return _score(rows, RECALL_DEPTHS)


def _score(rows: Sequence[Row], depths: Sequence[int]) -> Score:
    ranks = np.array([row[3] for row in rows])
    values = np.mean([np.where(ranks <= depth, 100.0, 0.0) for depth in depths], axis=0)
    return Score(values, np.array([row[2] for row in rows]), np.array([f"{row[0]} {row[1]}" for row in rows]))


def mean_of(scores: Sequence[Score]) -> Score:
    """Return the mean of several trainings' scores of the same queries, query by query."""
    return dataclasses.replace(scores[0], values=np.mean([score.values for score in scores], axis=0))


def figures(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the JSON-ready figures of one side: ``R@1``, ``R@5``, ``R@10`` and ``AR``, each with its interval."""
    found = {f"R@{depth}": recall(rows, depth).to_json() for depth in RECALL_DEPTHS}
    languages = sorted({row[1] for row in rows})
    return {**found, "AR": average_recall(rows).to_json(), "languages": languages, "queries": len(rows)}
