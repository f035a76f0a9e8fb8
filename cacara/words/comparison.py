"""Compare what a model makes of words for the same things in many languages.

A *column* is a language, or a second spelling in it; a concept's texts stand in one column each.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cacara import metrics
from cacara.errors import CacaraError, GalleryError
from cacara.model.model import TEXTS_AT_ONCE
from cacara.sources.converters.e5 import NAME as E5
from cacara.words import diagnosis
from cacara.words.diagnosis import Finding, Reading
from cacara.words.lexicon import bare_name
from cacara.words.word_lists import Entry

if TYPE_CHECKING:
    from cacara.galleries.manifest import Clip
    from cacara.search.retriever import Retriever

TOP = 10
NEIGHBOURS = 3
MAX_ENTRIES = 5_000
MAX_NAMES = 500
MAX_ITEMS_TEXTS = 60
MAX_ITEMS_SOUNDS = 20
_AT_ONCE = 256
_ENOUGH_TO_BE_APART = 4

Floats = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, order=True)
class Column:
    """A language, or a further spelling in it.

    Attributes:
        language: BCP-47.
        variant: 1, or 2 and on for further texts of a concept in that language.
    """

    language: str
    variant: int = 1

    @property
    def label(self) -> str:
        """``de``, ``de (2)``."""
        return self.language if self.variant == 1 else f"{self.language} ({self.variant})"


@dataclasses.dataclass(frozen=True)
class Place:
    """Rank of a text's wanted sound among all sounds.

    Attributes:
        rank: From 1, of the best wanted sound, ties counted against it; None when no sound is wanted.
        score: Its cosine similarity, -1 to 1; None as above.
        clip_id: Which it is; None as above.
        hits: The ``TOP`` nearest sounds with their scores, best first.
    """

    rank: int | None
    score: float | None
    clip_id: str | None
    hits: tuple[tuple[str, float], ...]


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """A word near a text, in another language.

    Attributes:
        language: BCP-47.
        text: The word.
        score: Cosine similarity.
    """

    language: str
    text: str
    score: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All that was found; the tuples of texts run parallel to ``entries``.

    Attributes:
        model: The model's name and version.
        sounds: How many sounds were searched.
        entries: The texts.
        columns: In which column each text stands.
        readings: How the encoder reads each.
        places: Where each one's wanted sound stands.
        neighbours: The nearest texts of the list in other languages, best first, of whatever concept.
        names: The nearest English name of a sound; None when the gallery has no names.
        findings: What is worth telling of each.
        wanted: Concept to the ids of its sounds; none for a concept without.
        embeddings: float32 [texts, dimension], L2-normalised, beside those of sounds.
        texts: float32 [texts, width], L2-normalised: the same as they are compared with one another.
    """

    model: str
    sounds: int
    entries: tuple[Entry, ...]
    columns: tuple[Column, ...]
    readings: tuple[Reading, ...]
    places: tuple[Place, ...]
    neighbours: tuple[tuple[Neighbour, ...], ...]
    names: tuple[Neighbour | None, ...]
    findings: tuple[tuple[Finding, ...], ...]
    wanted: Mapping[str, tuple[str, ...]]
    embeddings: Floats = dataclasses.field(repr=False, compare=False)
    texts: Floats = dataclasses.field(repr=False, compare=False)

    @functools.cached_property
    def concepts(self) -> tuple[str, ...]:
        """The concepts in the order of the list."""
        return tuple(dict.fromkeys(entry.concept for entry in self.entries))

    @functools.cached_property
    def distinct_columns(self) -> tuple[Column, ...]:
        """The columns in the order of the list, a language's spellings side by side."""
        order = {code: number for number, code in enumerate(dict.fromkeys(each.language for each in self.entries))}
        return tuple(sorted(set(self.columns), key=lambda column: (order[column.language], column.variant)))

    @functools.cached_property
    def cells(self) -> Mapping[tuple[str, Column], int]:
        """(concept, column) to the position of its text."""
        return {(entry.concept, self.columns[at]): at for at, entry in enumerate(self.entries)}

    @functools.cached_property
    def _positions(self) -> Mapping[str, list[int]]:
        order = {column: number for number, column in enumerate(self.distinct_columns)}
        found: dict[str, list[int]] = defaultdict(list)
        for at, entry in enumerate(self.entries):
            found[entry.concept].append(at)
        return {name: sorted(texts, key=lambda at: order[self.columns[at]]) for name, texts in found.items()}

    def of_concept(self, concept: str) -> list[int]:
        """Return the positions of a concept's texts, in the order of the columns; none for an unknown concept."""
        return list(self._positions.get(concept, ()))

    def agreement(self, concepts: Sequence[str] | None = None) -> Floats:
        """Return how much two columns find the same: the mean share of their first ``TOP`` sounds that they share.

        Args:
            concepts: Over these; None means all.

        Returns:
            float32 [columns, columns] in [0, 1]; NaN where two columns have no concept in common.
        """
        at = {column: number for number, column in enumerate(self.distinct_columns)}
        total = np.zeros((len(at), len(at)), np.float64)
        pairs = np.zeros_like(total)
        for concept in self.concepts if concepts is None else concepts:
            texts = self.of_concept(concept)
            clips = sorted({clip_id for text in texts for clip_id, _ in self.places[text].hits})
            position = {clip_id: number for number, clip_id in enumerate(clips)}
            found = np.zeros((len(texts), len(clips)))
            for row, text in enumerate(texts):
                found[row, [position[clip_id] for clip_id, _ in self.places[text].hits]] = 1.0
            where = np.ix_(*[[at[self.columns[text]] for text in texts]] * 2)
            total[where] += found @ found.T / max(1, min(TOP, self.sounds))
            pairs[where] += 1
        with np.errstate(invalid="ignore"):
            return (total / pairs).astype(np.float32)


