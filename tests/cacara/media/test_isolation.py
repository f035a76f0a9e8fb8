"""The decoding process that has started ahead of its file."""

from __future__ import annotations

import time

import numpy as np
import pytest
from audio_files import tone

from cacara.errors import AudioError
from cacara.media import audio, isolation


@pytest.fixture
def spare(monkeypatch):
    """A process that waits, and no other one for as long as the test runs."""
    monkeypatch.setattr(isolation, "_SPARE", isolation._Spare())
    monkeypatch.setattr(isolation, "_REFILL_SECONDS", 600)
    isolation.keep_one_ready()
    yield isolation._SPARE
    isolation._SPARE.end()


@pytest.fixture
def sound(tmp_path):
    audio.write_wav(tmp_path / "tone.wav", tone(1.0))
    return tmp_path / "tone.wav"


def test_a_process_that_waits_decodes_one_file_as_a_fresh_one_does(spare, sound, monkeypatch):
    process, _ = spare._waiting
    with monkeypatch.context() as patch:
        patch.setattr(isolation, "_start", lambda *_: pytest.fail("another process was started"))
        ahead = audio.load(sound)
    assert process.returncode == 0 and spare._waiting is None
    fresh = audio.load(sound)
    assert np.array_equal(ahead.waveform, fresh.waveform)
    assert (ahead.seconds, ahead.notes) == (fresh.seconds, fresh.notes)


def test_a_process_that_was_killed_while_it_waited_harms_nobody(spare, sound):
    spare._waiting[0].kill()
    spare._waiting[0].wait()
    assert audio.load(sound).seconds == pytest.approx(1)


def test_what_is_no_sound_reads_the_same_from_a_process_that_waited(spare, tmp_path):
    (tmp_path / "note.wav").write_text("this is not a sound\n" * 50)
    said = []
    for _ in range(2):
        with pytest.raises(AudioError) as caught:
            audio.load(tmp_path / "note.wav")
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_process_that_was_taken_is_followed_by_another(spare, sound, monkeypatch):
    monkeypatch.setattr(isolation, "_REFILL_SECONDS", 0.01)
    audio.load(sound)
    deadline = time.monotonic() + 30
    while spare._waiting is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert spare._waiting is not None


def test_a_process_ends_when_nobody_will_give_it_a_file(spare):
    process, link = spare._waiting
    link.close()
    assert process.wait(30) == 0
