from __future__ import annotations

import os
import stat
import subprocess
import sys
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_files import PLAYLISTS, encoded_tone, load_bytes, refusal, tone, wav_header

from cacara.errors import AudioError
from cacara.media import audio
from cacara.media.audio import GALLERY_LIMITS, QUERY_LIMITS, SAMPLE_RATE_HZ


def test_a_file_above_the_byte_limit_is_refused_unread(tmp_path):
    path = tmp_path / "huge.wav"
    with path.open("wb") as file:
        file.truncate(51 << 20)
    with pytest.raises(AudioError, match=r"^huge\.wav: the file has 51 MiB; wanted at most 50"):
        audio.load(path)


def test_paths_that_are_no_readable_file_are_refused(tmp_path):
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "empty.wav").touch()
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "dangling.wav").symlink_to(tmp_path / "nowhere.wav")
    expected = {
        "folder.wav": "this is a folder",
        "empty.wav": "the file is empty",
        "pipe.wav": "this is a pipe or a device",
        "missing.wav": "No such file",
        "dangling.wav": "No such file",
        "nul\0.wav": "no path may hold such a character",
        "x" * 300 + ".wav": "name too long",
    }
    for name, reason in expected.items():
        with pytest.raises(AudioError) as caught:
            audio.load(str(tmp_path / name))
        assert reason in str(caught.value) and "wanted a sound file" in str(caught.value)
        assert str(tmp_path) not in str(caught.value)


def test_a_file_one_may_not_read_is_refused(tmp_path):
    path = tmp_path / "secret.wav"
    path.write_bytes(encoded_tone("tone.wav"))
    path.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:  # root may read anything
            os.seteuid(65534)
        with pytest.raises(AudioError, match=r"^secret\.wav: the file cannot be opened: Permission denied") as caught:
            audio.load(path)
        assert str(tmp_path) not in str(caught.value)
    finally:
        os.seteuid(user)


