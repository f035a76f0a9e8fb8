from __future__ import annotations

import json

import pytest

from cacara.errors import CacaraError
from cacara.words.lexicon import Concept, Lexicon, bare_name


@pytest.fixture
def folders(tmp_path):
    names = {
        "en": {"🐕": "dog", "🎻": "violin"},
        "sw": {"🐕": "mbwa"},
        "en-AU": {"🐕": "↑↑↑"},
        "pt": {"🐕": "cachorro", "🎻": "violino"},
        "und": {"🐕": "dog"},
    }
    for locale, table in names.items():
        folder = tmp_path / "cldr" / locale
        folder.mkdir(parents=True)
        rows = {symbol: {"default": ["x"], "tts": [name]} for symbol, name in table.items()}
        (folder / "annotations.json").write_text(json.dumps({"annotations": {"annotations": rows}}), encoding="utf-8")
    stamps = tmp_path / "tuxpaint" / "animals"
    stamps.mkdir(parents=True)
    (stamps / "dog.txt").write_text("A dog.\nde.utf8=Ein Hund.\nsr@latin.utf8=Pas.\n", encoding="utf-8")
    return {"cldr": tmp_path / "cldr", "tuxpaint": tmp_path / "tuxpaint"}


def test_concepts_of_both_sources_are_listed_by_their_english_name(folders):
    assert Lexicon(folders).concepts == (
        Concept("cldr/🐕", "dog", "🐕"),
        Concept("tuxpaint/animals/dog", "dog"),
        Concept("cldr/🎻", "violin", "🎻"),
    )


def test_a_concepts_names_come_with_languages_english_first(folders):
    lexicon = Lexicon(folders)
    named = {key: [(each.language, each.text, each.concept) for each in lexicon.entries(key)] for key in
             ("cldr/🐕", "tuxpaint/animals/dog")}  # fmt: skip
    assert named["cldr/🐕"] == [("en", "dog", "dog"), ("pt", "cachorro", "dog"), ("sw", "mbwa", "dog")]
    assert named["tuxpaint/animals/dog"] == [("en", "A dog.", "dog"), ("de", "Ein Hund.", "dog"),
                                             ("sr-Latn", "Pas.", "dog")]  # fmt: skip


@pytest.mark.parametrize("key", ["", "cldr/x", "tuxpaint/../secret", "tuxpaint//etc/passwd", "nothing"])
def test_what_is_no_concept_is_refused_and_no_path_is_followed(folders, tmp_path, key):
    (tmp_path / "secret.txt").write_text("A secret.\n")
    with pytest.raises(CacaraError, match="no concept"):
        Lexicon(folders).entries(key)


def test_one_source_alone_will_do(folders):
    assert len(Lexicon({"cldr": folders["cldr"]}).concepts) == 2


def test_a_name_is_bared_of_article_and_full_stop():
    assert [bare_name(text) for text in ("A dog.", "an Owl", "The sea!", "another", " ")] == [
        "dog", "Owl", "sea", "another", "",
    ]  # fmt: skip


def test_concepts_are_named_in_a_language_or_its_base_and_those_without_a_name_left_out(folders):
    lexicon = Lexicon(folders)
    assert lexicon.names("pt-BR") == {"cldr/🐕": "cachorro", "cldr/🎻": "violino"}
    assert lexicon.names("de") == {"tuxpaint/animals/dog": "Ein Hund"}
    assert lexicon.names("xx") == {}
