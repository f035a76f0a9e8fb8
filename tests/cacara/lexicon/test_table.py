"""The table: what is written comes back, in files of bounded size, without a word of another language."""

from __future__ import annotations

import lzma

import pytest

from cacara.errors import LexiconError
from cacara.lexicon import table as lexicon_table
from training.data.lexicon.table import Sense, build

SENSES = [
    Sense("dog", "sw", "mbwa", 5, False),
    Sense("dog", "uk", "собака", 3, False),
    Sense("bat", "de", "Fledermaus", 3, True),
    Sense("flying mouse", "de", "Fledermaus", 1, True),
    Sense("fire engine", "de", "Feuerwehr Auto", 2, True),
    Sense("house", "de", "Haus", 9, True),
]


def rows_of(table, key):
    (rows,) = table.find([key])
    return {table.languages[table.entry_languages[row]]: row for row in rows}


def test_a_table_comes_back_as_it_was_written(tmp_path):
    made = build(SENSES, {"by": "test"}, least=1)
    lexicon_table.write(tmp_path / "lexicon", made)
    back = lexicon_table.read(tmp_path / "lexicon")
    assert (back.vocabulary, back.languages, back.facts) == (made.vocabulary, made.languages, made.facts)
    for name in ("fingerprints", "entry_languages", "senses", "weights", "strict"):
        ours, theirs = getattr(back, name), getattr(made, name)
        assert ours.dtype == theirs.dtype and (ours == theirs).all(), name
    assert not back.weights.flags.writeable


def test_equal_senses_in_another_order_give_equal_files(tmp_path):
    for name, senses in (("one", SENSES), ("two", SENSES[::-1])):
        lexicon_table.write(tmp_path / name, build(senses, least=1))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_no_word_of_another_language_stands_in_the_files(tmp_path):
    lexicon_table.write(tmp_path, build(SENSES, least=1))
    content = b"".join(
        lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes() for path in tmp_path.iterdir()
    )
    assert b"dog" in content
    for sense in SENSES:
        assert sense.text.encode() not in content and sense.text.casefold().encode() not in content


def test_strict_drops_senses_and_studio_keeps_them():
    table = build(SENSES, least=1)
    dog, bat = rows_of(table, "mbwa")["sw"], rows_of(table, "fledermaus")["de"]
    assert table.under("studio").weights[dog].any() and not table.under("strict").weights[dog].any()
    assert table.under("strict").weights[bat].tolist() == table.weights[bat].tolist()
    with pytest.raises(LexiconError, match="wanted one of studio, strict"):
        table.under("secret")


def test_a_language_with_few_words_is_left_out_and_the_others_are_counted():
    table = build(SENSES, least=2)
    assert table.languages == ("de",)
    assert table.facts["words"] == {"de": 3} and table.facts["words_strict"] == {"de": 3}


def test_words_are_counted_without_reading_the_table(tmp_path):
    assert lexicon_table.count_words(tmp_path / "none") == {}
    lexicon_table.write(tmp_path / "lexicon", build(SENSES, least=1))
    assert lexicon_table.count_words(tmp_path / "lexicon") == {"de": 3, "sw": 1, "uk": 1}
    assert lexicon_table.count_words(tmp_path / "lexicon", "strict")["sw"] == 0


def test_collisions_are_counted_and_the_surer_word_stays(monkeypatch):
    monkeypatch.setattr(lexicon_table, "fingerprint", lambda key: 7)
    table = build([Sense("dog", "sw", "mbwa", 5, True), Sense("goat", "sw", "mbuzi", 3, True)], least=1)
    assert table.facts["collisions"] >= 1 and len(table) == 1
    assert table.vocabulary[table.senses[0, 0]] == "dog"


def test_a_file_over_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(lexicon_table, "MAX_FILE_BYTES", 60)
    with pytest.raises(LexiconError, match="too large; wanted at most 60 bytes a file"):
        lexicon_table.write(tmp_path, build(SENSES, least=1))


@pytest.mark.parametrize(
    "name", [*(f"{column}.xz" for column in lexicon_table.COLUMNS), "vocabulary.xz", "lexicon.json"]
)
def test_a_damaged_file_is_told(tmp_path, name):
    lexicon_table.write(tmp_path, build(SENSES, least=1))
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(LexiconError, match="cannot be read|is damaged"):
        lexicon_table.read(tmp_path)
