"""The decoding process that has started ahead of the files, and forks for each."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from audio_files import tone

from cacara.errors import AudioError
from cacara.media import audio, isolation


@pytest.fixture
def forks(monkeypatch):
    """A process that is kept for as long as the test runs."""
    monkeypatch.setattr(isolation, "_FORKS", isolation._Forks())
    isolation.keep_ready()
    yield isolation._FORKS
    isolation._FORKS.end()


@pytest.fixture
def sound(tmp_path):
    audio.write_wav(tmp_path / "tone.wav", tone(1.0))
    return tmp_path / "tone.wav"


@pytest.fixture
def no_other_start(monkeypatch, forks):
    monkeypatch.setattr(isolation, "_answer_of_a_start", lambda *_: pytest.fail("another process was started"))


def test_forks_decode_as_a_fresh_process_does(forks, sound):
    ahead = [audio.load(sound) for _ in range(2)]
    forks.end()
    fresh = audio.load(sound)
    for each in ahead:
        assert np.array_equal(each.waveform, fresh.waveform) and each.waveform.flags.writeable
        assert (each.seconds, each.notes) == (fresh.seconds, fresh.notes)


def test_many_visitors_get_their_own_sounds(no_other_start, tmp_path):
    for number in range(12):
        audio.write_wav(tmp_path / f"{number}.wav", tone(0.2 + 0.1 * number))
    with ThreadPoolExecutor(6) as pool:
        seconds = list(pool.map(lambda number: audio.load(tmp_path / f"{number}.wav").seconds, range(12)))
    assert seconds == pytest.approx([0.2 + 0.1 * number for number in range(12)], abs=1e-3)


def test_a_fork_that_fails_harms_no_other(no_other_start, sound):
    endless = dataclasses.replace(audio.QUERY_LIMITS, max_seconds=math.inf)  # the fork cannot reckon its memory
    with pytest.raises(AudioError, match="the decoder failed on this file; wanted"):
        audio.load(sound, endless)
    assert audio.load(sound).seconds == pytest.approx(1)


def test_a_fork_that_takes_too_long_is_given_up(forks, sound):
    with sound.open("rb", buffering=0) as file, pytest.raises(TimeoutError):
        forks.answer(file, json.dumps(dataclasses.asdict(audio.QUERY_LIMITS)), -1.0)


def test_a_process_that_was_killed_harms_nobody_and_is_followed_by_another(forks, sound):
    dead = forks._running[0]
    dead.kill()
    dead.wait()
    assert audio.load(sound).seconds == pytest.approx(1)
    assert forks._running[0] is not dead and forks._running[0].poll() is None
    begun = time.monotonic()
    assert audio.load(sound).seconds == pytest.approx(1) and time.monotonic() - begun < 30


def test_what_is_no_sound_reads_the_same_from_a_fork(forks, tmp_path):
    (tmp_path / "note.wav").write_text("this is not a sound\n" * 50)
    said = []
    for _ in range(2):
        with pytest.raises(AudioError) as caught:
            audio.load(tmp_path / "note.wav")
        said.append(str(caught.value))
        forks.end()
    assert said[0] == said[1]


def test_the_process_ends_with_the_one_that_keeps_it(forks):
    process, link = forks._running
    link.close()
    assert process.wait(30) == 0
