"""Reading texts by a lexicon: spellings, phrases, forms, compounds, writing without spaces, and unknown languages."""

from __future__ import annotations

import pytest

from cacara.lexicon import LexiconReader, word_forms
from cacara.lexicon.language_evidence import LanguageEvidence
from training.data.lexicon.table import Sense, build

WORDS = {
    "sw": {"mbwa": "dog", "paka": "cat", "mvua kubwa": "downpour"},
    "uk": {"собака": "dog", "вода": "water"},
    "de": {"Hund": "dog", "Feuer": "fire", "Wehr": "defence", "Tür": "door", "Haus": "house"},
    "fi": {"koira": "dog"},
    "ar": {"كلب": "dog", "سيارة": "car"},
    "he": {"כלב": "dog"},
    "tr": {"ışık": "light", "inek": "cow"},
    "ko": {"개": "dog", "소방차": "fire engine", "고양이": "cat", "소리": "sound", "짖다": "bark"},
    "ja": {"犬": "dog", "いぬ": "dog", "吠える": "bark", "は": "leaf"},
    "zh": {"消防车": "fire engine", "消防": "firefighting", "车": "car", "狗": "dog", "叫": "call"},
    "th": {"หมา": "dog", "เห่า": "bark"},
    "fr": {"chat": "cat", "chien": "dog", "homme": "man"},
    "vo": {"dog": "dog (animal)"},
}
TABLE = build([Sense(e, code, text, 3, True) for code, rows in WORDS.items() for text, e in rows.items()], least=1)
READER = LexiconReader(TABLE)


def meanings(text, language):
    return [READER.senses(word)[0][0] for word in READER.read(text, language).words]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("sw", "MBWA!", ["dog"]),
        ("sw", "mvua kubwa", ["downpour"]),  # the longest phrase
        ("sw-KE", "mbwa na paka", ["dog", "cat"]),
        ("ar", "كـلـب", ["dog"]),  # tatweel
        ("ar", "كَلْب", ["dog"]),  # points
        ("ar", "والكلب", ["dog"]),
        ("ar", "سيارات", ["car"]),
        ("he", "הַכֶּלֶב", ["dog"]),
        ("he", "כלבים", ["dog"]),
        ("tr", "IŞIK", ["light"]),
        ("tr", "İNEK", ["cow"]),
        ("uk", "собаки", ["dog"]),
        ("uk", "собакою", ["dog"]),
        ("fi", "koiran", ["dog"]),
        ("de", "Hunde", ["dog"]),
        ("de", "Haustür", ["house", "door"]),
        ("fr", "l’homme", ["man"]),
        ("ko", "개가", ["dog"]),
        ("ko", "고양이소리", ["cat", "sound"]),
        ("ko", "소방차를", ["fire engine"]),
        ("ko", "개는 짖는다", ["dog", "bark"]),
        ("ja", "犬は吠える", ["dog", "bark"]),
        ("zh-Hans", "消防车", ["fire engine"]),
        ("zh", "狗叫", ["dog", "call"]),
        ("yue", "狗", ["dog"]),
        ("th", "หมาเห่า", ["dog", "bark"]),
    ],
)
def test_words_are_found_in_the_forms_that_people_write(language, text, expected):
    assert meanings(text, language) == expected


@pytest.mark.parametrize(("language", "text"), [("sw", "xyz"), ("xx", "mbwa"), ("sw", "?!"), ("de", "Hu")])
def test_what_is_not_known_is_not_guessed(language, text):
    reading = READER.read(text, language)
    assert reading.words == () and reading.found == 0.0


def test_found_counts_words_by_how_far_they_are_to_be_believed():
    assert READER.read("mbwa", "sw").found == 1.0
    assert READER.read("mbwa qqqq", "sw").found == 0.5
    assert 0.5 < READER.read("собаки", "uk").found < 1.0


def test_a_word_held_out_under_strict_is_unknown():
    table = build([Sense("dog", "sw", "mbwa", 3, False), Sense("cat", "sw", "paka", 3, True)], least=1)
    strict = LexiconReader(table.under("strict"))
    assert [word.surface for word in strict.read("mbwa paka", "sw").words] == ["paka"]


def test_the_table_tells_the_language_of_words_that_letters_do_not():
    evidence = LanguageEvidence(TABLE)
    assert next(iter(evidence.of("mbwa"))) == "sw"
    assert next(iter(evidence.of("dog"))) == "en"
    assert evidence.of("chat chien")["fr"] > 0.9
    assert evidence.of("?!") == {}


def test_keys_are_equal_however_a_word_is_written():
    assert word_forms.key("Café", "fr") == word_forms.key("CAFE\u0301", "fr") == "café"
    assert word_forms.key("it’s  a «dog»") == "it's a dog"
    assert word_forms.key("I", "tr") == "ı" != word_forms.key("I", "de")


def test_stems_are_no_words():
    assert word_forms.stem_key("собака", "uk") == word_forms.ROOT + "собак"
    assert word_forms.stem_key("Hunde".lower(), "de") == word_forms.STEM + "hund"
    assert word_forms.stem_key("kot", "pl") == word_forms.STEM + "kot"
    assert word_forms.stem_key("mẹo", "vi") is None
