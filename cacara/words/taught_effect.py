"""What a list of taught words brought: a tenth of it, asked before, after, and while it is kept out of the list.

A word is asked for its English among the English texts of the list, and for the sounds that its English finds. What was
taught is known afterwards; what was kept out shows whether the rest of the list helps words that are not in it, which a
memory of words does for forms of them and seldom else.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cacara.errors import QueryError
from cacara.lexicon import PersonalWord
from cacara.metrics import bootstrap_interval
from cacara.model.model import Cacara
from cacara.model.parts.lexical_memory import LexicalMemory
from cacara.search.retriever import Retriever

SHARE = 0.1
LEAST, MOST = 2, 100
"""So many different English texts are asked for at least, and at most."""
MOST_CANDIDATES = 300
DEPTH = 10
"""Sounds of the English that a word is to find."""

NearestSounds = Callable[[NDArray[np.float32]], Sequence[Sequence[str]]]
"""The ids of the ``DEPTH`` sounds nearest to each embedding, float32 [texts, dimension]."""


@dataclasses.dataclass(frozen=True)
class Shift:
    """One measure of the same words in two states, in percent.

    Attributes:
        before: Mean before.
        after: Mean after.
        lower: Lower bound of the 95 % interval of the difference; a bootstrap over English texts.
        upper: Upper bound.
    """

    before: float
    after: float
    lower: float
    upper: float

    @property
    def difference(self) -> float:
        """Mean after minus mean before."""
        return self.after - self.before


@dataclasses.dataclass(frozen=True)
class TaughtEffect:
    """What a list brought.

    Attributes:
        asked: How many of its words were asked.
        candidates: Among how many English texts.
        english: How often a word's English came first.
        sounds: How many of the first ten sounds of its English a word finds.
        kept_out: As ``english``, of the same words while the list lacked them.
    """

    asked: int
    candidates: int
    english: Shift
    sounds: Shift
    kept_out: Shift

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        return dataclasses.asdict(self)


def measure(model: Cacara, words: Sequence[PersonalWord], list_id: str, nearest: NearestSounds) -> TaughtEffect:
    """Return what a list brought.

    Args:
        model: A model with a lexical memory.
        words: All that was taught, the list among it.
        list_id: The list.
        nearest: Finds sounds.

    Raises:
        QueryError: The model has no lexical memory, or the list has fewer than ``LEAST`` English texts.
    """
    if model.part(LexicalMemory) is None:
        raise QueryError(f"the model {model.name} has no lexical memory, so words bring it nothing")
    others = [word for word in words if word.list_id != list_id]
    own = [word for word in words if word.list_id == list_id and not word.wrong]
    texts = sorted({word.english for word in own}, key=_draw)
    if len(texts) < LEAST:
        raise QueryError(f"the list {list_id} has {len(texts)} English texts; wanted at least {LEAST}")
    chosen = frozenset(texts[: min(MOST, max(LEAST, round(SHARE * len(texts))))])
    asked = [word for word in own if word.english in chosen][:MOST]
    candidates = texts[:MOST_CANDIDATES]
    english = model.encode_text(candidates, "en")
    right = np.array([candidates.index(word.english) for word in asked])
    wanted = [frozenset(found) for found in nearest(english[right])]
    states = (others, [*others, *own], [*others, *(word for word in own if word.english not in chosen)])
    found = [_asked(model.with_words(state), asked) for state in states]
    groups = [word.english for word in asked]

    def first(embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        scores = model.text_space(embeddings) @ model.text_space(english).T
        return 100.0 * (scores.argmax(axis=1) == right)

    def overlap(embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        pairs = zip(nearest(embeddings), wanted, strict=True)
        return np.array([100.0 * len(same & frozenset(ids)) / max(1, len(same)) for ids, same in pairs])

    before, after, kept_out = (first(each) for each in found)
    sounds = _shift(overlap(found[0]), overlap(found[1]), groups)
    return TaughtEffect(
        len(asked), len(candidates), _shift(before, after, groups), sounds, _shift(before, kept_out, groups)
    )


def sounds_of(retriever: Retriever) -> NearestSounds:
    """Return what finds the sounds of a gallery."""
    return lambda vectors: [[clip_id for clip_id, _ in found] for found in retriever.nearest_sounds(vectors, DEPTH)]


def _asked(model: Cacara, words: Sequence[PersonalWord]) -> NDArray[np.float32]:
    return model.encode_text([word.text for word in words], [word.language for word in words])


def _shift(before: NDArray[np.float64], after: NDArray[np.float64], groups: Sequence[str]) -> Shift:
    lower, upper = bootstrap_interval(after - before, groups)
    return Shift(float(before.mean()), float(after.mean()), lower, upper)


def _draw(english: str) -> str:
    return hashlib.sha256(english.encode()).hexdigest()
