from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from audio_files import (
    ENCODERS,
    PLAYLISTS,
    SUBTYPES,
    TONE_HZ,
    caf_with_channel_order,
    encode,
    encoded_tone,
    load_bytes,
    load_or_refuse,
    picture_stream,
    refusal,
    strongest_hz,
    tone,
    wav_header,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from cacara.errors import AudioError
from cacara.media.audio import SAMPLE_RATE_HZ, AudioLimits


@pytest.mark.parametrize("name", [*ENCODERS, *SUBTYPES])
def test_a_common_format_gives_its_tone_whole_and_at_its_level(tmp_path, name):
    recording = load_bytes(tmp_path, encoded_tone(name), name)
    assert recording.waveform.dtype == np.float32 and recording.waveform.ndim == 1
    assert recording.seconds == recording.waveform.size / SAMPLE_RATE_HZ == pytest.approx(2.0, abs=0.06)
    assert (recording.cut, recording.notes) == (False, ())
    middle = recording.waveform[4000:-4000]
    assert strongest_hz(middle) == pytest.approx(TONE_HZ, abs=1)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / math.sqrt(2), rel=0.15)  # AMR is rough


def test_a_16_khz_mono_file_keeps_every_sample(tmp_path):
    samples = np.random.default_rng(0).integers(-32768, 32768, 20000, dtype=np.int16)
    recording = load_bytes(tmp_path, wav_header(16000, samples.tobytes()))
    assert np.array_equal(recording.waveform, samples.astype(np.float32) / 32768)


@pytest.mark.parametrize("rate_hz", [4000, 8000, 11025, 22050, 96000, 192000])
def test_any_usual_sample_rate_gives_the_same_tone(tmp_path, rate_hz):
    samples = (tone(2, rate_hz) * 32767).astype("<i2").tobytes()
    recording = load_bytes(tmp_path, wav_header(rate_hz, samples))
    assert recording.seconds == pytest.approx(2.0, abs=0.01)
    assert strongest_hz(recording.waveform) == pytest.approx(TONE_HZ, abs=1)


def test_channels_are_averaged_in_whatever_order_a_file_lists_them(tmp_path):
    left, right = tone(1, 48000), np.zeros(48000, np.float32)
    stereo = (np.stack([left, right], axis=1) * 32767).astype(np.int16)
    swapped = caf_with_channel_order(stereo, (2, 1))  # such a file crashes PyAV 18.1 when read without care
    recording = load_bytes(tmp_path, swapped, "swapped.caf")
    assert np.abs(recording.waveform).max() == pytest.approx(0.25, rel=0.01)
    same_twice = load_bytes(tmp_path, caf_with_channel_order(stereo, (1, 1)), "twice.caf")
    assert np.array_equal(same_twice.waveform, recording.waveform)


@pytest.mark.parametrize("channels", [2, 8, 9, 16])
def test_many_channels_are_averaged_also_when_stored_one_after_the_other(tmp_path, channels):
    samples = np.tile(tone(1, 48000)[:, np.newaxis], (1, channels))
    opus = encode("ogg", "libopus", 48000, samples, {"mapping_family": "255"})  # decodes to planar frames
    recording = load_bytes(tmp_path, opus, "many.opus")
    assert strongest_hz(recording.waveform) == pytest.approx(TONE_HZ, abs=1)
    assert np.abs(recording.waveform[4000:-4000]).max() == pytest.approx(0.5, rel=0.1)


def test_64_channels_are_read_and_65_refused(tmp_path):
    def silent(channels: int) -> bytes:
        return wav_header(16000, bytes(16000 * channels), channels, bits=8)

    assert load_bytes(tmp_path, silent(64)).seconds == 1.0
    assert "65 channels; wanted 1 to 64" in refusal(tmp_path, silent(65))


def test_the_sound_of_a_video_is_read(tmp_path):
    recording = load_bytes(tmp_path, picture_stream("mp4", with_sound=True), "clip.mp4")
    assert recording.seconds == pytest.approx(1.0, abs=0.1)
    assert strongest_hz(recording.waveform) == pytest.approx(TONE_HZ, abs=2)


@pytest.mark.parametrize("name", ["tone.mp3", "tone.flac", "tone.webm", "tone.m4a"])
def test_a_mislabelled_file_is_read_by_its_content(tmp_path, name):
    content = encoded_tone(name)
    mislabelled = load_bytes(tmp_path, content, "sound.wav")
    assert np.array_equal(mislabelled.waveform, load_bytes(tmp_path, content, name).waveform)


