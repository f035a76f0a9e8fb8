"""Descriptions among themselves: what is asked, what is right, and in which space."""

from __future__ import annotations

import pytest

from cacara.benchmark import text_retrieval
from cacara.benchmark.dataset.splits import Benchmark, Query
from tests.cacara.model.parts.test_profile import make_profile, with_profile

ENGLISH = [Query("dog", "en", "a dog"), Query("cat", "en", "a cat"), Query("pet", "en", "a cat")]
OTHERS = [Query("dog", "de", "ein hund"), Query("pet", "de", "katze"), Query("bird", "sw", "ndege")]


def test_each_description_finds_the_english_one_of_its_concept_in_both_spaces(seeing_model):
    model = with_profile(seeing_model, make_profile())
    benchmark = Benchmark("tiny", "0", "dev", (), (*ENGLISH, *OTHERS, Query("dog", "en-GB", "a dog")))
    alone, shared = text_retrieval.measure(model, benchmark)
    for measured, space in ((alone, "text"), (shared, "shared")):
        german = measured.outcomes["text_to_text"]["de"]
        assert german.queries == ("ein hund", "katze") and german.candidates == 2
        english = model.encode_text(["a dog", "a cat"], "en", space=space)
        scores = model.encode_text(["ein hund", "katze"], "de", space=space) @ english.T
        assert german.ranks.tolist() == [1 + int(scores[0, 1] >= scores[0, 0]), 1 + int(scores[1, 0] >= scores[1, 1])]
    swahili = alone.outcomes["text_to_text"]["sw"]
    assert (len(swahili.ranks), swahili.left_out) == (0, 1), "no English text is of its concept"


def test_english_alone_is_refused(seeing_model):
    with pytest.raises(ValueError, match="0 texts ask for 2 English ones"):
        text_retrieval.measure(seeing_model, Benchmark("tiny", "0", "dev", (), tuple(ENGLISH)))
