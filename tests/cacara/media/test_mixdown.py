"""Channels as one: their mean, or the louder one where the mean is silence."""

from __future__ import annotations

import numpy as np
import pytest
from audio_files import load_bytes, tone, wav_header

from cacara.media import audio
from cacara.media.audio import SAMPLE_RATE_HZ


def stereo(folder, left: np.ndarray, right: np.ndarray, rate_hz: int = SAMPLE_RATE_HZ) -> audio.Recording:
    samples = np.stack([left, right], axis=1).astype("<f4").tobytes()
    return load_bytes(folder, wav_header(rate_hz, samples, channels=2, code=3, bits=32))


def test_inverted_stereo_is_the_louder_channel_and_says_so(tmp_path):
    left = tone(3)
    recording = stereo(tmp_path, left, -0.99 * left)
    assert np.array_equal(recording.waveform, left)
    assert [note.code for note in recording.notes] == ["opposed"]
    louder = stereo(tmp_path, -0.95 * left, left)
    assert np.array_equal(louder.waveform, left)


@pytest.mark.parametrize("share", [1.0, 0.0, -0.5, -0.7])
def test_channels_that_leave_something_are_averaged(tmp_path, share):
    left = tone(3)
    recording = stereo(tmp_path, left, share * left)
    assert np.allclose(recording.waveform, (1 + share) / 2 * left, atol=1e-6) and recording.notes == ()


def test_only_the_seconds_that_cancel_are_replaced_and_the_sign_never_turns(tmp_path):
    left = tone(6)
    right = left.copy()
    right[2 * SAMPLE_RATE_HZ : 4 * SAMPLE_RATE_HZ] *= -1
    recording = stereo(tmp_path, left, right)
    wrong = np.flatnonzero(~np.isclose(recording.waveform, left, atol=1e-6)) / SAMPLE_RATE_HZ
    assert not wrong.size or (np.abs(wrong - 2) < 0.3).sum() + (np.abs(wrong - 4) < 0.3).sum() == wrong.size
    assert [note.code for note in recording.notes] == ["opposed"]


def test_channels_of_one_level_take_no_turns(tmp_path):
    left = tone(5) + np.random.default_rng(0).normal(0, 0.001, 5 * SAMPLE_RATE_HZ).astype(np.float32)
    right = -tone(5) + np.random.default_rng(1).normal(0, 0.001, 5 * SAMPLE_RATE_HZ).astype(np.float32)
    waveform = stereo(tmp_path, left, right).waveform
    assert np.array_equal(waveform, left) or np.array_equal(waveform, right)


def test_a_constant_offset_of_both_channels_hides_nothing(tmp_path):
    left = 0.3 * tone(2)
    recording = stereo(tmp_path, 0.2 + left, 0.2 - left)
    assert np.allclose(np.abs(recording.waveform - 0.2), np.abs(left), atol=1e-6)


def test_silence_and_the_noise_of_the_last_bit_are_no_inverted_sound(tmp_path):
    bit = np.where(np.arange(SAMPLE_RATE_HZ) % 2, 1, -1).astype(np.float32) / 32768
    assert stereo(tmp_path, bit, -bit).notes == () == stereo(tmp_path, 0 * bit, 0 * bit).notes
