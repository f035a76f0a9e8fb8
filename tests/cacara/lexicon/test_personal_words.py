"""Personal words: what people taught and took back, kept in one file by any number of processes."""

from __future__ import annotations

import multiprocessing

import pytest

from cacara.errors import LanguageError, LexiconError
from cacara.lexicon import LexiconReader, PersonalWord, PersonalWords
from cacara.lexicon.language_evidence import LanguageEvidence
from training.data.lexicon.table import Sense, build

TABLE = build(
    [
        Sense("dog", "sw", "mbwa", 3, True),
        Sense("cat", "sw", "paka", 3, True),
        Sense("dog", "es", "perro", 3, True),
        Sense("bat", "de", "Schläger", 3, True),
        Sense("racket", "de", "Schläger", 1, True),
        Sense("house", "de", "Haus", 3, True),
        Sense("door", "de", "Tür", 3, True),
    ],
    least=1,
)


def word(language, text, english, **others):
    return PersonalWord(language, text, english, **others)


def meanings(words, text, language):
    reader = LexiconReader(TABLE, words)
    return [[sense for sense, _ in reader.senses(found)] for found in reader.read(text, language).words]


@pytest.fixture
def store(tmp_path):
    return PersonalWords(tmp_path / "models" / "words.jsonl")


def test_what_was_added_is_there_for_whoever_reads_the_file_next(store):
    assert store.read() == ()
    new = store.add([word("sw", "Tembo", "elephant", source="our list", annotator="amina")])
    assert PersonalWords(store.path).read() == new == store.read()
    assert store.read() is store.read()
    assert (new[0].key, new[0].source, new[0].annotator) == ("tembo", "our list", "amina")


def test_of_the_same_pair_the_last_entry_counts_and_undoing_it_brings_back_the_one_before(store):
    (taught,) = store.add([word("sw", "tembo", "elephant")])
    assert store.add([word("sw", "TEMBO", "Elephant")]) == ()
    (wrong,) = store.add([word("sw", "tembo", "elephant", wrong=True)])
    assert meanings(store.read(), "tembo", "sw") == []
    assert store.remove([wrong.word_id]) == (wrong,)
    assert store.read() == (taught,) and meanings(store.read(), "tembo", "sw") == [["elephant"]]


def test_a_list_is_taken_back_as_a_whole_and_leaves_no_trace(store):
    (kept,) = store.add([word("sw", "simba", "lion")])
    store.add([word("sw", text, "animal", list_id="abc") for text in ("twiga", "kiboko", "pundamilia")])
    assert len(store.remove_list("abc")) == 3
    assert store.read() == (kept,) and "twiga" not in store.path.read_text()


def _add(path, first):
    store = PersonalWords(path)
    for number in range(first, first + 20):
        store.add([word("sw", f"neno{number}", "word")])


def test_two_processes_may_write(store):
    store.add([word("sw", "mwanzo", "beginning")])
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add, args=(store.path, first)) for first in (0, 100)]
    for each in writers:
        each.start()
    for each in writers:
        each.join(60)
        assert each.exitcode == 0
    assert len(store.read()) == 41


def test_a_line_that_a_killed_process_left_unfinished_does_not_count(store):
    (kept,) = store.add([word("sw", "simba", "lion")])
    with store.path.open("a") as file:
        file.write('{"language": "sw", "tex')
    assert store.read() == (kept,)
    store.add([word("sw", "twiga", "giraffe")])
    assert [each.text for each in PersonalWords(store.path).read()] == ["simba", "twiga"]


def test_a_damaged_file_is_named_with_its_line(store):
    store.add([word("sw", "simba", "lion")])
    with store.path.open("a") as file:
        file.write("[]\n")
    with pytest.raises(LexiconError, match=r"words\.jsonl, line 2"):
        store.read()


@pytest.mark.parametrize(
    ("language", "text", "english", "error"),
    [
        ("en", "dog", "dog", "is English"),
        ("sw", "?!", "dog", "no letters"),
        ("sw", "mbwa mkubwa sana anabweka", "a big dog barks", "up to 3 words"),
        ("sw", "mbwa", " ", "letters"),
        ("sw", "mbwa", "d" * 101, "1 to 100"),
    ],
)
def test_what_cannot_be_remembered_is_refused(language, text, english, error):
    with pytest.raises(LexiconError, match=error):
        word(language, text, english)


