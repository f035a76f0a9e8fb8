"""Listening while it sounds: the window, the words, the browser's stretches, the machine's microphone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import types
import wave

import numpy as np
import pytest

from cacara.__main__ import main
from cacara.errors import AudioError, DeviceError
from cacara.galleries.gallery import load_folder
from cacara.recordings import listening
from cacara.recordings.listening import RollingSound
from cacara.search.retriever import Retriever
from tests.ui.services.test_services import make_gallery


def ramp(first: int, count: int) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.float32) / 1e6


@pytest.fixture
def retriever(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    return Retriever(tiny_model, load_folder(make_gallery(tmp_path / "gallery")))


def write_chunk(path, samples, rate=44_100, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def test_the_window_holds_the_last_seconds_and_no_more_however_long_it_runs():
    sound = RollingSound()
    for number in range(20):
        sound = sound.followed_by(ramp(16_000 * number, 16_000), 16_000)
    assert sound.samples.size == 48_000
    assert np.array_equal(sound.samples, ramp(16_000 * 17, 48_000))


def test_another_rate_begins_anew_and_is_brought_to_the_models():
    sound = RollingSound().followed_by(ramp(0, 16_000), 16_000).followed_by(np.ones(44_100, np.float32) / 2, 44_100)
    assert sound.samples.size == 44_100
    assert abs(sound.waveform().size - 16_000) <= 2
    assert sound.waveform()[4_000:12_000] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("samples", [np.ones((2, 4), np.float32), np.array([0, np.nan], np.float32)])
def test_what_is_no_row_of_samples_is_refused(samples):
    with pytest.raises(AudioError, match="one row of finite samples"):
        RollingSound().followed_by(samples, 16_000)


@pytest.mark.parametrize("rate", [0, -1, 10**9])
def test_a_rate_of_no_microphone_is_refused(rate):
    with pytest.raises(AudioError, match="sample rate"):
        RollingSound().followed_by(ramp(0, 10), rate)


def test_silence_is_quiet_and_a_sound_has_words_in_the_wanted_language(retriever, noise):
    assert listening.describe(retriever, np.zeros(0, np.float32)).quiet
    assert listening.describe(retriever, np.zeros(16_000, np.float32)).quiet
    heard = listening.describe(retriever, noise, "de", 4)
    assert not heard.quiet and not heard.speech
    assert [hit.rank for hit in heard.hits] == [1, 2, 3, 4]
    assert "Ein Hund." in [hit.text for hit in heard.hits]


def test_a_stretch_of_the_browsers_stream_is_read(tmp_path):
    samples, rate = listening.read_chunk(write_chunk(tmp_path / "a.wav", np.array([0, 16_384, -32_768])))
    assert rate == 44_100 and samples.tolist() == [0, 0.5, -1]
    stereo, _ = listening.read_chunk(write_chunk(tmp_path / "b.wav", np.array([0, 16_384] * 3), channels=2))
    assert stereo.tolist() == [0.25] * 3


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a sound" * 50, b"\x1aE\xdf\xa3" + bytes(100)])
def test_a_stretch_that_is_no_wav_is_told(tmp_path, content):
    (tmp_path / "bad.wav").write_bytes(content)
    with pytest.raises(AudioError, match="cannot be read"):
        listening.read_chunk(tmp_path / "bad.wav")


def test_a_stretch_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "MAX_CHUNK_BYTES", 100)
    with pytest.raises(AudioError, match="more than"):
        listening.read_chunk(write_chunk(tmp_path / "a.wav", np.zeros(1_000)))


class PortAudioError(Exception):
    """As sounddevice has it."""


class Stream:
    """A microphone that hears a tone."""

    def __init__(self, rate, block, device, channels, kind):
        if device == "absent":
            raise PortAudioError("no such device")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read(self, count):
        return 0.3 * np.sin(np.arange(count, dtype=np.float32) / 5)[:, None].astype(np.float32), False


@pytest.fixture
def portaudio(monkeypatch):
    devices = [{"name": "Speaker", "max_input_channels": 0}, {"name": "Mikrofon", "max_input_channels": 2}]
    module = types.SimpleNamespace(
        InputStream=Stream, PortAudioError=PortAudioError, query_devices=lambda: devices, __name__="sounddevice"
    )
    monkeypatch.setitem(sys.modules, "sounddevice", module)


def test_the_command_writes_words_in_the_wanted_language(portaudio, tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("cacara.model.checkpoint.load", lambda *_, **__: tiny_model)
    gallery = str(make_gallery(tmp_path / "gallery"))
    assert main(["listen", "--gallery", gallery, "--language", "de", "--times", "2", "--top", "4", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(answers) == 2
    assert {word["text"] for word in answers[1]["words"]} >= {"Ein Hund.", "Eine Katze."}
    assert main(["listen", "--gallery", gallery, "--times", "1"]) == 0
    assert " · " in capsys.readouterr().out


def test_the_microphones_are_listed(portaudio, capsys):
    assert main(["listen", "--list"]) == 0
    assert capsys.readouterr().out == "  1  Mikrofon\n"


def test_a_machine_without_a_microphone_says_so_and_fails(portaudio, monkeypatch, capsys):
    speaker = {"name": "HDMI", "max_input_channels": 0}
    monkeypatch.setattr(sys.modules["sounddevice"], "query_devices", lambda: [speaker])
    assert main(["listen", "--list"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "error: this machine has no microphone that could be listened to; plug one in\n"


def test_the_real_command_on_this_machine_hears_or_says_in_one_line_why_not():
    """Whatever sound devices the machine has: no traceback, and an exit code that tells a script."""
    done = subprocess.run(
        [sys.executable, "-m", "cacara", "listen", "--list"], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode == 0:
        assert done.stdout.strip()
    else:
        assert done.returncode == 1 and done.stdout == ""
        assert re.fullmatch(r"error: (PortAudio is not installed|this machine has no microphone).*\n", done.stderr)


def test_a_missing_microphone_is_one_line_before_any_model_is_loaded(portaudio, monkeypatch, capsys):
    monkeypatch.setattr("cacara.model.checkpoint.load", lambda *_, **__: pytest.fail("a model was loaded"))
    assert main(["listen", "--input", "absent"]) == 1
    assert "there is no microphone to listen to (no such device)" in capsys.readouterr().err


def test_a_machine_without_portaudio_is_told_what_to_install(monkeypatch):
    class Broken:
        def find_spec(self, name, *_):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(DeviceError, match="apt-get install libportaudio2"):
        next(listening.microphone())


@pytest.mark.parametrize("wrong", [["--every", "0"], ["--every", "nan"], ["--times", "0"]])
def test_a_wrong_pace_is_refused(portaudio, capsys, wrong):
    assert main(["listen", *wrong]) == 1
    assert "wanted 0.1 to 60 seconds" in capsys.readouterr().err
