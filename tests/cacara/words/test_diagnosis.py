from __future__ import annotations

import pytest

from cacara.words.comparison import Place
from cacara.words.diagnosis import Reading, findings, read_texts

FIRST = Place(1, 0.5, "a", ())


def reading(pieces=1, unknown=0, words=1, script="Latn", usual="Latn", trained_on=True):
    return Reading(("x",) * pieces, unknown, words, script, usual, "ltr", trained_on)


def codes(*arguments, **named):
    return [finding.code for finding in findings(*arguments, **named)]


@pytest.mark.parametrize(
    ("pieces", "words", "told"),
    [
        (1, 1, "whole"),
        (3, 1, "split"),
        (9, 1, "many"),
        (6, 2, "split_text"),
        (9, 2, "many_text"),
        (9, None, "split_text"),
    ],
)
def test_how_a_word_is_cut_is_told_by_pieces_a_word(pieces, words, told):
    (first, *_) = findings(reading(pieces, words=words), FIRST, 100)
    assert first.code == told and first.values["pieces"] == pieces


def test_what_is_strange_about_a_word_is_told_and_nothing_else():
    assert codes(reading(), FIRST, 100) == ["whole", "first"]
    assert codes(reading(9, 2), FIRST, 100) == ["many", "unknown", "first"]
    assert codes(reading(script="Cyrl"), FIRST, 100) == ["whole", "script", "first"]
    assert codes(reading(script="Hani", usual="Jpan"), FIRST, 100) == ["whole", "first"]
    assert codes(reading(script="Zyyy"), FIRST, 100) == ["whole", "first"]
    assert codes(reading(trained_on=False), FIRST, 100) == ["whole", "untrained", "first"]
    assert codes(reading(trained_on=None), FIRST, 100) == ["whole", "first"]
    assert codes(reading(), FIRST, 100, -0.5) == ["whole", "apart", "first"]
    assert codes(reading(), FIRST, 100, 0.5) == ["whole", "first"]


@pytest.mark.parametrize(
    ("rank", "told"), [(1, "first"), (2, "found"), (10, "found"), (11, "missed"), (None, "no_sound")]
)
def test_where_the_wanted_sound_stands_is_told(rank, told):
    place = Place(rank, None if rank is None else 0.5, None, ())
    assert codes(reading(), place, 100, heard="cat") == ["whole", told, "instead"]


def test_pieces_unknown_pieces_and_script_are_counted_on_a_real_tokenizer(tiny_model):
    found = read_texts(["a dog", "xyz dog", "собака"], ["en", "de", "sr-Latn"], tiny_model.text.tokenizer, True)
    assert [each.pieces for each in found] == [("a", "dog"), ("<unk>", "dog"), ("<unk>",)]
    assert [each.unknown for each in found] == [0, 1, 1]
    assert [each.words for each in found] == [2, 2, 1]
    assert (found[2].script, found[2].usual_script, found[2].trained_on) == ("Cyrl", "Latn", True)
    (unknown,) = read_texts(["dog"], ["en"], tiny_model.text.tokenizer, False)
    assert unknown.trained_on is None
    assert read_texts([], [], tiny_model.text.tokenizer, True) == []
