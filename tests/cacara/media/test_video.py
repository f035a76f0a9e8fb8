"""A short video to twelve of its pictures."""

from __future__ import annotations

import numpy as np
import pytest

from cacara.errors import ImageError
from cacara.media import video
from cacara.media.video import VideoLimits


def film(path, count=60, rate=20, size=(64, 48)):
    """Write a film that gets brighter from picture to picture."""
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(count):
            grey = np.full((size[1], size[0], 3), 255 * number // count, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        file.mux(stream.encode(None))
    return path


def test_twelve_pictures_at_even_distances_are_taken(tmp_path):
    taken = video.frames(film(tmp_path / "a.mp4"))
    assert [picture.shape for picture in taken] == [(48, 64, 3)] * 12
    brightness = np.array([picture.mean() for picture in taken])
    steps = np.diff(brightness)
    assert (steps > 10).all() and steps.max() - steps.min() < 12
    assert 0 < brightness[0] < 30 and brightness[-1] > 220


def test_the_same_file_gives_the_same_pictures(tmp_path):
    path = film(tmp_path / "a.mp4")
    assert all(np.array_equal(*pair) for pair in zip(video.frames(path), video.frames(path), strict=True))


def test_large_pictures_are_made_smaller(tmp_path):
    (first, *_) = video.frames(film(tmp_path / "a.mkv", 24, size=(640, 320)))
    assert first.shape == (128, 256, 3)


@pytest.mark.parametrize("count", [1, 3])
def test_a_film_of_few_pictures_gives_them_all_or_at_least_one(tmp_path, count):
    assert 1 <= len(video.frames(film(tmp_path / "a.mp4", count))) <= count


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (VideoLimits(max_bytes=100), "wanted a short video"),
        (VideoLimits(max_seconds=1), "3 seconds long; wanted at most 1"),
        (VideoLimits(max_pixels=1000), "64 × 48 pixels"),
    ],
)
def test_what_costs_too_much_is_refused(tmp_path, limits, said):
    with pytest.raises(ImageError, match=said) as caught:
        video.frames(film(tmp_path / "a.mp4"), limits)
    assert "a.mp4" in str(caught.value) and str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"text" * 100, b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", b"ffconcat version 1.0\nfile /etc/hostname\n"],
)
def test_what_is_no_video_is_told(tmp_path, content):
    (tmp_path / "bad.mp4").write_bytes(content)
    with pytest.raises(ImageError, match=r"bad\.mp4"):
        video.frames(tmp_path / "bad.mp4")


def test_a_sound_and_a_missing_file_are_no_video(tmp_path):
    from audio_files import tone

    from cacara.media import audio

    audio.write_wav(tmp_path / "tone.wav", tone(1))
    for name in ("tone.wav", "absent.mp4"):
        with pytest.raises(ImageError, match=name):
            video.frames(tmp_path / name)
