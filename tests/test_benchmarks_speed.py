from __future__ import annotations

import importlib
import json

import pytest

from benchmarks.speed import report, timing
from benchmarks.speed.__main__ import ON_REQUEST, ROWS, main
from benchmarks.speed.timing import Row, interleaved, percentile, ratio


def test_every_row_is_a_module_that_measures():
    assert all(callable(importlib.import_module(f"benchmarks.speed.{name}").measure) for name in (*ROWS, *ON_REQUEST))


def test_rounds_are_interleaved_and_the_first_is_not_counted():
    calls = []
    seconds = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}
    assert "".join(calls) == "abbaabba"


def test_a_ratio_is_that_of_the_same_round_so_that_a_slow_minute_cancels_out():
    seconds = {"ours": [1.0, 100.0, 1.0], "theirs": [2.0, 200.0, 2.0]}
    assert ratio(seconds, "theirs", "ours") == 2.0


def test_percentiles_are_values_that_were_measured():
    values = [float(value) for value in range(1, 21)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile([7.0], 0.95)) == (10.0, 19.0, 7.0)


def test_the_search_row_is_measured_printed_and_kept(tmp_path, capsys):
    pytest.importorskip("faiss", reason="faiss is not installed (requirements-bench.txt)")
    assert main(["exact_search", "--short", "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "| exact search, 1,000 × 384, 1 at once |" in printed and "cores" in printed
    kept = json.loads((tmp_path / "speed.json").read_text())
    assert [row["details"]["same_as_faiss"] for row in kept["rows"]] == [1.0, 1.0]
    assert kept["machine"]["versions"]["numpy"]


def test_an_unknown_row_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["speed_of_light"])
    assert "text_query" in capsys.readouterr().err


def test_a_missed_goal_is_told():
    machine = {"processor": "p", "cores": 2, "memory_gb": 1, "load_1_minute": 0, "python": "3", "threads": "1"}
    rows = [Row("work", "1 s", "2 s", 0.5, "≥ 1×", False), Row("other", "1 s", "", None, "", None)]
    table = report.markdown({**machine, "versions": {"numpy": "2"}}, rows)
    assert "| work | 1 s | 2 s | 0.50 | ≥ 1× | **no** |" in table


def test_growth_is_drawn_from_two_sizes_on():
    def row(count, seconds):
        return Row(f"exact search, {count:,} × 384, 1 at once", "", "", 1, "", None, {"seconds": {"ours": [seconds]}})

    assert report.growth([row(1_000, 0.001)]) is None
    assert report.growth([row(1_000, 0.001), row(100_000, 0.1)]).count("<polyline") == 1


def test_the_full_size_is_what_the_documentation_says():
    assert timing.Size().rows[-1] == 1_000_000 and timing.Size().gallery == 100_000