def test_no_code_is_no_language():
    with pytest.raises(LanguageError):
        word("kiswahili?", "mbwa", "dog")


def test_a_taught_word_stands_in_place_of_the_tables_for_its_language_alone():
    words = [word("sw", "mbwa", "hound"), word("es", "gato", "cat"), word("es", "perro", "hound")]
    assert meanings(words, "mbwa na paka", "sw") == [["hound"], ["cat"]]
    assert meanings(words, "perro gato", "es") == [["hound"], ["cat"]]
    # Aragonese borrows the table's Spanish words, not those that were taught.
    assert meanings(words, "perro gato", "an") == [["dog"]]


def test_several_pairs_of_a_word_are_its_senses():
    words = [word("sw", "kiboko", "hippopotamus"), word("sw", "kiboko", "whip")]
    assert meanings(words, "kiboko", "sw") == [["hippopotamus", "whip"]]


def test_a_taught_word_is_found_in_its_forms_and_a_phrase_as_a_whole():
    assert meanings([word("uk", "жабка", "frog")], "жабкою", "uk") == [["frog"]]
    assert meanings([word("th", "ช้าง", "elephant")], "ช้างร้อง", "th") == [["elephant"]]
    words = [word("sw", "mbwa mwitu", "wolf")]
    assert meanings(words, "mbwa mwitu", "sw") == [["wolf"]] and meanings(words, "mbwa", "sw") == [["dog"]]


def test_a_word_is_taught_once_however_it_is_typed(store):
    (taught,) = store.add([word("ar", "كَلْب", "dog")])
    assert store.add([word("ar", "كـــلب", "dog")]) == ()
    assert taught.key == "كلب" and meanings(store.read(), "كلب", "ar") == [["dog"]]


@pytest.mark.parametrize("language", ["x-foo", "qaa", "tlh"])
def test_a_language_that_the_table_does_not_know_is_learnt(language):
    words = [word(language, "blorp", "dog"), word(language, "blorpi zu", "a very old typewriter")]
    assert meanings(words, "Blorp!", language) == [["dog"]]
    assert meanings(words, "blorpi zu", language) == [["a very old typewriter"]]
    assert meanings(words, "blorp", "sw") == []


def test_a_variant_reads_what_its_language_was_taught_and_not_the_other_way_round():
    words = [word("sw", "simba", "lion"), word("sw-KE", "matatu", "minibus"), word("de-x-swabian", "gsälz", "jam")]
    assert meanings(words, "simba matatu", "sw-KE") == [["lion"], ["minibus"]]
    assert meanings(words, "simba matatu", "sw") == [["lion"]]
    assert meanings(words, "gsälz", "de-x-swabian") == [["jam"]] and meanings(words, "gsälz", "de") == []


def test_a_wrong_sense_goes_and_the_others_stay():
    assert meanings([], "Schläger", "de") == [["bat", "racket"]]
    assert meanings([word("de", "Schläger", "bat", wrong=True)], "Schläger", "de") == [["racket"]]
    assert meanings([word("de", "Schläger", "ball", wrong=True)], "Schläger", "de") == [["bat", "racket"]]


def test_a_word_without_a_right_sense_means_nothing_nor_do_forms_of_it():
    wrong = [word("sw", "mbwa", "dog", wrong=True)]
    assert meanings(wrong, "mbwa paka", "sw") == [["cat"]]
    assert meanings([], "mbwani", "sw") == [["dog"]] and meanings(wrong, "mbwani", "sw") == []
    assert meanings([word("sw", "mbwani", "dog", wrong=True)], "mbwani mbwa", "sw") == [["dog"]]
    assert meanings([word("de", "Haustür", "house", wrong=True)], "Haustür Haus", "de") == [["house"]]


def test_a_taught_word_tells_its_language_and_no_other_text_is_told_otherwise():
    words = [word("x-foo", "blorp", "dog")]
    alone = LanguageEvidence(TABLE)
    taught = alone.under(LexiconReader(TABLE, words).layer)
    assert taught.of("blorp")["x-foo"] > 0.5
    for text in ("mbwa", "dog", "der Schläger", "zzz", "перо"):
        assert taught.of(text) == alone.of(text)
