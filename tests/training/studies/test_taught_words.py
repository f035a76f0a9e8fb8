"""The study of taught words: whose pairs are drawn, in which order, and that the languages are forgotten before."""

from __future__ import annotations

import pytest

from cacara.lexicon import LexiconReader
from training.data.lexicon.table import Sense, build
from training.studies import taught_words

PAIRS = {
    "ak": {"dog": "kraman", "house": "fie", "rain": "nsuo", "the sun is hot": "owia no mu yɛ hyew"},
    "sw": {"dog": "mbwa"},
}


@pytest.fixture
def gatitos(tmp_path, monkeypatch):
    (tmp_path / "gatitos").mkdir()
    for code, rows in PAIRS.items():
        lines = "".join(f"{english}\t{text}\n" for english, text in rows.items())
        (tmp_path / "gatitos" / f"en_{code}.tsv").write_text(lines, encoding="utf-8")
    monkeypatch.setattr(taught_words.sources, "fetch_all", lambda keys: dict.fromkeys(keys, tmp_path))


def test_pairs_of_the_languages_are_drawn_by_seed_words_of_sounds_first(gatitos):
    names = ["Dog", "Rain on surface", "Bark (dog)"]
    lists, again = taught_words._lists(names), taught_words._lists(names)
    assert set(lists) == {(order, seed) for order in taught_words.ORDERS for seed in taught_words.SEEDS}
    for (order, _), rows in lists.items():
        assert sorted(word.english for word in rows["ak"]) == ["dog", "house", "rain"] and rows["ba"] == []
        assert order != "sounds" or [word.english for word in rows["ak"]][-1] == "house"
    drawn = {tuple(word.text for word in lists["random", seed]["ak"]) for seed in taught_words.SEEDS}
    assert len(drawn) > 1
    assert [[word.about for word in rows["ak"]] for rows in lists.values()] == [
        [word.about for word in rows["ak"]] for rows in again.values()
    ]


def test_a_memory_forgets_the_languages_and_no_other():
    table = build([Sense("dog", "ak", "kraman", 3, True), Sense("dog", "sw", "mbwa", 3, True)], least=1)
    reader = LexiconReader(taught_words._without_languages(table))
    assert reader.read("kraman", "ak").words == () and len(reader.read("mbwa", "sw").words) == 1