def test_a_float_file_above_full_scale_is_scaled_not_clipped(tmp_path):
    loud = load_bytes(tmp_path, wav_header(16000, (tone(1) * 6).tobytes(), code=3, bits=32))
    quiet = load_bytes(tmp_path, wav_header(16000, tone(1).tobytes(), code=3, bits=32))
    assert np.abs(loud.waveform).max() == 1.0
    assert np.allclose(loud.waveform, quiet.waveform / np.abs(quiet.waveform).max(), atol=1e-6)


def test_a_title_in_a_wrong_encoding_is_no_obstacle(tmp_path):
    samples = tone(1).tobytes()
    title = b"INFOINAM" + struct.pack("<I", 4) + b"\xff\xfe\xe9\x00"
    body = wav_header(16000, samples, code=3, bits=32)[8:] + b"LIST" + struct.pack("<I", len(title)) + title
    assert load_bytes(tmp_path, b"RIFF" + struct.pack("<I", len(body)) + body).seconds == 1.0


def test_a_long_sound_is_cut_with_a_note(tmp_path):
    recording = load_bytes(tmp_path, wav_header(8000, bytes(8000 * 2 * 45)))
    assert recording.cut and recording.seconds == 30.0
    assert recording.notes == ("only the first 30 seconds were used",)
    longer = load_bytes(tmp_path, wav_header(8000, bytes(8000 * 2 * 45)), limits=AudioLimits(max_seconds=60))
    assert not longer.cut and longer.seconds == 45.0


@pytest.mark.parametrize("name", ["tone.mp3", "tone.wav", "tone.aac"])
def test_a_sound_of_just_the_longest_length_is_not_called_cut(tmp_path, name):
    recording = load_bytes(tmp_path, encoded_tone(name), limits=AudioLimits(max_seconds=2))
    assert (recording.cut, recording.seconds, recording.notes) == (False, 2.0, ())


def test_a_short_sound_gets_a_note_and_a_shorter_one_is_refused(tmp_path):
    short = load_bytes(tmp_path, wav_header(16000, tone(0.2).tobytes(), code=3, bits=32))
    assert short.notes == ("0.2 seconds is short; a second or more gives better matches",)
    message = refusal(tmp_path, wav_header(16000, tone(0.05).tobytes(), code=3, bits=32))
    assert "0.05 seconds of sound; wanted at least 0.1 seconds" in message


def test_a_file_without_samples_is_refused(tmp_path):
    assert "no samples" in refusal(tmp_path, wav_header(16000, b""))


def test_decoding_stops_at_its_deadline(tmp_path):
    content = encoded_tone("tone.mp3", seconds=20)
    started = time.monotonic()
    message = refusal(tmp_path, content, limits=AudioLimits(max_decode_seconds=0.002))
    assert "longer than 0.002 seconds" in message
    assert time.monotonic() - started < 5
    assert load_bytes(tmp_path, content).seconds == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("name", ["tone.wav", "float.wav", "tone.flac", "tone.mp3", "tone.webm", "tone.aiff"])
