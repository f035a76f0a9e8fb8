"""Search within a recording of any length: overlapping windows, one embedding each, a curve of similarity over time.

Nothing here holds the sound: windows are cut while the recording is decoded, and only embeddings are kept, 5.5 MB for
an hour of windows a second apart.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cacara.errors import AudioError, QueryError
from cacara.media.decoding import SAMPLE_RATE_HZ
from cacara.search import likelihood

if TYPE_CHECKING:
    from cacara.media.streaming import Blocks
    from cacara.model.model import Cacara
    from cacara.search.embedding import QueryEmbedding

WINDOWS_AT_ONCE = 16
SILENCE_PEAK = 1e-3
"""A window whose loudest sample lies below this, -60 dBFS, is silent: it matches nothing."""
MAX_HITS = 100
CLEAR = 3.0
"""From here on a hit stands out: this many robust deviations above what is usual in the recording."""
LEAST_SPREAD = 0.01
"""A recording of faint noise alone hardly varies; smaller differences of similarity than this mean nothing."""
_WINDOW_RANGE = (0.5, 30.0)


@dataclasses.dataclass(frozen=True)
class Windowing:
    """Windows that a recording is cut into.

    Attributes:
        window_seconds: Length of a window; a whole multiple of the hop.
        hop_seconds: Distance of two windows' starts, and the fineness of what is found.
    """

    window_seconds: float = 2.0
    hop_seconds: float = 1.0

    def __post_init__(self) -> None:
        """Check the lengths.

        Raises:
            QueryError: They do not fit each other, or lie outside 0.5 to 30 seconds.
        """
        low, high = _WINDOW_RANGE
        ordered = low <= self.hop_seconds <= self.window_seconds <= high
        if not (ordered and math.isclose(self.overlap, self.window_seconds / self.hop_seconds)):
            raise QueryError(
                f"windows of {self.window_seconds:g} seconds every {self.hop_seconds:g}; wanted {low:g} to {high:g} "
                "seconds each, a window being a whole multiple of the step"
            )

    @property
    def overlap(self) -> int:
        """Number of windows that cover a moment."""
        return round(self.window_seconds / self.hop_seconds)


@dataclasses.dataclass(frozen=True, eq=False)
class Timeline:
    """A recording as the model hears it.

    Attributes:
        seconds: Length of the recording.
        windowing: How it was cut.
        embeddings: float32 [windows, dimension], L2-normalised; zeros where a window is silent.
        audible: bool [windows].
        notes: What a user should know of the recording, one plain sentence each.
    """

    seconds: float
    windowing: Windowing
    embeddings: npt.NDArray[np.float32]
    audible: npt.NDArray[np.bool_]
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Passage:
    """A stretch of a recording that was found.

    Attributes:
        rank: 1 for the best.
        start_seconds: Where it begins.
        end_seconds: Where it ends.
        score: Cosine similarity at its best moment, -1 to 1.
        prominence: How far that lies above what is usual in this recording, in robust standard deviations.
        probability: How likely it is right, 0 to 1, by the model's calibration, a guide alone: that was fitted on
            sounds apart, not on the steps of one recording. None where the model has none.
    """

    rank: int
    start_seconds: float
    end_seconds: float
    score: float
    prominence: float
    probability: float | None = None

    @property
    def clear(self) -> bool:
        """Whether it stands out of the recording."""
        return self.prominence >= CLEAR


def windows(blocks: Blocks, windowing: Windowing) -> Generator[npt.NDArray[np.float32], None, tuple[float, tuple]]:
    """Cut blocks into windows; return the recording's seconds and its notes.

    The last window is shorter where the recording ends, and longer than what the one before left unheard.

    Args:
        blocks: float32 [samples] each, of any lengths; what ``streaming.blocks`` yields and returns.
        windowing: How to cut.

    Yields:
        float32 [samples], at most ``window_seconds`` long, ``hop_seconds`` apart.
    """
    size, hop = (round(seconds * SAMPLE_RATE_HZ) for seconds in (windowing.window_seconds, windowing.hop_seconds))
    waiting = np.zeros(0, np.float32)
    total, heard = 0, 0
    while True:
        try:
            block = next(blocks)
        except StopIteration as end:
            if total > heard:
                yield waiting
            return total / SAMPLE_RATE_HZ, end.value or ()
        total += block.size
        waiting = np.concatenate([waiting, block])
        position = 0
        while waiting.size - position >= size:
            yield waiting[position : position + size]
            position += hop
        if position:
            heard = total - waiting.size + position - hop + size
        waiting = waiting[position:].copy()


def embed(
    model: Cacara,
    blocks: Blocks,
    windowing: Windowing | None = None,
    report: Callable[[float], None] = lambda seconds: None,
) -> Timeline:
    """Return a recording's timeline; what ``report`` raises ends the work, and closes ``blocks``.

    Args:
        model: The model to hear it with.
        blocks: The recording, as ``streaming.blocks`` yields it.
        windowing: How to cut; the default lengths where None.
        report: Told how many seconds have been heard.

    Raises:
        AudioError: As in ``streaming.blocks``.
    """
    windowing = windowing or Windowing()
    embeddings: list[npt.NDArray[np.float32]] = []
    audible: list[bool] = []
    ending: list[tuple[float, tuple[str, ...]]] = []
    try:
        for batch in _batches(windows(blocks, windowing), ending):
            heard = [bool(np.abs(window - window.mean()).max() >= SILENCE_PEAK) for window in batch]
            made = np.zeros((len(batch), model.dimension), np.float32)
            if any(heard):
                made[heard] = model.encode_audio([window for window, loud in zip(batch, heard, strict=True) if loud])
            embeddings.append(made)
            audible += heard
            report(len(audible) * windowing.hop_seconds)
    finally:
        blocks.close()
    if not audible:
        raise AudioError("the recording holds no sound")
    seconds, notes = ending[0]
    return Timeline(seconds, windowing, np.concatenate(embeddings), np.array(audible), notes)


def similarity(timeline: Timeline, query: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return how alike each step of a recording is to a query, float32 [steps], NaN where it is silent.

    A step is as long as the windows' hop, and its value is the mean over the windows that cover it: so a short sound
    is found where it is, and not over the whole length of each window that holds it.

    Args:
        timeline: The recording.
        query: float32 [dimension], L2-normalised.
    """
    scores = np.where(timeline.audible, timeline.embeddings @ query, np.nan)
    steps = max(1, math.ceil(round(timeline.seconds / timeline.windowing.hop_seconds, 6)))
    sums, counts = np.zeros(steps), np.zeros(steps)
    for shift in range(timeline.windowing.overlap):
        covered = scores[: max(0, steps - shift)]
        known = ~np.isnan(covered)
        sums[shift : shift + covered.size][known] += covered[known]
        counts[shift : shift + covered.size] += known
    means = np.full(steps, np.nan, np.float32)
    np.divide(sums, counts, out=means, where=counts > 0, casting="same_kind")
    return means