def test_a_name_that_is_not_unicode_is_shown_readably(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    with pytest.raises(AudioError) as caught:
        audio.load(os.fsdecode(path))
    assert str(caught.value).encode("utf-8").startswith("caf\ufffd.wav: ".encode())


@pytest.mark.parametrize("name", ["tone.mp3", "tone.flac", "tone.webm"])
def test_the_same_bytes_give_the_same_bits_in_either_process(tmp_path, name):
    content = encoded_tone(name)
    here = load_bytes(tmp_path, content)
    again = load_bytes(tmp_path, content)
    apart = load_bytes(tmp_path, content, limits=QUERY_LIMITS)
    assert here.waveform.tobytes() == again.waveform.tobytes() == apart.waveform.tobytes()
    assert (here.seconds, here.cut, here.notes) == (apart.seconds, apart.cut, apart.notes)
    assert apart.waveform.flags.writeable


@pytest.mark.parametrize("command", ["kill -SEGV $$", "exit 3"])
def test_a_crash_of_the_decoder_is_an_error_not_the_end(tmp_path, monkeypatch, command):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nexec >/dev/null 2>&1\n{command}\n")
    program.chmod(stat.S_IRWXU)
    monkeypatch.setattr(sys, "executable", str(program))
    message = refusal(tmp_path, encoded_tone("tone.wav"), limits=QUERY_LIMITS)
    assert "the decoder failed on this file; wanted" in message


def test_errors_of_the_isolated_decoder_read_the_same(tmp_path):
    for content in (PLAYLISTS["list.m3u8"], wav_header(16000, b""), wav_header(1, bytes(9000))):
        assert refusal(tmp_path, content) == refusal(tmp_path, content, limits=QUERY_LIMITS)


def test_many_threads_load_at_once_and_agree(tmp_path):
    path = tmp_path / "tone.mp3"
    path.write_bytes(encoded_tone(path.name))
    with ThreadPoolExecutor(8) as pool:
        waveforms = list(pool.map(lambda _: audio.load(path, GALLERY_LIMITS).waveform.tobytes(), range(64)))
    assert len(set(waveforms)) == 1


@pytest.fixture(scope="module")
def ten_hours_of_silence(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bomb") / "silence.flac"
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16", compression_level=0.0) as file:
        for _ in range(60):
            file.write(np.zeros(8000 * 600, np.int16))
    assert path.stat().st_size < 5_000_000
    return path


@pytest.mark.parametrize("limits", ["GALLERY_LIMITS", "QUERY_LIMITS"])
def test_ten_hours_in_five_megabytes_cost_under_100_mb(ten_hours_of_silence, limits):
    program = f"""
import resource, sys
from cacara.media import audio
import av
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
recording = audio.load(sys.argv[1], audio.{limits})
own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(recording.cut, recording.seconds, max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""
    command = [sys.executable, "-c", program, str(ten_hours_of_silence)]
    answer = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True)
    cut, seconds, kilobytes = answer.stdout.split()
    assert (cut, seconds) == ("True", "30.0")
    assert int(kilobytes) < 100_000


def test_silence_is_refused_with_its_level_and_a_faint_sound_is_not():
    audio.check_audible(tone(1, peak=0.0011))
    with pytest.raises(AudioError, match="-61 dBFS, wanted -60 dBFS or more"):
        audio.check_audible(tone(1, peak=0.0009))
    for silent in (np.zeros(16000, np.float32), np.zeros(0, np.float32)):
        with pytest.raises(AudioError, match="digital silence"):
            audio.check_audible(silent)


def test_a_constant_offset_is_silence_and_nan_is_never_audible():
    with pytest.raises(AudioError, match="silent"):
        audio.check_audible(np.full(16000, 0.25, np.float32))
    with pytest.raises(AudioError, match="silent"):
        audio.check_audible(np.array([0.5, np.nan], np.float32))


def test_peaks_are_the_extremes_of_each_stretch():
    waveform = np.array([0, 0.5, -0.25, 0.1, 2.0, -3.0], np.float32)
    expected = np.array([[0, 0.5], [-0.25, 0.1], [-1, 1]], np.float32)
    drawn = audio.peaks(waveform, bins=3)
    assert drawn.dtype == np.float32 and np.array_equal(drawn, expected)


@pytest.mark.parametrize("samples", [0, 1, 7, 399, 400, 401, 48000])
def test_peaks_have_the_bins_asked_for_whatever_the_length(samples):
    waveform = np.random.default_rng(1).uniform(-1, 1, samples).astype(np.float32)
    drawn = audio.peaks(waveform)
    assert drawn.shape == (400, 2) and (drawn[:, 0] <= drawn[:, 1]).all()
    if samples:
        assert (drawn.min(), drawn.max()) == (waveform.min(), waveform.max())


def test_a_written_file_holds_the_samples_and_loads_back(tmp_path):
    path = tmp_path / "kept.wav"
    waveform = np.concatenate([tone(1), np.array([-1, 1, 1.5, -1.5], np.float32)])
    audio.write_wav(path, waveform)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, SAMPLE_RATE_HZ)
        assert file.getnframes() == waveform.size
    loaded = audio.load(path, GALLERY_LIMITS).waveform
    assert np.abs(loaded - np.clip(waveform, -1, 1)).max() <= 1 / 32768
    audio.write_wav(path, loaded)
    assert np.array_equal(audio.load(path, GALLERY_LIMITS).waveform, loaded)


def test_threads_that_write_one_file_leave_it_whole_and_nothing_else(tmp_path):
    path = tmp_path / "same.wav"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: audio.write_wav(path, tone(1)), range(40)))
    assert [entry.name for entry in tmp_path.iterdir()] == ["same.wav"]
    assert audio.load(path, GALLERY_LIMITS).seconds == 1.0


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "a file").touch()
    with pytest.raises(AudioError, match=r"^x\.wav: cannot be written"):
        audio.write_wav(tmp_path / "a file" / "x.wav", tone(1))
    (tmp_path / "taken.wav").mkdir()
    with pytest.raises(AudioError, match=r"^taken\.wav: cannot be written"):
        audio.write_wav(tmp_path / "taken.wav", tone(1))
    for bad in (np.array([np.nan], np.float32), np.zeros((2, 100), np.float32)):
        with pytest.raises(AudioError, match="wanted one row of finite samples"):
            audio.write_wav(tmp_path / "bad.wav", bad)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a file", "taken.wav"]


def test_the_module_loads_nothing_heavy():
    program = "import sys, cacara.media.audio; print(*{'av', 'torch', 'gradio', 'transformers'} & set(sys.modules))"
    command = [sys.executable, "-c", program]
    answer = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []
