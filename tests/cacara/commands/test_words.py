"""``python -m cacara words``: teaching, listing and taking back."""

from __future__ import annotations

import json

import pytest

from cacara import __main__ as cli
from cacara.lexicon import PersonalWords


@pytest.fixture
def run(tmp_path, capsys):
    def run(action, *arguments):
        code = cli.main(["words", action, *map(str, arguments), "--words", str(tmp_path / "words.jsonl")])
        return code, capsys.readouterr()

    return run


def test_words_are_added_listed_and_taken_back(run, tmp_path):
    assert run("add", "sw", "tembo", "elephant", "--source", "elders", "--by", "amina")[0] == 0
    assert run("wrong", "de", "Schläger", "bat")[0] == 0
    listed = run("list")[1].out
    assert "sw: tembo → elephant  (elders · amina" in listed and "de: Schläger ≠ bat" in listed
    (entry,) = json.loads(run("list", "--language", "sw", "--json")[1].out)["words"]
    assert run("remove", entry["word_id"][:8])[1].out == "1 entries taken away\n"
    assert [word.text for word in PersonalWords(tmp_path / "words.jsonl").read()] == ["Schläger"]


def test_a_list_is_imported_exported_and_taken_back(run, tmp_path):
    table = tmp_path / "pairs.tsv"
    table.write_text("dog\tgwok\nelephant\tlyec\n?\t?\n")
    code, told = run("import", table, "--language", "ach")
    assert code == 0 and told.out.startswith("2 entries taught, list ") and "1 rows left out" in told.out
    assert "columns: english, text" in told.err and "line 3 left out: empty" in told.err
    assert run("export", tmp_path / "out.tsv")[0] == 0
    assert "ach\tgwok\tdog\t\tpairs.tsv\t" in (tmp_path / "out.tsv").read_text()
    list_id = told.out.split("list ")[1].split(";")[0]
    assert run("remove", list_id)[1].out == "2 entries taken away\n"
    assert run("import", tmp_path / "out.tsv")[1].out.startswith("2 entries taught")


def test_what_names_nothing_is_an_error(run):
    code, told = run("remove", "abc")
    assert code == 1 and told.err == "error: 'abc' names 0 entries; wanted the id of one, or of a list\n"
