"""Comparing words: what is counted, on a tiny model and a gallery of four sounds; and how long the real thing takes."""

from __future__ import annotations

import csv
import io
import time

import numpy as np
import pytest
from searching import search

from cacara.errors import CacaraError, GalleryError
from cacara.search.retriever import Retriever
from cacara.words import comparison, comparison_tables, lexicon
from cacara.words.comparison import Column, compare, finish
from cacara.words.word_lists import Entry
from tests.cacara.model.parts.test_profile import make_profile, with_profile
from tests.ui.services.test_services import make_gallery

DOGS = [
    Entry("en", "a dog", "dog"),
    Entry("de", "hund", "dog"),
    Entry("de", "rain hund", "dog"),
    Entry("sw", "xyz", "dog"),
]
CATS = [Entry("en", "cat", "cat"), Entry("de", "katze", "cat")]


@pytest.fixture(scope="module")
def retriever(tiny_model, tmp_path_factory):
    from cacara.galleries.gallery import load_folder

    folder = tmp_path_factory.mktemp("comparison")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        return Retriever(tiny_model, load_folder(make_gallery(folder / "gallery")))


@pytest.fixture(scope="module")
def made(retriever):
    return finish(compare(retriever, DOGS + CATS))


def test_ranks_and_scores_are_those_of_a_search(made, retriever):
    for entry, place in zip(made.entries, made.places, strict=True):
        hits = search(retriever, entry.text, language=entry.language, top=4)
        assert [clip_id for clip_id, _ in place.hits] == [hit.clip_id for hit in hits]
        (wanted,) = [hit for hit in hits if hit.clip_id == f"{entry.concept}.wav"]
        assert (place.rank, place.clip_id) == (wanted.rank, wanted.clip_id)
        assert place.score == pytest.approx(wanted.score, abs=1e-4)


def test_a_second_text_in_a_language_stands_in_a_column_of_its_own(made):
    assert made.distinct_columns == (Column("en"), Column("de"), Column("de", 2), Column("sw"))
    assert [column.label for column in made.distinct_columns] == ["en", "de", "de (2)", "sw"]
    assert made.of_concept("dog") == [0, 1, 2, 3] and made.of_concept("cat") == [4, 5] and made.of_concept("x") == []
    assert made.cells["cat", Column("de")] == 5


def test_the_sound_is_found_by_the_concept_or_the_english_text_or_as_told(retriever):
    def wanted(entries, names=None):
        return list(finish(compare(retriever, entries, names)).wanted.values())

    assert wanted([Entry("de", "hund", "DOG")]) == [("dog.wav",)]
    assert wanted([Entry("de", "hund"), Entry("en", "A bell.")]) == [("bell.wav",)]
    assert wanted([Entry("de", "hund", "Ein Hund.")]) == [("dog.wav",)], "descriptions in any language name a sound"
    assert wanted([Entry("de", "hund", "unheard of")]) == [()]
    assert wanted([Entry("de", "hund", "Vogel")], {"Vogel": "rain"}) == [("rain.wav",)]
    with pytest.raises(GalleryError, match="'thunder'"):
        wanted([Entry("de", "hund")], {"": "thunder"})


def test_without_a_wanted_sound_there_is_no_rank_but_everything_else(retriever):
    found = finish(compare(retriever, [Entry("de", "hund"), Entry("sw", "xyz")]))
    assert [(place.rank, place.score, place.clip_id) for place in found.places] == [(None, None, None)] * 2
    assert all(len(place.hits) == 4 for place in found.places)
    assert "no_sound" in [finding.code for finding in found.findings[0]]


def test_neighbours_are_the_nearest_words_of_other_languages(made):
    scores = made.embeddings @ made.embeddings.T
    for at, entry in enumerate(made.entries):
        others = [other for other, each in enumerate(made.entries) if each.language != entry.language]
        best = sorted(others, key=lambda other: (-scores[at, other], other))[: comparison.NEIGHBOURS]
        assert [(near.language, near.text) for near in made.neighbours[at]] == [
            (made.entries[other].language, made.entries[other].text) for other in best
        ]
    assert {name.text for name in made.names} <= {"dog", "bell", "Rain", '<b>cat</b> & "kitten"'}


def test_texts_are_compared_with_texts_without_profiles_and_with_sounds_beside_them(retriever, seeing_model):
    model = with_profile(seeing_model, make_profile())
    profiled = Retriever(model, retriever.gallery)
    found = finish(compare(profiled, DOGS))
    bare = model.encode_text([entry.text for entry in DOGS], [entry.language for entry in DOGS], space="text")
    shown = comparison_tables.similarity(found, profiled, "dog")
    np.testing.assert_allclose(shown.matrix[:4, :4], bare @ bare.T, atol=1e-5)
    sounds = profiled.embeddings(["dog.wav"])
    np.testing.assert_allclose(shown.matrix[:4, 4], found.embeddings @ sounds[0], atol=1e-5)
    assert found.neighbours[0][0].score == pytest.approx(max(bare[0] @ bare[1:].T), abs=1e-4)


def test_agreement_is_the_share_of_first_sounds_in_common(retriever, monkeypatch):
    monkeypatch.setattr(comparison, "TOP", 2)
    found = finish(compare(retriever, DOGS + CATS))
    tops = [{clip_id for clip_id, _ in place.hits} for place in found.places]
    assert all(len(top) == 2 for top in tops)
    shares = found.agreement()
    both = (len(tops[0] & tops[1]) / 2 + len(tops[4] & tops[5]) / 2) / 2
    assert shares[0, 1] == pytest.approx(both) and shares[1, 0] == pytest.approx(both)
    assert np.allclose(np.diag(shares), 1)
    assert found.agreement(["dog"])[0, 1] == pytest.approx(len(tops[0] & tops[1]) / 2)
    assert np.isnan(found.agreement(["cat"])[0, 3]), "Swahili has no word for it here"


