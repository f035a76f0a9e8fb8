from __future__ import annotations

import numpy as np
import pytest

from cacara.errors import QueryError
from cacara.media import streaming
from cacara.media.decoding import SAMPLE_RATE_HZ
from cacara.recordings import long_recordings
from cacara.recordings.long_recordings import Timeline, Windowing


def in_blocks(samples: np.ndarray, size: int, closed: list[bool] | None = None):
    try:
        for start in range(0, len(samples), size):
            yield samples[start : start + size]
        return ("a note",)
    finally:
        if closed is not None:
            closed.append(True)


def cut(samples: np.ndarray, size: int, windowing: Windowing):
    made, found = long_recordings.windows(in_blocks(samples, size), windowing), []
    while True:
        try:
            found.append(next(made))
        except StopIteration as end:
            return found, end.value


@pytest.mark.parametrize("size", [1000, 16_000, 44_444, 1_000_000])
@pytest.mark.parametrize("seconds", [0.4, 2.0, 2.5, 7.0, 7.25])
def test_windows_are_the_same_however_the_recording_comes(size, seconds):
    samples = np.arange(round(seconds * SAMPLE_RATE_HZ), dtype=np.float32)
    found, (length, notes) = cut(samples, size, Windowing(2.0, 1.0))
    starts = [0, *range(1, max(1, int(np.ceil(seconds - 2.0)) + 1))]
    assert [window[0] for window in found] == [start * SAMPLE_RATE_HZ for start in starts]
    assert [len(window) for window in found] == [min(32_000, len(samples) - start * SAMPLE_RATE_HZ) for start in starts]
    assert found[-1][-1] == samples[-1], "the end is heard"
    assert (length, notes) == (seconds, ("a note",))


@pytest.mark.parametrize("lengths", [(2.0, 1.5), (0.4, 0.4), (31.0, 1.0), (1.0, 2.0), (2.0, 0.0), (float("nan"), 1.0)])
def test_lengths_that_do_not_fit_are_refused(lengths):
    with pytest.raises(QueryError, match="windows of"):
        Windowing(*lengths)


def timeline(scores: list[float], seconds: float | None = None, silent: tuple[int, ...] = ()) -> Timeline:
    """Windows whose similarity to [1, 0] is as given."""
    embeddings = np.array([[score, 0.0] for score in scores], np.float32)
    audible = np.array([position not in silent for position in range(len(scores))])
    return Timeline(seconds or len(scores) + 1.0, Windowing(2.0, 1.0), embeddings, audible)


QUERY = np.array([1.0, 0.0], np.float32)


def test_a_step_is_the_mean_of_the_windows_that_cover_it():
    curve = long_recordings.similarity(timeline([0.0, 0.0, 1.0, 1.0, 0.0]), QUERY)
    assert curve.tolist() == [0.0, 0.0, 0.5, 1.0, 0.5, 0.0]


def test_silence_has_no_similarity_and_is_never_found():
    quiet = timeline([0.1, 0.1, 0.9, 0.9, 0.9, 0.1], silent=(2, 3, 4))
    curve = long_recordings.similarity(quiet, QUERY)
    assert np.isnan(curve[3:5]).all() and not np.isnan(curve[[0, 1, 2, 5, 6]]).any()
    assert all(hit.score < 0.2 for hit in long_recordings.passages(quiet, curve))
    nothing = timeline([0.5, 0.5], silent=(0, 1))
    assert long_recordings.passages(nothing, long_recordings.similarity(nothing, QUERY)) == ()


def test_passages_are_found_best_first_where_they_are_and_do_not_overlap():
    scores = [0.1, 0.12] * 20
    scores[9:12] = [0.9, 0.9, 0.9]
    scores[30] = 0.6
    made = timeline(scores)
    found = long_recordings.passages(made, long_recordings.similarity(made, QUERY), 5)
    assert (found[0].start_seconds, found[0].end_seconds) == (10.0, 12.0)
    assert found[0].score == pytest.approx(0.9) and found[0].clear and [hit.rank for hit in found[:2]] == [1, 2]
    assert (found[1].start_seconds, found[1].end_seconds) == (30.0, 32.0)
    spans = sorted((hit.start_seconds, hit.end_seconds) for hit in found)
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False))
    assert not any(hit.clear for hit in found[2:]), "what is usual here does not stand out"


def test_a_passage_ends_with_the_recording():
    made = timeline([0.1, 0.1, 0.1, 0.9], seconds=4.5)
    (first, *_) = long_recordings.passages(made, long_recordings.similarity(made, QUERY))
    assert first.end_seconds == 4.5


@pytest.mark.parametrize("top_k", [0, 101, 2.5, True])
def test_a_wrong_number_of_passages_is_refused(top_k):
    made = timeline([0.1, 0.2])
    with pytest.raises(QueryError, match="top_k"):
        long_recordings.passages(made, long_recordings.similarity(made, QUERY), top_k)


def test_windows_are_embedded_as_sounds_are_and_silent_ones_are_not(tiny_model, noise):
    samples = np.concatenate([noise, np.zeros(4 * SAMPLE_RATE_HZ, np.float32), noise])
    heard: list[float] = []
    made = long_recordings.embed(tiny_model, in_blocks(samples, 50_000), Windowing(2.0, 2.0), heard.append)
    assert made.audible.tolist() == [True, False, False, True] and made.seconds == 8.0 and made.notes == ("a note",)
    np.testing.assert_allclose(made.embeddings[[0, 3]], tiny_model.encode_audio([noise, noise]), atol=1e-5)
    assert not made.embeddings[1:3].any() and heard == [8.0]


def test_who_stops_the_work_closes_the_decoder(tiny_model, noise):
    closed: list[bool] = []

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        long_recordings.embed(tiny_model, in_blocks(np.tile(noise, 100), 50_000, closed), Windowing(1.0, 1.0), stop)
    assert closed == [True]


def test_a_copy_and_a_first_block_change_nothing(tmp_path, noise):
    from cacara.media import audio

    whole = in_blocks(noise, 10_000)
    first = next(whole)
    pieces = list(streaming.copied(streaming.chained(first, whole), tmp_path / "copy.wav"))
    np.testing.assert_array_equal(np.concatenate(pieces), noise)
    np.testing.assert_allclose(audio.load(tmp_path / "copy.wav").waveform, noise, atol=1 / 32_000)