def test_a_truncated_file_gives_its_first_part_and_says_so(tmp_path, name):
    content = encoded_tone(name, seconds=5)
    recording = load_bytes(tmp_path, content[: len(content) * 6 // 10], name)
    assert 2.4 < recording.seconds < 3.4
    assert recording.notes == (f"the file ends early (damaged); the first {recording.seconds:.1f} seconds were used",)
    assert strongest_hz(recording.waveform) == pytest.approx(TONE_HZ, abs=1)


def test_an_m4a_file_without_its_end_is_refused_as_cut_short(tmp_path):
    content = encoded_tone("tone.m4a")
    assert "an MP4 file that is cut short" in refusal(tmp_path, content[: len(content) // 2], "half.m4a")


def test_a_recording_of_unknown_length_is_not_called_damaged(tmp_path):
    content = bytearray(encoded_tone("tone.wav"))
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    assert load_bytes(tmp_path, bytes(content)).notes == ()


def test_a_hole_in_a_file_is_silent_with_a_note(tmp_path):
    content = bytearray(encoded_tone("tone.m4a", seconds=5))
    middle = len(content) // 2
    content[middle : middle + 300] = bytes(300)
    recording = load_bytes(tmp_path, bytes(content))
    assert recording.seconds == pytest.approx(5, abs=0.1)
    assert recording.notes == (
        f"parts of the file are damaged and are silent here; {recording.seconds:.1f} seconds were used",
    )


def test_a_file_that_is_mostly_damage_is_refused(tmp_path):
    content = bytearray(encoded_tone("tone.m4a", seconds=5))
    first, last = len(content) // 10, len(content) * 9 // 10
    content[first:last] = bytes(last - first)
    assert "parts cannot be decoded" in refusal(tmp_path, bytes(content))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_a_sample_that_is_not_finite_is_refused_with_its_place(tmp_path, value, rate_hz):
    samples = tone(2, rate_hz)
    samples[rate_hz] = value
    message = refusal(tmp_path, wav_header(rate_hz, samples.tobytes(), code=3, bits=32))
    assert "infinite or not a number" in message
    assert "1.00 seconds" in message or "0.99 seconds" in message


@pytest.mark.parametrize("rate_hz", [1, 999, 768_001, 10_000_000])
def test_an_absurd_sample_rate_is_refused_with_both_numbers(tmp_path, rate_hz):
    message = refusal(tmp_path, wav_header(rate_hz, bytes(40000)))
    assert f"{rate_hz} Hz; wanted 1000 to 768000 Hz" in message


@pytest.mark.parametrize("renamed", [None, "sound.wav", "sound.mp3"])
@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_opens_no_other_file(tmp_path, name, renamed):
    (tmp_path / "tone.wav").write_bytes(encoded_tone("tone.wav"))
    message = refusal(tmp_path, PLAYLISTS[name], renamed or name)
    assert "a playlist" in message or "a stream description" in message


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "a picture"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(500), "a picture"),
        (b"%PDF-1.7\n" + bytes(500), "a PDF document"),
        (b"PK\x03\x04" + bytes(500), "a ZIP archive"),
        (b"The quick brown fox jumps over the lazy dog.\n" * 50, "text"),
        (bytes(5000), "data in no known sound format"),
        (b"RIFF\x10\x00\x00\x00AVI LIST", "a damaged WAV file"),
        (b"\x7fELF" + np.random.default_rng(0).bytes(3000), "data in no known sound format"),
    ],
)
def test_what_is_no_sound_is_called_what_it_is(tmp_path, content, found):
    for name in ("file.wav", "file.mp3", "file"):
        message = refusal(tmp_path, content, name)
        assert f"this is {found}" in message and "wanted a sound file: WAV, FLAC, MP3" in message


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_a_video_without_sound_is_refused(tmp_path, container):
    content = picture_stream(container, with_sound=False)
    assert "holds video but no sound" in refusal(tmp_path, content, "silent.mp4")


def test_an_unusual_coding_is_refused_by_name(tmp_path):
    message = refusal(tmp_path, encode("wav", "pcm_s64le", 16000, tone(1)))
    assert "coded as pcm_s64le, which is not read here" in message


@pytest.fixture(scope="module")
def fuzz_seeds() -> list[bytes]:
    names = ("tone.wav", "float.wav", "tone.flac", "tone.mp3", "tone.ogg", "tone.opus", "tone.m4a", "tone.webm")
    return [encoded_tone(name, seconds=0.3) for name in names]


@pytest.fixture(scope="module")
def fuzz_path(tmp_path_factory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("fuzz") / "fuzz.wav"


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_any_bytes_give_a_valid_recording_or_an_audio_error(fuzz_seeds, fuzz_path, data):
    content = bytearray(data.draw(st.sampled_from([b"", *fuzz_seeds])) or data.draw(st.binary(min_size=1)))
    edits = st.tuples(st.integers(0, len(content) - 1), st.binary(max_size=4), st.integers(0, 8))
    for position, replacement, removed in data.draw(st.lists(edits, max_size=12)):
        content[position : position + removed] = replacement
    result = load_or_refuse(fuzz_path, bytes(content[: data.draw(st.integers(1, len(content) + 1))]))
    if isinstance(result, AudioError):
        assert str(result).startswith("fuzz.wav: ") and str(fuzz_path.parent) not in str(result)
        return
    assert result.waveform.dtype == np.float32 and result.waveform.ndim == 1
    assert np.isfinite(result.waveform).all() and np.abs(result.waveform).max() <= 1
    assert 0.1 <= result.seconds <= 30.1
