"""Embeddings of senses: made once, kept for equal text sides alone, made when asked for otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from cacara.model.parts.sense_embeddings import SenseEmbeddings

VOCABULARY = tuple(f"sense {number}" for number in range(40))


class TextSide:
    """Gives every text a direction of its own and counts what it is asked."""

    def __init__(self, seed=0):
        self.seed, self.asked = seed, []

    def __call__(self, texts):
        self.asked += texts
        rows = [np.random.default_rng([self.seed, *text.encode()]).normal(size=16) for text in texts]
        made = np.array(rows, np.float32).reshape(len(texts), 16)
        return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_only_what_is_asked_for_is_made_and_once(tmp_path):
    side, senses = TextSide(), SenseEmbeddings(VOCABULARY, tmp_path)
    first = senses.of([3, 7, 3], side)
    assert side.asked == ["sense 3", "sense 7"]
    assert first == pytest.approx(TextSide()(["sense 3", "sense 7", "sense 3"]), abs=1e-3)
    senses.of([7, 3], side)
    assert len(side.asked) == 2


def test_prepared_senses_are_read_by_an_equal_text_side(tmp_path):
    SenseEmbeddings(VOCABULARY, tmp_path).prepare(TextSide())
    side, again = TextSide(), SenseEmbeddings(VOCABULARY, tmp_path)
    assert again.of([11], side) == pytest.approx(TextSide()(["sense 11"]), abs=1e-3)
    assert len(side.asked) < len(VOCABULARY)  # the probes alone


def test_another_text_side_or_vocabulary_makes_its_own(tmp_path):
    SenseEmbeddings(VOCABULARY, tmp_path).prepare(TextSide())
    other, words = TextSide(seed=1), SenseEmbeddings(VOCABULARY[::-1], tmp_path)
    assert SenseEmbeddings(VOCABULARY, tmp_path).of([11], other) == pytest.approx(TextSide(1)(["sense 11"]), abs=1e-3)
    assert words.of([0], TextSide()) == pytest.approx(TextSide()(["sense 39"]), abs=1e-3)


def test_a_damaged_file_is_made_anew(tmp_path, caplog):
    SenseEmbeddings(VOCABULARY, tmp_path).prepare(TextSide())
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    assert SenseEmbeddings(VOCABULARY, tmp_path).of([5], TextSide()).shape == (1, 16)
    assert "unreadable and made anew" in caplog.text