class SoundNames:
    """Names of a gallery's sounds, in every language."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        """Read the names of the clips."""
        self._concepts: dict[str, list[str]] = defaultdict(list)
        self._captions: dict[str, dict[str, None]] = defaultdict(dict)
        for clip in clips:
            self._concepts[(clip.concept or "").casefold()].append(clip.clip_id)
            for text in {text for texts in clip.captions.values() for text in texts}:
                self._captions[bare_name(text).casefold()][clip.clip_id] = None

    def find(self, concept: str) -> tuple[str, ...]:
        """Return the ids of the sounds of a concept: those of that name, else those that are described so.

        Args:
            concept: Such as ``dog`` or ``A dog.``; case, article and full stop do not matter.
        """
        name = bare_name(concept).casefold()
        return tuple((self._concepts.get(name) or self._captions.get(name) or ()) if name else ())


def compare(
    retriever: Retriever, entries: Sequence[Entry], wanted: Mapping[str, str] | None = None
) -> Generator[float, None, Comparison]:
    """Compare texts, and return the ``Comparison``; the share that is done, 0 to 1, is yielded on the way.

    A consumer that stops asking ends the work: between two steps lie some 64 texts.

    Args:
        retriever: The model and the sounds.
        entries: 1 to ``MAX_ENTRIES`` texts.
        wanted: A concept of the list to the name of the sound that is meant, where that is another; a concept
            without an own name takes the sound that its English text names.

    Raises:
        CacaraError: There are no texts, or too many.
        GalleryError: A sound that is wanted by name is not in the gallery.
    """
    if not 1 <= len(entries) <= MAX_ENTRIES:
        raise CacaraError(f"there are {len(entries):,} texts to compare; wanted 1 to {MAX_ENTRIES:,}")
    model, clips = retriever.model, retriever.gallery.clips
    targets = _targets(SoundNames(clips), entries, wanted or {})
    names = list(dict.fromkeys(bare_name(clip.caption("en")) for clip in clips if clip.caption("en")))[:MAX_NAMES]
    texts = [(entry.text, entry.language) for entry in entries] + [(name, "en") for name in names]
    embeddings = yield from _embed(model.encode_text, texts)
    own, bare = embeddings[: len(entries)], model.text_space(embeddings)
    knows_training = model.config.text.backbone == E5
    readings = diagnosis.read_texts(
        [entry.text for entry in entries], [entry.language for entry in entries], model.text.tokenizer, knows_training
    )
    places = _places(own, retriever, [targets[entry.concept] for entry in entries])
    compared, named = bare[: len(entries)], bare[len(entries) :]
    neighbours = _neighbours(compared, entries)
    nearest = _nearest_names(compared, named, names)
    apart = _apart(compared, entries)
    sound_names = {clip.clip_id: bare_name(clip.caption("en")) for clip in clips}
    told = tuple(
        diagnosis.findings(reading, place, len(clips), distance, _heard(place, targets[entry.concept], sound_names))
        for entry, reading, place, distance in zip(entries, readings, places, apart, strict=True)
    )
    return Comparison(
        model=f"{model.name} {model.version}",
        sounds=len(clips),
        entries=tuple(entries),
        columns=tuple(_columns(entries)),
        readings=tuple(readings),
        places=tuple(places),
        neighbours=tuple(neighbours),
        names=tuple(nearest),
        findings=told,
        wanted=targets,
        embeddings=own,
        texts=compared,
    )


def finish(steps: Generator[float, None, Comparison]) -> Comparison:
    """Return what ``compare`` returns, when nobody wants to know how far it is."""
    while True:
        try:
            next(steps)
        except StopIteration as stopped:
            return stopped.value


def _targets(sounds: SoundNames, entries: Sequence[Entry], wanted: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    targets: dict[str, tuple[str, ...]] = {}
    english: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry.language == "en":
            english[entry.concept].append(entry.text)
    for concept in dict.fromkeys(entry.concept for entry in entries):
        if name := wanted.get(concept, ""):
            targets[concept] = sounds.find(name)
            if not targets[concept]:
                raise GalleryError(f"no sound of the gallery is called {name!r:.80}")
            continue
        found = (sounds.find(each) for each in (concept, *english[concept]))
        targets[concept] = next((clips for clips in found if clips), ())
    return targets


def _embed(encode: Callable[..., Floats], texts: Sequence[tuple[str, str]]) -> Generator[float, None, Floats]:
    """Return float32 [texts, dimension]; texts of like length go together, as they do inside the model."""
    order = sorted(range(len(texts)), key=lambda at: (len(texts[at][0]), texts[at]))
    parts = []
    for start in range(0, len(order), TEXTS_AT_ONCE):
        yield start / len(order)
        chosen = [texts[at] for at in order[start : start + TEXTS_AT_ONCE]]
        parts.append(encode([text for text, _ in chosen], [code for _, code in chosen]))
    yield 1.0
    embeddings = np.empty((len(order), parts[0].shape[1]), np.float32)
    embeddings[order] = np.concatenate(parts)
    return embeddings


def _places(own: Floats, retriever: Retriever, targets: Sequence[tuple[str, ...]]) -> list[Place]:
    ids = [clip.clip_id for clip in retriever.gallery.clips]
    at = {clip_id: number for number, clip_id in enumerate(ids)}
    nearest, sounds = retriever.nearest_sounds(own, TOP), retriever.embeddings(ids)
    places = []
    for start in range(0, len(own), _AT_ONCE):
        scores = own[start : start + _AT_ONCE] @ sounds.T
        for row, target in enumerate(targets[start : start + _AT_ONCE]):
            hits = tuple((clip_id, round(score, 4)) for clip_id, score in nearest[start + row])
            wanted = [at[clip_id] for clip_id in target]
            if not wanted:
                places.append(Place(None, None, None, hits))
                continue
            relevant = np.zeros((1, len(at)), bool)
            relevant[0, wanted] = True
            rank = int(metrics.ranks_of_first_relevant(scores[row : row + 1], relevant)[0])
            first = max(wanted, key=lambda sound: (scores[row, sound], -sound))  # noqa: B023
            places.append(Place(rank, round(float(scores[row, first]), 4), ids[first], hits))
    return places


def _neighbours(own: Floats, entries: Sequence[Entry]) -> list[tuple[Neighbour, ...]]:
    numbers = {code: number for number, code in enumerate(dict.fromkeys(entry.language for entry in entries))}
    codes = np.array([numbers[entry.language] for entry in entries])
    found = []
    for start in range(0, len(own), _AT_ONCE):
        scores = own[start : start + _AT_ONCE] @ own.T
        for row, near in enumerate(scores):
            near[codes == codes[start + row]] = -np.inf
            last = np.partition(near, -min(NEIGHBOURS, near.size))[-min(NEIGHBOURS, near.size)]
            close = np.flatnonzero(near >= last)  # a partition alone picks any of those that tie
            best = close[np.argsort(-near[close], kind="stable")][:NEIGHBOURS]
            found.append(
                tuple(
                    Neighbour(entries[at].language, entries[at].text, round(float(near[at]), 4))
                    for at in best
                    if np.isfinite(near[at])
                )
            )
    return found


def _nearest_names(own: Floats, named: Floats, names: Sequence[str]) -> list[Neighbour | None]:
    if not names:
        return [None] * len(own)
    scores = own @ named.T
    best = scores.argmax(axis=1)
    return [Neighbour("en", names[at], round(float(scores[row, at]), 4)) for row, at in enumerate(best)]


def _apart(own: Floats, entries: Sequence[Entry]) -> list[float | None]:
    """Return each text's mean similarity to its translations minus theirs to one another."""
    apart: list[float | None] = [None] * len(entries)
    groups: dict[str, list[int]] = defaultdict(list)
    for at, entry in enumerate(entries):
        groups[entry.concept].append(at)
    for members in groups.values():
        count = len(members)
        if count < _ENOUGH_TO_BE_APART:
            continue
        scores = own[members] @ own[members].T
        np.fill_diagonal(scores, 0.0)
        sums, total = scores.sum(axis=1), scores.sum()
        for row, at in enumerate(members):
            others = (total - 2 * sums[row]) / ((count - 1) * (count - 2))
            apart[at] = float(sums[row] / (count - 1) - others)
    return apart


def _columns(entries: Sequence[Entry]) -> list[Column]:
    seen: dict[tuple[str, str], int] = defaultdict(int)
    columns = []
    for entry in entries:
        seen[entry.concept, entry.language] += 1
        columns.append(Column(entry.language, seen[entry.concept, entry.language]))
    return columns


def _heard(place: Place, target: tuple[str, ...], names: Mapping[str, str]) -> str:
    if not place.hits or not target or place.hits[0][0] in target:
        return ""
    return names[place.hits[0][0]]
