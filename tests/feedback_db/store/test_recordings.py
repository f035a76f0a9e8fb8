from __future__ import annotations

import hashlib
import os
import resource
import stat
import threading
import time

import pytest

from feedback_db import FeedbackError, hash_file, recording_path, recordings_folder, save_recording

SOUND = b"RIFF" + bytes(range(256)) * 4000


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def folder(tmp_path):
    return recordings_folder(tmp_path / "feedback.db")


@pytest.mark.parametrize("as_file", [True, False])
def test_a_recording_lies_under_the_hash_of_its_bytes(tmp_path, folder, as_file):
    source = tmp_path / "bark.wav"
    source.write_bytes(SOUND)
    sha256 = save_recording(folder, source if as_file else SOUND)
    assert sha256 == hashlib.sha256(SOUND).hexdigest() == hash_file(source)
    path = tmp_path / "recordings" / sha256[:2] / f"{sha256}.wav"
    assert path == recording_path(folder, sha256)
    assert path.read_bytes() == SOUND
    assert files_in(folder) == [path]
    assert source.read_bytes() == SOUND


def test_the_same_recording_is_kept_once_and_a_damaged_copy_is_mended(folder):
    sha256 = save_recording(folder, SOUND)
    recording_path(folder, sha256).write_bytes(b"damaged")
    assert save_recording(folder, SOUND) == sha256
    assert hash_file(recording_path(folder, sha256)) == sha256
    assert len(files_in(folder)) == 1


def test_only_its_owner_may_read_a_recording(folder):
    path = recording_path(folder, save_recording(folder, SOUND))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_sixteen_threads_that_save_at_once_lose_nothing(folder):
    sounds = [bytes([number % 5]) * 100_000 for number in range(16)]
    threads = [threading.Thread(target=save_recording, args=(folder, sound)) for sound in sounds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.stem for path in files_in(folder)) == sorted(
        {hashlib.sha256(sound).hexdigest() for sound in sounds}
    )


@pytest.mark.parametrize(
    ("sound", "message"),
    [(b"", "found 0 bytes"), (SOUND, "more than 1,000 bytes")],
    ids=["empty", "too large"],
)
def test_an_empty_or_too_large_recording_leaves_nothing(folder, sound, message):
    with pytest.raises(FeedbackError, match=message):
        save_recording(folder, sound, max_bytes=1000)
    assert files_in(folder) == []


def test_a_recording_as_large_as_the_cap_is_kept(folder):
    assert save_recording(folder, SOUND, max_bytes=len(SOUND))


def test_a_disk_that_fills_up_leaves_nothing(folder):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(FeedbackError, match="could not be kept"):
            save_recording(folder, SOUND)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert files_in(folder) == []
    assert save_recording(folder, SOUND)


def test_what_a_killed_process_left_is_removed_later_but_not_a_running_one_s(folder):
    save_recording(folder, SOUND)
    abandoned, running = folder / "tmpold.partial", folder / "tmpnew.partial"
    abandoned.write_bytes(b"half")
    running.write_bytes(b"half")
    os.utime(abandoned, (time.time() - 7200,) * 2)
    save_recording(folder, b"another")
    assert not abandoned.exists()
    assert running.exists()


def test_a_source_that_is_no_file_is_refused(tmp_path, folder):
    os.mkfifo(tmp_path / "pipe.wav")
    for source in (tmp_path / "missing.wav", tmp_path, tmp_path / "pipe.wav"):
        with pytest.raises(FeedbackError, match="not there or is not a file"):
            save_recording(folder, source)
    with pytest.raises(FeedbackError, match="cannot be read"):
        hash_file(tmp_path / "missing.wav")


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FeedbackError, match="could not be kept in .*recordings") as caught:
        save_recording(tmp_path / "file" / "recordings", SOUND)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_only_a_hash_names_a_recording(tmp_path, name):
    with pytest.raises(FeedbackError, match="64 lower-case hex digits"):
        recording_path(tmp_path, name)
