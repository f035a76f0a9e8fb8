from __future__ import annotations

import json

import pytest

from cacara.benchmark.dataset import benchmark_file
from cacara.benchmark.dataset.benchmark_file import Rows, SoundRow, TextRow
from cacara.errors import CheckpointError
from cacara.model import seen_texts
from cacara.model.seen_texts import SEEN
from cacara.sources.texts import text_hash

ROWS = Rows(
    "tiny",
    1,
    {},
    (
        SoundRow("test", "dog", "x/dog", "tuxpaint", "dog.ogg", "0" * 64),
        SoundRow("dev", "rain", "x/rain", "gcompris", "rain.ogg", "1" * 64),
    ),
    (
        TextRow("test", "dog", "en", "tuxpaint", "dog.txt#en", text_hash("A dog.")),
        TextRow("dev", "rain", "fr", "cldr", "fr/1F327", text_hash("pluie é")),
    ),
)


def test_only_what_is_the_benchmarks_is_kept_as_hashes():
    seen = benchmark_file.seen_of(ROWS, ["pluie e\u0301", "some other text", "a dog"], ["dog"])
    assert seen.texts == {text_hash("pluie é")}  # the same letters, spelled in another way
    assert seen.holds_text("pluie é") and not seen.holds_text("A dog.")
    assert (seen.concepts, seen.benchmark) == ({"dog"}, ROWS.hash)


def test_a_concept_that_is_not_the_benchmarks_is_refused():
    with pytest.raises(CheckpointError, match="1 concepts are not of tiny, first 'whale'"):
        benchmark_file.seen_of(ROWS, [], ["whale"])


def test_what_is_written_is_read_again(tmp_path):
    seen = benchmark_file.seen_of(ROWS, ["A dog."], ["rain", "dog"])
    (tmp_path / SEEN).write_text(json.dumps(seen.to_json()))
    assert seen_texts.read(tmp_path) == seen
    assert seen.to_json()["concepts"] == ["dog", "rain"]


def test_a_folder_without_a_statement_says_nothing(tmp_path):
    assert seen_texts.read(tmp_path) is None


GOOD = {"format_version": 1, "benchmark": "x", "concepts": ["dog"], "texts": ["0123456789abcdef"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "wanted format_version, benchmark, concepts and texts"),
        (json.dumps({**GOOD, "more": 1}), "wanted format_version"),
        (json.dumps({**GOOD, "format_version": 2}), "format_version is 2; this program reads 1"),
        (json.dumps({**GOOD, "concepts": "dog"}), "concepts is 'dog'; wanted a list of strings"),
        (json.dumps({**GOOD, "texts": ["A dog."]}), "texts holds 'A dog.'; wanted hashes"),
    ],
)
def test_a_malformed_statement_is_told_with_its_file(tmp_path, content, message):
    (tmp_path / SEEN).write_text(content)
    with pytest.raises(CheckpointError, match=f"{SEEN}.*{message}"):
        seen_texts.read(tmp_path)


def test_a_checkpoint_carries_the_statement_and_is_replaced_with_it(tiny_model, tmp_path):
    from cacara.model import checkpoint

    folder = tmp_path / "model"
    seen = benchmark_file.seen_of(ROWS, ["A dog."], [])
    checkpoint.save(folder, tiny_model.config, [tiny_model.head, tiny_model.centring], "# card", seen=seen)
    assert seen_texts.read(folder) == seen
    assert checkpoint.find(folder) == folder
    checkpoint.save(folder, tiny_model.config, [tiny_model.head, tiny_model.centring], "# card")
    assert seen_texts.read(folder) is None
