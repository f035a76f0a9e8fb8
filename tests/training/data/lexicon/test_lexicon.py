from __future__ import annotations

import json
from pathlib import Path

import pytest

from cacara.benchmark.dataset import benchmark_file
from cacara.errors import ManifestError, SourceError
from training.data.benchmarks import held_out
from training.data.lexicon import lexicon, scripts
from training.data.lexicon.lexicon import LexiconRow

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


@pytest.fixture
def folders(tmp_path) -> dict[str, Path]:
    """GATITOS, Panlexia and Frigate in Swahili, with senses that agree and senses that do not."""
    words = "dog\tmbwa\nhorn\tpembe\nangle\tpembe\nroof\tpaa\nburning\tmoto\nshit\tmavi\nradio\tredio\nglue\tgundi\n"
    write(
        tmp_path / "gatitos/gatitos/en_sw.tsv",
        words + "gum\tgundi\nresin\tgundi\nlamp\ttaa\ncoffee\tcoffee ya asubuhi\n",
    )
    rows = "dog.n.01\t\tMbwa\nhorn.n.02\t\tpembe\ngazelle.n.01\t\tpaa\nfires.n.01\t\tmoto\nSwahili.n.01\t\tKiswahili\n"
    listed = "".join(f"PWN:{row}\n" for row in rows.splitlines())
    write(tmp_path / "panlexia/dict/S/swh.tsv", "id\tstyle\tword\n" + listed)
    root = tmp_path / "frigate-names/web/public/locales"
    write(root / "en/audio.json", json.dumps({"fire": "Fire", "gum": "Gum"}))
    write(root / "en/objects.json", "{}")
    write(root / "sw/audio.json", json.dumps({"fire": "Moto", "gum": "moto wa moto"}))
    write(root / "sw/objects.json", "{}")
    return {key: tmp_path / key for key in ("gatitos", "panlexia", "frigate-names")}


def senses(rows, text: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(row.english, row.sources) for row in rows if row.text.casefold() == text]


def test_senses_that_two_sources_share_are_kept_and_others_of_the_word_dropped(folders):
    rows = list(lexicon.merge(folders))
    assert LexiconRow("dog", "sw", "Mbwa", ("gatitos", "panlexia"), "noun", 0) in rows
    assert senses(rows, "pembe") == [("horn", ("gatitos", "panlexia"))]
    # "fires" and "Fire" are one sense; "burning" is given by one source.
    assert senses(rows, "moto") == [("fire", ("frigate-names", "panlexia"))]


def test_of_a_word_without_a_shared_sense_the_first_are_kept(folders):
    rows = list(lexicon.merge(folders))
    assert senses(rows, "paa") == [("gazelle", ("panlexia",)), ("roof", ("gatitos",))]
    assert len(senses(rows, "gundi")) == lexicon.UNSHARED


def test_abbreviations_and_buttons_are_left_out_and_articles_taken_off(tmp_path):
    rows = "b. fl.n.01\t\tflûte\nfl.n.01\t\tflûte\nflute.n.01\t\tune flûte\nclef.n.01\t\tla clef\n"
    write(tmp_path / "dict/F/fra.tsv", "id\tstyle\tword\n" + "".join(f"PWN:{row}\n" for row in rows.splitlines()))
    found = lexicon.merge({"panlexia": tmp_path})
    assert [(row.english, row.text) for row in found] == [("flute", "flûte")]  # "la clef" holds English as it was


def test_names_keep_their_capitals_and_unfit_entries_are_left_out(folders):
    rows = list(lexicon.merge(folders))
    assert senses(rows, "kiswahili") == [("Swahili", ("panlexia",))]
    assert [lexicon._holds(text, "door") for text in ("doorbell kapı zili", "kapı", "doordash")] == [True, False, False]
    assert senses(rows, "mavi") == [] and senses(rows, "coffee ya asubuhi") == []
    assert [row.rank for row in rows if row.text == "paa"] == [0, 1]
    keys = [(row.language, row.text.casefold(), row.rank) for row in rows]
    assert keys == sorted(keys) and rows == list(lexicon.merge(folders))


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("th", "หมา", ("th", "หมา")),
        ("th", "maa", None),  # a romanisation
        ("sr", "pas", ("sr-Latn", "pas")),
        ("sr", "пас", ("sr", "пас")),
        ("ar", "كَلْب", ("ar", "كلب")),
        ("ja", "犬", ("ja", "犬")),
        ("ko", "犬", None),
        ("zh", "π", None),
        ("zh-Hant", "狗", ("zh-Hant", "狗")),
        ("bm-Nkoo", "wulu", None),
        ("uz", "ит", ("uz-Cyrl", "ит")),
        ("ru", "соба́ка", ("ru", "собака")),
        ("sw", "…", None),
        ("sjd", "пӣннэ", ("sjd", "пӣннэ")),  # of no known script
    ],
)
def test_a_word_is_checked_against_the_script_of_its_language(language, text, expected):
    assert scripts.placed(language, text) == expected


@pytest.fixture
def tuxpaint(tmp_path, monkeypatch) -> Path:
    """The texts of two stamps that the benchmark of pictures has."""

    stamps = [row for row in benchmark_file.read(BENCHMARKS / "images-v1.jsonl").images if row.split != "train"]
    for number, row in enumerate(stamps):
        write(tmp_path / "tuxpaint" / row.texts, f"Thing {number}.\nsw.utf8=Kitu {number} cha {row.split}\n")
    return tmp_path / "tuxpaint"


def test_policies_keep_out_concepts_and_strings_of_every_benchmark(tuxpaint):
    held = held_out.read(BENCHMARKS / "sounds-v1.jsonl", BENCHMARKS / "images-v1.jsonl", tuxpaint)
    tests = [string for number in range(2000) for string in [f"Kitu {number} cha test"]]
    string = next(text for text in tests if not held.allows("chair", text, "studio"))
    assert not held.allows("chair", string, "strict")
    for english in ("dogs", "wolf", "keyboard typing", "Airplane", "sea waves", "sneeze", "chainsaw"):
        assert not held.allows(english, "neno", "strict"), english
        assert held.allows(english, "neno", "studio")
    assert held.allows("philosophy", "falsafa", "strict") and held.allows("poodle", "mbwa mdogo", "strict")


def test_the_lexicon_of_a_policy_needs_a_known_one_and_the_strings_to_leave_out(folders, tuxpaint):
    paths = (BENCHMARKS / "sounds-v1.jsonl", BENCHMARKS / "images-v1.jsonl")
    known = [row.english for row in lexicon.build({**folders, "tuxpaint": tuxpaint}, "studio", *paths)]
    unknown = [row.english for row in lexicon.build({**folders, "tuxpaint": tuxpaint}, "strict", *paths)]
    assert "dog" in known and set(known) - set(unknown) == {"dog", "fire", "horn"}
    with pytest.raises(ManifestError, match="unknown policy 'loose'; wanted one of strict, studio"):
        list(lexicon.build({**folders, "tuxpaint": tuxpaint}, "loose", *paths))
    with pytest.raises(SourceError, match="the lexicon needs the source tuxpaint"):
        list(lexicon.build(folders, "studio", *paths))
