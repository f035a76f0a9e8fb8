from __future__ import annotations

import concurrent.futures
import subprocess
import sys
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cacara.errors import LanguageError
from cacara.languages import base, describe, detect, direction_of, named, normalise, script_of
from cacara.languages import detection as language_detection

SPELLINGS = {
    "pt_BR": "pt-BR",
    "pt": "pt",
    "pt_PT": "pt-PT",
    "PT-br": "pt-BR",
    "en_GB": "en-GB",
    "en_US.UTF-8": "en-US",
    "de_DE.utf8@euro": "de-DE",
    "zh": "zh",
    "zh_CN": "zh-Hans",
    "zh_SG": "zh-Hans",
    "zh_TW": "zh-Hant",
    "zh_HK": "zh-Hant",
    "zh-Hant-TW": "zh-Hant",
    "zho_Hans": "zh-Hans",
    "cmn": "zh",
    "yue": "yue",
    "iw": "he",
    "in": "id",
    "ji": "yi",
    "mo": "ro",
    "sh": "sr-Latn",
    "no": "nb",
    "no_NO": "nb-NO",
    "nn": "nn",
    "tl": "fil",
    "fil": "fil",
    "eng": "en",
    "sr@latin": "sr-Latn",
    "sr_RS@latin": "sr-Latn-RS",
    "sr@Latin": "sr-Latn",
    "uz@cyrillic": "uz-Cyrl",
    "ca@valencia": "ca-valencia",
    "ca_ES@valencia": "ca-ES-valencia",
    "be@tarask": "be-tarask",
    "es_419": "es-419",
    "shs": "shs",
    "bgn": "bgn",
    "xx": "xx",
    "x-foo": "x-foo",
    "X_Foo_Bar": "x-foo-bar",
    "de-x-kiez": "de-x-kiez",
    "zh_TW-x-home": "zh-Hant-x-home",
    "hy-arevmda": "hyw",
}
NOT_CODES = [
    *("", " ", "C", "POSIX", "root", "English", "português", "und", "mul", "zxx", "en ", "en\n", "pt_", "pt BR", "_BR"),
    *(
        "en@quot",
        "sr@",
        "sr_Cyrl@latin",
        "en-US-US",
        "x-",
        "en-x",
        "en-x-muchtoolong",
        "../../etc/passwd",
        "<script>",
        "日本",
    ),
    *("ſl", "𝖊𝖓", "en\x00", "\ud800", "e" * 100_000, "en" + "-abcde" * 20_000),
]
SENTENCES = {
    "am": "የአሜሪካ አንድ ሳንቲም",
    "ar": "كلب ينبح في الليل",
    "de": "Der Hund bellt.",
    "el": "Ένας σκύλος που γαβγίζει",
    "en": "The rain is falling on the roof of our house.",
    "eu": "Txakur bat zaunka ari da",
    "fa": "سگی که پارس می‌کند",
    "fr": "Un chien aboie.",
    "gu": "કૂતરો ભસે છે",
    "he": "כלב נובח",
    "hi": "कुत्ता भौंक रहा है",
    "hy": "Շունը հաչում է",
    "ja": "犬が吠えている",
    "ka": "ძაღლი ყეფს",
    "km": "ឆ្កែព្រុស",
    "ko": "개가 짖고 있다",
    "nl": "Een blaffende hond in de regen.",
    "pl": "Szczekający pies na podwórku",
    "pt": "Um cachorro latindo na chuva",
    "ru": "Собака лает",
    "sw": "Mbwa anabweka wakati wa usiku",
    "ta": "நாய் குரைக்கிறது",
    "th": "สุนัขเห่า",
    "tr": "Köpek havlıyor",
    "uk": "Собака гавкає на подвір'ї",
    "vi": "Một con chó đang sủa",
    "zh": "狗在叫",
    "zu": "Inja iyakhonkotha ebusuku",
}


@pytest.mark.parametrize(("spelling", "code"), SPELLINGS.items())
def test_a_locale_spelling_becomes_bcp_47(spelling: str, code: str):
    assert normalise(spelling) == code


@pytest.mark.parametrize("spelling", NOT_CODES, ids=lambda text: ascii(text[:12]))
def test_what_is_no_language_code_is_refused_with_a_short_message(spelling: str):
    with pytest.raises(LanguageError, match="is not a language code; ") as refusal:
        normalise(spelling)
    assert len(str(refusal.value)) < 400


def test_an_unknown_modifier_is_answered_with_the_known_ones():
    with pytest.raises(LanguageError, match="'cyrillic'.*'latin'.*'valencia'"):
        normalise("sr@klingon")


