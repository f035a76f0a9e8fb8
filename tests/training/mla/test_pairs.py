"""A user's file of pairs: what is taken, what is left out and said, what is refused."""

from __future__ import annotations

import pytest

from training.mla import pairs as language_pairs
from training.run_folder import RunError

GOOD = [f"word {number}\tneno {number}" for number in range(20)]


def write(path, lines, **options):
    path.write_text("\n".join(lines), encoding=options.get("encoding", "utf-8"))
    return path


def test_good_lines_are_taken_in_order_and_blank_ones_and_comments_passed_over(tmp_path):
    read = language_pairs.read(write(tmp_path / "p.tsv", ["\ufeff# mine", "", *GOOD, "  a   dog \t mbwa\r"]))
    assert len(read.pairs) == 21 and read.problems == ()
    assert read.pairs[0] == ("word 0", "neno 0") and read.pairs[-1] == ("a dog", "mbwa")


def test_each_bad_line_is_reported_by_its_number_and_left_out(tmp_path):
    bad = ["one column", "a\tb\tc", "dog\t", "!!\tmbwa", "dog\t" + "x" * 501, "dog\tmb\x07wa", GOOD[3]]
    read = language_pairs.read(write(tmp_path / "p.tsv", [*GOOD, *bad]))
    assert len(read.pairs) == 20
    assert [problem.split(":")[0] for problem in read.problems] == [f"line {number}" for number in range(21, 28)]
    for part, problem in zip(
        ("1 columns", "3 columns", "other text has no", "English text has no", "501", "control", "same pair"),
        read.problems,
        strict=True,
    ):
        assert part in problem


def test_many_problems_become_ten_warnings_and_a_count(tmp_path):
    read = language_pairs.read(write(tmp_path / "p.tsv", [*GOOD, *["bad"] * 25]))
    assert len(read.problems) == 25 and len(read.warnings()) == 11
    assert read.warnings()[-1] == "and 15 more lines were left out"


def test_too_few_good_lines_are_refused_with_the_first_problem(tmp_path):
    with pytest.raises(RunError, match="19 good pairs; wanted 20 to 100,000; first problem: line 20: 1 columns"):
        language_pairs.read(write(tmp_path / "p.tsv", [*GOOD[:19], "dog"]))


def test_another_encoding_a_missing_and_a_huge_file_are_refused(tmp_path, monkeypatch):
    with pytest.raises(RunError, match="not in UTF-8"):
        language_pairs.read(write(tmp_path / "p.tsv", [*GOOD, "dog\tchó"], encoding="latin-1"))
    with pytest.raises(RunError, match="cannot be read"):
        language_pairs.read(tmp_path / "none.tsv")
    monkeypatch.setattr(language_pairs, "MAX_BYTES", 100)
    with pytest.raises(RunError, match="wanted at most 100"):
        language_pairs.read(write(tmp_path / "p.tsv", GOOD))