def test_a_word_far_from_its_translations_is_told():
    near, far = np.eye(3, dtype=np.float32)[[0]], np.eye(3, dtype=np.float32)[[1]]
    apart = comparison._apart(np.concatenate([near, near, near, far]), [Entry("en", "x", "c")] * 4)
    assert apart == pytest.approx([1 / 3, 1 / 3, 1 / 3, -1.0])
    assert comparison._apart(near, [Entry("en", "x", "c")]) == [None]


def test_the_work_tells_how_far_it_is_and_ends_when_nobody_asks(retriever, monkeypatch):
    monkeypatch.setattr(comparison, "TEXTS_AT_ONCE", 2)
    encoded = []
    encode = retriever.model.encode_text
    monkeypatch.setattr(
        retriever.model, "encode_text", lambda texts, codes: encoded.append(texts) or encode(texts, codes)
    )
    steps = compare(retriever, DOGS + CATS)
    assert [next(steps) for _ in range(3)] == [0.0, 0.2, 0.4]
    steps.close()
    assert len(encoded) == 2, "of five batches two were read before the work was stopped"


def test_as_many_texts_as_nobody_compares_are_refused(retriever):
    with pytest.raises(CacaraError, match="0 texts"):
        finish(compare(retriever, []))
    with pytest.raises(CacaraError, match="5,001 texts"):
        finish(compare(retriever, [Entry("en", "dog")] * 5001))


def test_the_similarity_matrix_holds_texts_and_sounds(made, retriever):
    found = comparison_tables.similarity(made, retriever, "dog")
    kinds = [(item.kind, item.wanted) for item in found.items]
    assert kinds[:5] == [("text", False)] * 4 + [("sound", True)]
    assert found.items[4].label == "A dog." and found.left_out == 0
    assert np.allclose(found.matrix, found.matrix.T, atol=1e-6) and np.allclose(np.diag(found.matrix), 1, atol=1e-5)
    assert found.matrix[0, 4] == pytest.approx(made.places[0].score, abs=1e-4)
    with pytest.raises(CacaraError, match="no concept 'owl'"):
        comparison_tables.similarity(made, retriever, "owl")


def test_spellings_and_dialects_are_compared_in_pairs(made, retriever):
    (pair,) = comparison_tables.spelling_pairs(made, "dog")
    assert (pair.first, pair.second, pair.shared, pair.of) == (1, 2, 4, 4)
    assert pair.similarity == pytest.approx(float(made.embeddings[1] @ made.embeddings[2]), abs=1e-4)
    dialects = finish(
        compare(retriever, [Entry("en-GB", "dog", "x"), Entry("en-US", "cat", "x"), Entry("de", "a", "x")])
    )
    assert [(each.first, each.second) for each in comparison_tables.spelling_pairs(dialects, "x")] == [(0, 1)]


def test_every_table_is_csv_without_formulas(retriever):
    hostile = [Entry("en", "=1+1", "+dog"), Entry("de", "@hund", "+dog"), Entry("sw", '-x, "y"', "+dog")]
    made = finish(compare(retriever, hostile, {"+dog": "dog"}))
    for name in comparison_tables.TABLES:
        text = comparison_tables.to_csv(comparison_tables.table(made, retriever, name, "+dog"))
        rows = list(csv.reader(io.StringIO(text)))
        assert len({len(row) for row in rows}) == 1 and len(rows) > 3
        for cell in (cell for row in rows for cell in row):
            assert not cell.startswith(("=", "+", "@", "\t")), (name, cell)
            assert not cell.startswith("-") or cell[1:].replace(".", "").isdigit(), (name, cell)
    texts = list(
        csv.DictReader(io.StringIO(comparison_tables.to_csv(comparison_tables.table(made, retriever, "texts"))))
    )
    assert [row["text"] for row in texts] == ["'=1+1", "'@hund", '\'-x, "y"']
    assert [row["rank"] for row in texts] == [str(place.rank) for place in made.places]
    with pytest.raises(CacaraError, match="no table 'secrets'"):
        comparison_tables.table(made, retriever, "secrets")


@pytest.mark.weights
def test_a_hundred_words_in_thirty_languages_take_less_than_a_minute_on_two_cores():
    """Processor time, not the clock: of 300 real texts read anew, tenfold; and of all that 3,000 texts take besides."""
    from cacara.search import setup

    retriever, words = setup.prepare(place="tuxpaint"), lexicon.load()
    model = retriever.model
    codes = "en de fr es pt it nl sv pl cs ru uk el tr ar he fa hi bn ta th vi id ja ko zh sw yo am cy".split()
    named = [words.entries(each.key) for each in words.concepts if each.key.startswith("cldr/")][::12]
    lists = [[entry for entry in entries if entry.language in codes] for entries in named]
    rows = [entry for entries in [each for each in lists if len(each) == 30][:100] for entry in entries]
    assert len(rows) == 3_000
    before = time.process_time()
    finish(compare(retriever, rows[::10]))
    reading = 10 * (time.process_time() - before)
    random = np.random.default_rng(0).normal(size=(len(rows), model.text.dimension)).astype(np.float32)
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    model.learn_texts({entry.text: row for entry, row in zip(rows, random, strict=True)})
    before = time.process_time()
    found = finish(compare(retriever, rows))
    counting = time.process_time() - before
    assert len(found.concepts) >= 99 and found.agreement().shape == (30, 30)
    # Reading is matrix products, which both cores share; counting is done by one.
    seconds = reading / 2 + counting
    assert seconds < 60, f"reading {reading:.0f} s of processor time, counting {counting:.0f} s"