_subtags = st.one_of(
    st.sampled_from(
        ["zh", "sr", "no", "tl", "in", "Latn", "Hans", "TW", "BR", "valencia", "latin", "419", "1996", "min"]
    ),
    st.text("abcdefghijklmnopqrstuvwxyzABXYZ0189", min_size=1, max_size=9),
)
_spelled_codes = st.builds(
    lambda parts, separators: "".join(p + s for p, s in zip(parts, [*separators, ""], strict=False)),
    st.lists(_subtags, min_size=1, max_size=5),
    st.lists(st.sampled_from("-_@."), min_size=4, max_size=4),
).map(lambda text: text.rstrip("-_@."))


@settings(deadline=None)  # the first example loads the data
@given(st.one_of(st.text(max_size=80), _spelled_codes))
@example("ZH-MIN")  # older than BCP-47: langcodes keeps it as a private part
def test_normalising_is_idempotent_and_refuses_only_with_a_language_error(text: str):
    try:
        code = normalise(text)
    except LanguageError:
        return
    assert normalise(code) == code
    assert normalise(code.replace("-", "_").upper()) == code
    assert describe(code).code == code
    assert code.startswith(base(code))


def test_the_base_is_the_language_without_country_or_script():
    assert [base(code) for code in ("pt_BR", "zh_TW", "sr@latin", "fil", "no_NO")] == ["pt", "zh", "sr", "fil", "nb"]
    assert [base(code) for code in ("de-x-kiez", "x-foo")] == ["de", "x-foo"], "two private languages are not one"


@pytest.mark.parametrize(
    ("name", "code"),
    [("Swahili", "sw"), ("Kiswahili", "sw"), ("Deutsch", "de"), ("Acholi", "ach"), ("Brazilian Portuguese", "pt-BR")],
)
def test_a_name_is_answered_with_its_code(name: str, code: str):
    assert named(name) == code
    with pytest.raises(LanguageError, match=f"'{name}' is not a language code; did you mean '{code}'"):
        normalise(name)
    assert named("mbwa") is named("") is named("x" * 100_000) is None


@pytest.mark.parametrize(
    ("code", "english_name", "autonym", "script", "direction"),
    [
        ("pt_BR", "Portuguese (Brazil)", "português (Brasil)", "Latn", "ltr"),
        ("zh_TW", "Chinese (Traditional)", "中文（繁體）", "Hant", "ltr"),
        ("ar", "Arabic", "العربية", "Arab", "rtl"),
        ("bgn", "Western Balochi", "بلوچی (رخشانی)", "Arab", "rtl"),
        ("he", "Hebrew", "עברית", "Hebr", "rtl"),
        ("dv", "Divehi", "Divehi", "Thaa", "rtl"),
        ("am", "Amharic", "አማርኛ", "Ethi", "ltr"),
        ("km", "Khmer", "ខ្មែរ", "Khmr", "ltr"),
        ("qu", "Quechua", "Runasimi", "Latn", "ltr"),
        ("yo", "Yoruba", "Èdè Yorùbá", "Latn", "ltr"),
        ("zu", "Zulu", "isiZulu", "Latn", "ltr"),
        ("eu", "Basque", "euskara", "Latn", "ltr"),
        ("ast", "Asturian", "asturianu", "Latn", "ltr"),
        ("ca@valencia", "Catalan (valencia)", "català (valencia)", "Latn", "ltr"),
        ("pa_Arab", "Punjabi (Arabic)", "پنجابی (عربی)", "Arab", "rtl"),
        ("ach", "Acoli", "Acoli", "Latn", "ltr"),
        ("aii", "Assyrian Neo-Aramaic", "Assyrian Neo-Aramaic", "Syrc", "rtl"),
        ("hy-arevmda", "Western Armenian", "Western Armenian", "Armn", "ltr"),
        ("acm", "Mesopotamian Arabic", "Mesopotamian Arabic", "Arab", "rtl"),
        ("mhr", "Eastern Mari", "Mari", "Cyrl", "ltr"),
        ("de-x-kiez", "German (x-kiez)", "Deutsch (x-kiez)", "Latn", "ltr"),
        ("x-foo", "x-foo", "x-foo", "Zzzz", "ltr"),
    ],
)
def test_a_language_is_described(code: str, english_name: str, autonym: str, script: str, direction: str):
    language = describe(code)
    assert (language.english_name, language.autonym, language.script, language.direction) == (
        english_name,
        autonym,
        script,
        direction,
    )


def test_an_unknown_but_well_formed_code_is_named_by_itself():
    language = describe("xx_yy")
    assert (language.code, language.english_name, language.autonym) == ("xx-YY", "xx-YY", "xx-YY")
    assert (language.script, language.direction) == ("Zzzz", "ltr")


