"""What a list of words brought: known words are found, words kept out of it stay as they were."""

from __future__ import annotations

import numpy as np
import pytest

from cacara.errors import QueryError
from cacara.lexicon import PersonalWord
from cacara.model.config import LexicalMemoryConfig
from cacara.model.parts.lexical_memory import LexicalMemory
from cacara.words import taught_effect
from training.data.lexicon.table import Sense, build

ENGLISH = [f"{first} {second}" for first in ("dog", "cat", "rain", "bird") for second in ("cat", "rain", "bell")]
WORDS = [
    PersonalWord("x-foo", f"{chr(97 + number // 2) * 4}{number}", english, list_id="ours")
    for number, english in enumerate(ENGLISH)
]


@pytest.fixture
def model(tiny_model):
    table = build([Sense("dog", "sw", "mbwa", 3, True)], least=1)
    return tiny_model.with_parts(LexicalMemory(LexicalMemoryConfig("bundled", "studio", 0.9, 0.0, 3, 1.0), table))


def nearest(vectors):
    return [[str(number) for number in np.argsort(-row)[:3]] for row in vectors]


def test_a_list_is_measured_before_after_and_without_the_words_that_are_asked(model):
    other = PersonalWord("x-foo", "zzzz", "bell", list_id="another")
    found = taught_effect.measure(model, [other, *WORDS], "ours", nearest)
    assert (found.asked, found.candidates) == (2, len(ENGLISH))
    assert found.english.after == 100.0 > found.english.before
    assert found.english.lower <= found.english.difference <= found.english.upper
    assert found.sounds.after == 100.0 >= found.sounds.before
    assert found.kept_out.after == found.kept_out.before == found.english.before


def test_the_model_itself_is_left_as_it_is(model):
    before = model.encode_text([WORDS[0].text], "x-foo")
    assert not np.array_equal(before, model.with_words(WORDS).encode_text([WORDS[0].text], "x-foo"))
    taught_effect.measure(model, WORDS, "ours", nearest)
    assert np.array_equal(before, model.encode_text([WORDS[0].text], "x-foo"))


def test_what_cannot_be_measured_says_why(model, tiny_model):
    with pytest.raises(QueryError, match="no lexical memory"):
        taught_effect.measure(tiny_model, WORDS, "ours", nearest)
    with pytest.raises(QueryError, match="has 0 English texts"):
        taught_effect.measure(model, WORDS, "none", nearest)
