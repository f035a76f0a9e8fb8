from __future__ import annotations

import dataclasses
import json

import pytest

from cacara import __main__ as cli
from cacara.commands import coverage as coverage_commands
from cacara.languages import coverage
from cacara.lexicon import LexiconReader
from training.data.lexicon.table import Sense, build


@pytest.fixture
def given(tmp_path, monkeypatch, tiny_text_folder):
    """A tiny model's folder, and texts of two languages instead of the packages'."""
    from cacara import sources
    from cacara.model import checkpoint
    from cacara.model.config import AudioConfig, ModelConfig, TextConfig

    text = TextConfig(str(tiny_text_folder), "", 16)
    audio = AudioConfig("yamnet", 16, 0.5, 0.5, 3, 1.0, "mean")
    config = ModelConfig("tiny", "1", 32, text, audio, True, ("de", "en"), "MIT")
    monkeypatch.setattr(checkpoint, "find", lambda name: tmp_path)
    monkeypatch.setattr(checkpoint, "read_config", lambda folder: config)
    monkeypatch.setattr(sources, "fetch_all", lambda keys, report: {})
    monkeypatch.setattr(
        coverage_commands, "texts_of", lambda folders: {"de": ["hund katze"] * 20, "en": ["dog wolf"] * 20}
    )
    return tmp_path


def test_the_command_writes_both_files_and_counts_unknown_pieces(given, capsys):
    page, data = given / "coverage.md", given / "coverage.json"
    assert cli.main(["coverage", "--output", str(page), "--json", str(data)]) == 0
    assert capsys.readouterr().out == ""
    rows = {row.code: row for row in coverage.load(data).rows}
    assert (rows["de"].pieces_per_word, rows["de"].unknown_share) == (1.0, 0.0)
    assert rows["en"].unknown_share == 0.5, "wolf is not in the vocabulary"
    assert "| de | German | Deutsch | Latn | ltr | yes | 1.0 | 2.0 | 0.0 % | – | – | – | – |" in page.read_text("utf-8")
    first = data.read_bytes()
    assert cli.main(["coverage", "--output", str(page), "--json", str(data)]) == 0 and data.read_bytes() == first


def test_without_a_file_the_table_goes_to_the_screen_and_a_damaged_report_is_told(given, capsys):
    assert cli.main(["coverage"]) == 0
    assert capsys.readouterr().out.startswith("# Languages\n")
    (given / "dev.json").write_text("no JSON", encoding="utf-8")
    assert cli.main(["coverage", "--report", str(given / "dev.json")]) == 1
    assert "dev.json cannot be read" in capsys.readouterr().err


def test_a_language_with_figures_has_its_interval_in_the_page():
    found = coverage.MeasuredRecall(51.3, 40.0, 60.0, 16.5, 9)
    row = coverage.build("m", "e", ["sw"], {}, lambda texts: []).rows[0]
    table = coverage.Coverage("m", "e", "b, hash abc", (dataclasses.replace(row, dev=found),))
    assert "| 51.3 (40.0–60.0) | – |" in coverage_commands.to_markdown(table)
    assert json.loads(coverage_commands.to_json(table))["rows"][0]["dev"]["low"] == 40.0


def test_the_share_of_known_words_counts_forms_and_leaves_english_out():
    table = build([Sense("dog", "de", "Hund", 3, True), Sense("cat", "sw", "paka", 3, True)], least=1)
    texts = [("de", "Hunde bellen"), ("de", "Hund"), ("sw-KE", "paka"), ("en", "dog"), ("fr", "chien")]
    known = coverage_commands.words_known(LexiconReader(table), texts)
    assert known == {"de": pytest.approx(2 / 3, abs=1e-3), "sw-KE": 1.0, "fr": 0.0}
    rows = coverage.build("m", "e", ["de", "sw"], {}, lambda texts: [], (), {"de": 1200}, known).rows
    assert [(row.code, row.remembered, row.words_known) for row in rows] == [("de", 1200, 0.667), ("sw", 0, None)]
    page = coverage_commands.to_markdown(coverage.Coverage("m", "e", "b", rows))
    assert "| 1,200 | 67 % | – | – |" in page