def judged(
    model: Cacara, query: QueryEmbedding, curve: npt.NDArray[np.float32], found: Sequence[Passage]
) -> tuple[Passage, ...]:
    """Return passages with how likely they are right; as they are where the model is not calibrated.

    Args:
        model: Its calibration takes the recording's steps for a gallery.
        query: What was looked for.
        curve: What ``similarity`` returned.
        found: What ``passages`` returned.
    """
    known = curve[~np.isnan(curve)]
    fitted = model.calibration and model.calibration.curve(likelihood.kind_of(query), "audio")
    if not fitted or not known.size:
        return tuple(found)
    usual = known.mean(), known.std(), known.size
    probabilities = fitted.probability([passage.score for passage in found], *usual).tolist()
    return tuple(
        dataclasses.replace(passage, probability=probability)
        for passage, probability in zip(found, probabilities, strict=True)
    )


def passages(timeline: Timeline, curve: npt.NDArray[np.float32], top_k: int = 10) -> tuple[Passage, ...]:
    """Return the stretches that stand out of a curve of similarity, best first; they do not overlap.

    A stretch reaches as far as the curve stays above the middle between its peak and the recording's median; the
    slopes on both sides belong to it and start no other.

    Args:
        timeline: The recording that the curve is of.
        curve: What ``similarity`` returned.
        top_k: How many at most, 1 to 100.

    Raises:
        QueryError: ``top_k`` is out of range.
    """
    if isinstance(top_k, bool) or top_k != int(top_k) or not 1 <= top_k <= MAX_HITS:
        raise QueryError(f"top_k is {top_k!r:.40}; wanted a whole number from 1 to {MAX_HITS}")
    known = curve[~np.isnan(curve)]
    if not known.size:
        return ()
    usual = float(np.median(known))
    spread = max(1.4826 * float(np.median(np.abs(known - usual))), LEAST_SPREAD)
    values = np.where(np.isnan(curve), -np.inf, curve)
    taken = np.isneginf(values)
    hop = timeline.windowing.hop_seconds
    found: list[Passage] = []
    for peak in np.argsort(-values, kind="stable"):
        if len(found) == int(top_k) or values[peak] <= usual and found:
            break
        if taken[peak]:
            continue
        floor = (float(values[peak]) + usual) / 2
        start, end = _reach(values, taken, int(peak), floor)
        _take(values, taken, start, end)
        score = float(values[peak])
        ends = min(end * hop, timeline.seconds)
        found.append(Passage(len(found) + 1, start * hop, ends, score, (score - usual) / spread))
    return tuple(found)


def _batches(
    pieces: Generator[npt.NDArray[np.float32], None, tuple[float, tuple]], ending: list[tuple[float, tuple]]
) -> Iterator[list[npt.NDArray[np.float32]]]:
    batch: list[npt.NDArray[np.float32]] = []
    while True:
        try:
            batch.append(next(pieces))
        except StopIteration as end:
            ending.append(end.value)
            break
        if len(batch) == WINDOWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _reach(values: np.ndarray, taken: np.ndarray, peak: int, floor: float) -> tuple[int, int]:
    """Return the first step and the one after the last that are at least ``floor`` around a peak."""
    start, end = peak, peak + 1
    while start > 0 and not taken[start - 1] and values[start - 1] >= floor:
        start -= 1
    while end < values.size and not taken[end] and values[end] >= floor:
        end += 1
    return start, end


def _take(values: np.ndarray, taken: np.ndarray, start: int, end: int) -> None:
    """Mark a stretch and the slopes beside it, as far as they fall."""
    while start > 0 and not taken[start - 1] and values[start - 1] <= values[start]:
        start -= 1
    while end < values.size and not taken[end] and values[end] <= values[end - 1]:
        end += 1
    taken[start:end] = True
