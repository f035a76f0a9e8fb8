"""A time is the player's time: silence where a file has no sound, a warning where its times cannot be followed."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from audio_files import encode, load_bytes

from cacara.__main__ import main
from cacara.media import audio, streaming
from cacara.media.audio import SAMPLE_RATE_HZ, AudioLimits
from cacara.media.placement import Placement
from cacara.model import checkpoint

BEEP_SECONDS = 0.5
MINUTE = AudioLimits(max_seconds=60)


def beeps(moments: tuple[float, ...], seconds: float, rate_hz: int = 48000) -> np.ndarray:
    """Return faint noise with a loud tone of half a second at each of some moments."""
    samples = np.random.default_rng(0).normal(0, 0.005, round(seconds * rate_hz)).astype(np.float32)
    times = np.arange(round(BEEP_SECONDS * rate_hz)) / rate_hz
    for moment in moments:
        start = round(moment * rate_hz)
        samples[start : start + times.size] += 0.5 * np.sin(2 * np.pi * 880 * times).astype(np.float32)
    return samples


def onsets(waveform: np.ndarray) -> list[float]:
    """Return the seconds at which a tone begins after quiet."""
    loud = np.abs(waveform[: waveform.size // 160 * 160].reshape(-1, 160)).max(axis=1) > 0.1
    return [round(float(step) / 100, 2) for step in np.flatnonzero(loud[1:] & ~loud[:-1]) + 1]


def streamed(path) -> tuple[np.ndarray, tuple]:
    blocks, pieces = streaming.blocks(path), []
    while True:
        try:
            pieces.append(next(blocks))
        except StopIteration as end:
            return np.concatenate(pieces), end.value


def both(folder, content: bytes) -> audio.Recording:
    """Return a file as a clip, after a look that the stream of hours gives the same."""
    recording = load_bytes(folder, content, limits=MINUTE)
    waveform, notes = streamed(folder / "sound.bin")
    assert np.allclose(waveform, recording.waveform, atol=1e-6) and notes == recording.notes
    return recording


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
def test_a_track_that_starts_later_than_the_picture_begins_with_silence(tmp_path, container):
    content = encode(container, "aac", 48000, beeps((2, 4), 6), move=lambda moment: moment + 10, film=True)
    recording = both(tmp_path, content)
    assert onsets(recording.waveform) == pytest.approx([12, 14], abs=0.06)
    assert [note.code for note in recording.notes] == ["gap"] and "10.0 seconds" in recording.notes[0]
    assert not recording.waveform[: 9 * SAMPLE_RATE_HZ].any()


def test_missing_packets_are_silence_and_what_follows_keeps_its_time(tmp_path):
    content = encode("webm", "libopus", 48000, beeps((2, 6, 12), 15), move=lambda at: None if 4 <= at < 9 else at)
    recording = both(tmp_path, content)
    assert onsets(recording.waveform) == pytest.approx([2, 12], abs=0.03)
    assert recording.seconds == pytest.approx(15, abs=0.05)
    assert [note.values for note in recording.notes] == [{"seconds": "5.0"}]


@pytest.mark.parametrize("filling", ["zeros", "noise"])
@pytest.mark.parametrize(("container", "codec"), [("mp3", "mp3"), ("mp2", "mp2"), ("flac", "flac"), ("mp4", "aac")])
def test_a_damaged_middle_is_silence_and_what_follows_keeps_its_time(tmp_path, container, codec, filling):
    content = bytearray(encode(container, codec, 44100, beeps((1, 5, 9, 11), 12, 44100)))
    first, last = (int(len(content) * share) for share in (0.35, 0.55))
    made = np.random.default_rng(0).bytes(last - first) if filling == "noise" else bytes(last - first)
    content[first:last] = made
    recording = both(tmp_path, bytes(content))
    assert onsets(recording.waveform)[-2:] == pytest.approx([9, 11], abs=0.15)
    assert {note.code for note in recording.notes} <= {"damaged", "gap"} and recording.notes


def test_damage_of_unknown_length_is_warned_of(tmp_path):
    content = bytearray(encode("adts", "aac", 44100, beeps((1, 5, 9), 12, 44100)))
    content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
    recording = both(tmp_path, bytes(content))
    assert [note.code for note in recording.notes] == ["damaged", "misplaced"]
    assert 3 < float(recording.notes[1].values["seconds"]) < 5


def test_a_tag_between_two_songs_is_no_missing_sound(tmp_path):
    song = encode("mp3", "mp3", 44100, beeps((1,), 3, 44100))
    picture = b"ID3\x04\x00\x00" + bytes([0, 1, 0, 0]) + bytes(1 << 14)
    recording = both(tmp_path, song + picture + song)
    assert recording.seconds == pytest.approx(6, abs=0.3)


@pytest.mark.parametrize("live", [False, True], ids=["with a length", "without a length"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_hostile_time_stamp_makes_no_hours_of_silence(tmp_path, live, after):
    content = encode(
        "matroska",
        "libopus",
        48000,
        beeps((0.5, 1.5), 3),
        move=lambda at: at + (1e9 if at >= after else 0),
        film=True,
        header={"live": "1"} if live else None,
    )
    recording = both(tmp_path, content)
    assert recording.seconds == pytest.approx(3, abs=0.1)
    assert {note.code for note in recording.notes} == {"misplaced"}
    assert onsets(recording.waveform) == pytest.approx([0.5, 1.5], abs=0.05), "the sound itself is there"


def test_a_long_pause_beyond_the_limit_ends_the_sound_with_a_note(tmp_path):
    content = encode("matroska", "libopus", 48000, beeps((1, 3), 5), move=lambda at: at + (100 if at >= 2 else 0))
    recording = load_bytes(tmp_path, content)
    assert recording.cut and onsets(recording.waveform) == pytest.approx([1], abs=0.03)
    assert recording.notes == ("only the first 30 seconds were used",)
    waveform, _ = streamed(tmp_path / "sound.bin")
    assert onsets(waveform) == pytest.approx([1, 103], abs=0.03), "hours have room for it"


def test_recordings_that_follow_each_other_in_a_file_are_joined(tmp_path):
    part = encode("ogg", "libopus", 48000, beeps((1,), 3))
    recording = both(tmp_path, part + part)
    assert onsets(recording.waveform) == pytest.approx([1, 4], abs=0.1)


def test_a_clock_that_goes_a_little_wrong_changes_nothing():
    placement, made = Placement(0.0, 1e6), 0.0
    for number in range(10_000):  # rounded to milliseconds, and a thousandth too slow
        made += placement.silence_before(round(0.02 * number * 0.99995, 3))
        placement.add(0.02)
    assert made == 0 and placement.jump is None


def test_time_stamps_that_begin_again_are_followed_from_there_with_a_warning():
    placement = Placement(0.0, 1e6)
    placement.add(100)
    assert placement.silence_before(0.0) == 0 and placement.jump == 100
    placement.add(10)
    assert placement.silence_before(15.0) == 5 and placement.position == 115


def test_a_wild_time_stamp_among_right_ones_is_passed_over():
    placement = Placement(0.0, 1e6)
    placement.add(5)
    assert placement.silence_before(4e8, lambda: 20.0) == 0 and placement.jump == 5
    placement.add(1)
    assert placement.silence_before(6.0, lambda: 20.0) == 0 and placement.position == 6


def test_hits_and_the_times_of_elan_and_praat_are_the_players(tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoint, "load", lambda *_, **__: tiny_model)
    tape, wanted = tmp_path / "tape.mp4", tmp_path / "beep.wav"
    tape.write_bytes(encode("mp4", "aac", 48000, beeps((8,), 12), move=lambda moment: moment + 10, film=True))
    audio.write_wav(wanted, beeps((0.75,), 2, SAMPLE_RATE_HZ))
    files = [tmp_path / f"tape{suffix}" for suffix in (".eaf", ".TextGrid")]
    exports = [word for path in files for word in ("--export", str(path))]
    assert main(["find", str(tape), "--audio", str(wanted), "--top", "1", "--json", *exports]) == 0
    out, err = capsys.readouterr()
    (hit,) = json.loads(out)["searches"][0]["hits"]
    assert 17 <= hit["start_seconds"] <= 18 and hit["end_seconds"] >= 18.5
    assert "no sound for 10.0 seconds" in err
    slots = [int(slot.get("TIME_VALUE")) for slot in ElementTree.parse(files[0]).iter("TIME_SLOT")]
    assert slots == [round(1000 * hit["start_seconds"]), round(1000 * hit["end_seconds"])]
    assert f"xmin = {hit['start_seconds']:g}" in files[1].read_text(encoding="utf-8").replace(".0 ", " ")


def test_a_pause_of_amr_is_silence_and_no_damage(tmp_path):
    content = encode("amr", "libopencore_amrnb", 8000, beeps((1, 7), 9, 8000))
    speech = [content[6:][start : start + 13] for start in range(0, len(content) - 6, 13)]
    size = len(speech[0])
    assert size == 13 and content.startswith(b"#!AMR\n")
    pause = [b"\x44" + bytes(5) if number % 8 == 0 else b"\x7c" for number in range(150)]  # SID, then NO_DATA
    recording = both(tmp_path, b"#!AMR\n" + b"".join([*speech[:200], *pause, *speech[350:]]))
    assert onsets(recording.waveform) == pytest.approx([1, 7], abs=0.06) and recording.notes == ()
    assert recording.seconds == pytest.approx(9, abs=0.05)
