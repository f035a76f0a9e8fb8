from __future__ import annotations

import resource
import subprocess
import sys
import wave

import numpy as np
import pytest

from cacara.errors import AudioError
from cacara.media import audio, streaming
from cacara.media.decoding import SAMPLE_RATE_HZ
from cacara.media.streaming import StreamLimits


def all_of(path, limits=None, report=lambda share: None):
    made, pieces = streaming.blocks(path, limits, report), []
    while True:
        try:
            pieces.append(next(made))
        except StopIteration as end:
            return pieces, end.value


@pytest.fixture
def tape(tmp_path, noise):
    """25 seconds of noise."""
    path = tmp_path / "tape.wav"
    audio.write_wav(path, np.tile(noise, 13)[: 25 * SAMPLE_RATE_HZ])
    return path


def test_blocks_are_what_the_file_holds(tape):
    shares: list[float] = []
    pieces, notes = all_of(tape, report=shares.append)
    assert sum(map(len, pieces)) == 25 * SAMPLE_RATE_HZ and notes == () and len(pieces) == 3
    np.testing.assert_array_equal(np.concatenate(pieces), audio.load(tape).waveform)
    assert shares == sorted(shares) and 0 < shares[0] < 1 and shares[-1] == 1


def test_other_rates_and_formats_give_the_length_they_have(tmp_path, noise):
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "tape.flac"
    soundfile.write(path, np.stack([np.tile(noise, 20)] * 2, axis=1), 44_100)
    pieces, _ = all_of(path)
    assert sum(map(len, pieces)) / SAMPLE_RATE_HZ == pytest.approx(20 * len(noise) / 44_100, abs=0.01)


def test_a_longer_recording_is_cut_with_a_note(tape):
    pieces, notes = all_of(tape, StreamLimits(max_seconds=12.5))
    assert sum(map(len, pieces)) == 12.5 * SAMPLE_RATE_HZ and notes == ("only the first 12.5 seconds were used",)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "empty"), (b"#EXTM3U\n/etc/passwd\n", "a playlist"), (b"some words, no sound", "text")],
)
def test_what_is_no_sound_is_refused_by_name(tmp_path, content, told):
    path = tmp_path / "secret" / "tape.wav"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(AudioError, match=told) as caught:
        all_of(path)
    assert str(caught.value).startswith("tape.wav: ") and "secret" not in str(caught.value)


def test_a_file_that_is_too_large_is_refused_before_it_is_decoded(tape):
    with pytest.raises(AudioError, match="MiB; wanted at most"):
        all_of(tape, StreamLimits(max_bytes=1000))


def test_samples_that_are_no_numbers_are_refused(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    samples = np.zeros(32_000, np.float32)
    samples[20_000] = np.inf
    soundfile.write(tmp_path / "bad.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match="no numbers near 1"):
        all_of(tmp_path / "bad.wav")


def test_the_decoder_ends_with_the_one_who_reads(tmp_path, noise):
    path = tmp_path / "long.wav"
    audio.write_wav(path, np.tile(noise, 300))
    made = streaming.blocks(path)
    next(made)
    made.close()
    children = subprocess.run(["ps", "--ppid", str(__import__("os").getpid()), "-o", "args="], capture_output=True)
    assert b"audio_streaming" not in children.stdout


def test_memory_stays_flat(tmp_path):
    """An hour of silence, 115 MB decoded to 230 MB of floats, is read with a few MB more than a minute is."""
    with wave.open(str(tmp_path / "hour.wav"), "wb") as writer:
        writer.setparams((1, 1, SAMPLE_RATE_HZ, 0, "NONE", ""))
        for _ in range(60):
            writer.writeframesraw(bytes([128]) * 60 * SAMPLE_RATE_HZ)
    code = (
        "import pathlib, resource, sys\n"
        "from cacara.media import streaming\n"
        "made = streaming.blocks(pathlib.Path(sys.argv[1]))\n"
        "peak = lambda who: resource.getrusage(who).ru_maxrss\n"
        "seconds = len(next(made)) / 16000\n"
        "before = peak(resource.RUSAGE_SELF)\n"
        "seconds += sum(len(block) for block in made) / 16000\n"
        "more = peak(resource.RUSAGE_SELF) - before\n"
        "sys.stdout.write(f'{seconds} {more} {peak(resource.RUSAGE_CHILDREN)}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "hour.wav"], capture_output=True, text=True, check=True
    )
    seconds, more, child = map(float, done.stdout.split())
    assert resource.RUSAGE_SELF == 0 and seconds == 3600
    assert more < 20_000, f"{more} kB more than at the first block"
    assert child < 200_000, f"the decoder took {child} kB"
