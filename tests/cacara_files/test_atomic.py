"""Atomic writes: whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cacara_files import atomic

ROOT = Path(__file__).parents[2]


def test_a_file_and_its_parents_are_there_at_the_end_and_not_before(tmp_path):
    target = tmp_path / "new" / "report.json"
    with atomic.replacing(target) as partial:
        partial.write_text("1")
        assert not target.exists()
    assert target.read_text() == "1"
    assert [path.name for path in target.parent.iterdir()] == ["report.json"]


def test_an_exception_leaves_the_old_content_and_nothing_beside_it(tmp_path):
    target = tmp_path / "report.json"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic.replacing(target) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_takes_the_place_of_one_that_holds_files(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old")
    with atomic.replacing(target) as partial:
        partial.mkdir()
        (partial / "new").write_text("new")
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_line_ends_stay_as_they_are(tmp_path):
    atomic.write_text(tmp_path / "table.csv", "a\r\nb\n")
    assert (tmp_path / "table.csv").read_bytes() == b"a\r\nb\n"


def test_writers_that_are_killed_or_meet_leave_one_whole_file(tmp_path):
    target = tmp_path / "numbers"
    code = (
        "import sys\nfrom pathlib import Path\nfrom cacara_files import atomic\n"
        "while True: atomic.write_text(Path(sys.argv[1]), sys.argv[2] * 200_000)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(target), letter], cwd=ROOT) for letter in "ab"]
    try:
        seen = set()
        while seen != {"a", "b"}:
            if target.exists():
                text = target.read_text()
                assert len(text) == 200_000 and len(set(text)) == 1
                seen.add(text[0])
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    text = target.read_text()
    assert len(text) == 200_000 and len(set(text)) == 1
