"""Texts of threads that wait at the same time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cacara.model.text_queue import TextQueue

WORDS = ("dog", "Hund", "rain on a roof", "cat", "bell", "a fire engine passes by", "Katze", "wind", "saw")


class Passes:
    """A tower whose first pass lasts until it is told, and that remembers what it was given."""

    def __init__(self) -> None:
        self.begun, self.go_on, self.given = threading.Event(), threading.Event(), []

    def __call__(self, texts):
        self.given.append(list(texts))
        self.begun.set()
        assert self.go_on.wait(30)
        if "bad" in texts:
            raise ValueError("a bad text")
        return {text: np.array([len(text)]) for text in texts}


def asked_during_a_pass(queue: TextQueue, passes: Passes, questions: list[list[str]]) -> list:
    """Return what each of the questions gets, or its error, where all come while another's pass is under way."""

    def ask(texts):
        try:
            return queue.read(texts, passes)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(len(questions) + 1) as pool:
        first = pool.submit(ask, ["first"])
        assert passes.begun.wait(30)
        others = []
        for number, texts in enumerate(questions, start=1):
            others.append(pool.submit(ask, texts))
            deadline = time.monotonic() + 30
            while len(queue._waiting) < number and time.monotonic() < deadline:
                time.sleep(0.001)
        passes.go_on.set()
        assert first.result(30) == {"first": np.array([5])}
        return [other.result(30) for other in others]


def test_who_comes_alone_is_read_at_once():
    passes = Passes()
    passes.go_on.set()
    queue = TextQueue(8)
    assert queue.read(["dog"], passes)["dog"] == [3] and queue.read(["cat", "x"], passes)["x"] == [1]
    assert passes.given == [["dog"], ["cat", "x"]]


def test_who_comes_during_a_pass_is_read_together_in_the_next():
    passes = Passes()
    found = asked_during_a_pass(TextQueue(8), passes, [["dog"], ["horse", "dog"], ["cat"]])
    assert [sorted(each) for each in found] == [["dog"], ["dog", "horse"], ["cat"]]
    assert passes.given == [["first"], ["dog", "horse", "cat"]]


def test_a_pass_has_no_more_texts_than_fit():
    passes = Passes()
    asked_during_a_pass(TextQueue(3), passes, [["a", "b"], ["c"], ["d", "e", "f", "g"], ["h"]])
    assert passes.given == [["first"], ["a", "b", "c"], ["d", "e", "f", "g"], ["h"]]


def test_a_bad_text_fails_for_the_one_who_asked():
    passes = Passes()
    bad, good = asked_during_a_pass(TextQueue(8), passes, [["bad"], ["good"]])
    assert isinstance(bad, ValueError) and good == {"good": np.array([4])}


def test_many_threads_get_the_embeddings_that_each_would_get_alone(tiny_model):
    alone = {word: tiny_model.encode_text([word], "en")[0] for word in WORDS}
    for _ in range(5):
        tiny_model.forget_texts(WORDS)
        with ThreadPoolExecutor(len(WORDS)) as pool:
            together = dict(
                zip(WORDS, pool.map(lambda word: tiny_model.encode_text([word], "en")[0], WORDS), strict=True)
            )
        for word in WORDS:
            np.testing.assert_allclose(together[word], alone[word], rtol=0, atol=1e-6)


@pytest.mark.weights
def test_the_bundled_encoder_reads_a_text_among_others_as_it_reads_it_alone():
    from cacara.model import checkpoint

    model = checkpoint.load("cacara", "cpu")
    together = model.encode_text(WORDS[:8], "en")
    model.forget_texts(WORDS)
    alone = [model.encode_text([word], "en")[0] for word in WORDS[:8]]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
