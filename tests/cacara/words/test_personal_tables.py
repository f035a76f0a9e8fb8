"""Lists of personal words: as people bring them, and as they are written out and read back."""

from __future__ import annotations

import pytest

from cacara.errors import LexiconError, QueryError
from cacara.lexicon import PersonalWord
from cacara.words import personal_tables

WORDS = (
    PersonalWord("sw", "tembo", "elephant", source='a "list", ours', annotator="amina"),
    PersonalWord("x-foo", "#blorp", "dog", source="field notes"),
    PersonalWord("de", "Schläger", "bat", wrong=True),
)


def told(words):
    return [(each.language, each.text, each.english, each.wrong, each.source, each.annotator) for each in words]


def test_what_is_written_reads_back_with_its_source(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text(personal_tables.write(WORDS), encoding="utf-8")
    found = personal_tables.read_file(path, source="another")
    assert told(found.words)[:2] == told(WORDS)[:2]
    assert told(found.words)[2] == ("de", "Schläger", "bat", True, "another", "")
    assert len({each.list_id for each in found.words}) == 1 and found.faults == ()


def test_pairs_of_one_language_become_entries_and_sentences_are_counted(tmp_path):
    path = tmp_path / "Acholi list.csv"
    path.write_text("English,Acholi,source\ndog,gwok,x\nthe dog barks at night,gwok kok i otyeno woko,x\n,lyec,x\n")
    found = personal_tables.read_file(path, "ach")
    assert told(found.words) == [("ach", "gwok", "dog", False, "Acholi list.csv", "")]
    assert found.sentences == 1
    assert [(line, fault.kind) for line, fault in found.faults] == [(4, "empty")]
    assert found.preview.columns == (("English", "english"), ("Acholi", "text"))


def test_a_table_of_several_languages_names_its_bad_rows():
    found = personal_tables.read_text(
        "iso;word;gloss\nsw;tembo;elephant\n!?;a;b\nen;dog;dog\nfr;;cat\nach;lyec;elephant\n"
    )
    assert [(each.language, each.text) for each in found.words] == [("sw", "tembo"), ("ach", "lyec")]
    assert [(line, fault.kind) for line, fault in found.faults] == [(3, "language"), (4, "language"), (5, "empty")]


def test_pairs_want_a_language_that_is_not_english():
    with pytest.raises(QueryError, match="no language was given"):
        personal_tables.read_text("dog\tmbwa\n")
    with pytest.raises(LexiconError, match="English"):
        personal_tables.read_text("dog\tmbwa\n", "en-GB")


def test_a_dictionary_of_fieldworks_becomes_entries_a_gloss_each(tmp_path):
    path = tmp_path / "mine.lift"
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><lift version="0.13"><entry id="lyec_1"><lexical-unit><form lang="ach">'
        "<text>lyec</text></form></lexical-unit><sense id='s1'><gloss lang='en'><text>elephant; tusker</text></gloss>"
        "</sense></entry></lift>",
        encoding="utf-8",
    )
    found = personal_tables.read_file(path, "ach")
    assert [(each.text, each.english, each.source) for each in found.words] == [
        ("lyec", "elephant", "mine.lift"),
        ("lyec", "tusker", "mine.lift"),
    ]