@pytest.mark.parametrize(("language", "text"), SENTENCES.items())
def test_a_sentence_is_recognised(language: str, text: str):
    assert detect(text).language == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        *(("개", "ko"), ("ネ", "ja"), ("ぬ", "ja"), ("ฝ", "th"), ("ឆ", "km"), ("ໝ", "lo"), ("შ", "ka"), ("Շ", "hy")),
        *(("γ", "el"), ("ன", "ta"), ("క", "te"), ("ಕ", "kn"), ("ക", "ml"), ("ક", "gu"), ("ਕ", "pa"), ("କ", "or")),
        *(("ක", "si"), ("က", "my"), ("ކ", "dv"), ("ᏣᎳᎩ", "chr"), ("ᱥ", "sat"), ("ߒ", "nqo")),
    ],
)
def test_one_letter_is_enough_where_one_language_uses_the_script(text: str, language: str):
    assert detect(text) == language_detection.Detection(language, 1.0)


def test_regional_forms_answer_with_the_base_language():
    assert detect("Um trem chegando na estação, com ônibus").language == "pt"
    assert detect("Um comboio a chegar à estação, com autocarros").language == "pt"
    assert detect("美國的二角五分錢").language == detect("美元二十五分硬币").language == "zh"


def test_of_two_that_are_nearly_as_likely_the_one_that_far_more_people_speak_is_answered():
    assert detect("mbwa anabweka").language == "sw", "Luganda is a little likelier to py3langid"
    assert detect("Inja iyakhonkotha").language == "zu", "not where the other has about as many speakers"
    assert detect("Omwana asoma ekitabo mu kibuga").language == "lg", "not where it is far likelier"


@pytest.mark.parametrize("text", ["dog", "a", "犬", "ok", "cat кот", "ᓴᓐᓯ", "ⴰⵣⵓⵍ", "qwrtpsdfgh"])
def test_detection_abstains_rather_than_guesses(text: str):
    detection = detect(text)
    assert detection.language is None
    assert 0.0 <= detection.confidence < language_detection.ANSWER_FROM


@pytest.mark.parametrize("text", ["", " \n", "😀🐕‍🦺", "12 345", "?!…", "\ud800", "\x00", "ʼ", "\u0301" * 9])
def test_text_without_letters_has_no_language_no_script_and_runs_left_to_right(text: str):
    assert detect(text) == language_detection.Detection(None, 0.0)
    assert (script_of(text), direction_of(text)) == ("Zyyy", "ltr")


@settings(deadline=None)  # the first example loads the data
@given(st.text(max_size=60))
def test_any_text_is_answered_with_a_normal_base_code_or_none(text: str):
    detection = detect(text)
    assert 0.0 <= detection.confidence <= 1.0
    assert detection.language is None or base(detection.language) == detection.language
    assert direction_of(text) in ("ltr", "rtl")


def test_every_language_that_can_be_detected_is_spelled_as_normalise_spells_it():
    labels = {language_detection._LABELS.get(label, label) for label in language_detection._identifier().labels}
    detectable = labels - {language_detection._NO_LANGUAGE} | set(language_detection._LANGUAGE_OF_SCRIPT.values())
    assert [code for code in sorted(detectable) if base(code) != code] == []
    assert len(detectable) > 140


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10_000,
        "Der Hund bellt. " * 625,
        "狗在叫" * 3_333,
        "\ufdfa" * 10_000,
        "".join(map(chr, range(0x4E00, 0x7510))),
    ],
)
def test_ten_thousand_characters_are_answered_in_milliseconds(text: str):
    detect("warm up")
    seconds = []
    for _ in range(5):
        start = time.process_time()
        detect(text)
        direction_of(text)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.01


@pytest.mark.parametrize(
    ("text", "script", "direction"),
    [
        ("Der Hund", "Latn", "ltr"),
        ("ＤＯＧ", "Latn", "ltr"),
        ("собака", "Cyrl", "ltr"),
        ("كلب ينبح", "Arab", "rtl"),
        ("כלב dog נובח", "Hebr", "rtl"),
        ("狗在叫", "Hani", "ltr"),
        ("犬が吠える", "Jpan", "ltr"),
        ("개犬", "Kore", "ltr"),
        ("कुत्ता", "Deva", "ltr"),
        ("ᓴᓐᓯ", "Cans", "ltr"),
        ("ކުއްތާ", "Thaa", "rtl"),
        ("𐤀𐤁", "Zzzz", "ltr"),
    ],
)
def test_the_script_of_most_letters_decides_the_direction(text: str, script: str, direction: str):
    assert (script_of(text), direction_of(text)) == (script, direction)


def test_threads_that_ask_at_once_share_one_detector():
    language_detection._identifier.cache_clear()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(detect, ["Der Hund bellt."] * 16))
    assert len(set(answers)) == 1
    assert language_detection._identifier.cache_info().misses == 1


def test_importing_loads_neither_the_detector_nor_the_names():
    code = (
        "import sys, cacara.languages; print({'py3langid', 'langcodes', 'language_data', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
