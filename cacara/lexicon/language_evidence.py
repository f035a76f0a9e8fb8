"""Evidence of a text's language: the detector's ranking of its letters and the lexicon's knowledge of its words."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Mapping, Sequence

from cacara.languages import detection
from cacara.lexicon import word_forms
from cacara.lexicon.personal_layer import PersonalLayer
from cacara.lexicon.reader import MAX_WORDS, phrases
from cacara.lexicon.table import LexiconTable

ENGLISH = "en"
KNOWN_BY_CHANCE = 0.02
"""Share of other languages' words that a large lexicon knows, too."""
HALF_COVERED = 3_000
"""Words of a lexicon that covers half of what is asked for in its language."""
FEATURES = 6.5
"""Letters at which the detector's ranking counts as much as knowing nothing, see ``detection.LETTERS_TO_TRUST``."""
SPEAKERS_EXPONENT = 0.25
TAUGHT_COVER, TAUGHT = 0.5, 4.0
"""Of a language in which people here taught a word of the text: the least share of its words that are known, and the
logarithm of the odds that whoever writes here writes in it, beside any other."""
LEAST = 0.02
"""Languages less probable than this are not weighed."""


_Positions = Mapping[str, frozenset[int]]


class LanguageEvidence:
    """Languages of texts by a lexicon and the detector together."""

    def __init__(self, table: LexiconTable) -> None:
        """Join a table, which may have been narrowed to a policy."""
        self.table = table
        self.layer = PersonalLayer(table)
        sizes = dict(zip(table.languages, _sizes(table), strict=True))
        self._cover = {code: 0.97 * size / (size + HALF_COVERED) for code, size in sizes.items() if size}
        self._cover[ENGLISH] = 0.97
        self._english = frozenset(word for english in table.vocabulary for word in english.lower().split())

    def under(self, layer: PersonalLayer) -> LanguageEvidence:
        """Return the evidence by the same table and other personal words."""
        made = copy.copy(self)
        made.layer = layer
        return made

    def of(self, text: str) -> dict[str, float]:
        """Return the probable languages of a text, the most probable first, with their probabilities.

        They sum to 1 unless improbable ones were left out; none when nothing speaks for any.
        """
        tokens = word_forms.words(word_forms.normalise(text))[:MAX_WORDS]
        if not tokens:
            return {}
        letters = sum(map(len, tokens))
        ranked = detection.ranked(text)
        known, taught = self._known(tokens)
        share = letters / (letters + FEATURES)
        flat = (1.0 - share) / 140
        scores: dict[str, float] = {}
        for code in {*ranked, *known}:
            score = math.log(share * ranked.get(code, 0.0) + flat) + SPEAKERS_EXPONENT * _log_speakers(code)
            cover, positions = self._cover.get(code, 0.0), known.get(code, frozenset())
            own = max(cover, TAUGHT_COVER) if code in taught else cover
            score += TAUGHT * len(taught.get(code, ())) / len(tokens)
            for position, token in enumerate(tokens):
                if position in positions:
                    score += math.log(own / (KNOWN_BY_CHANCE * own + 1e-4))
                elif not word_forms.is_unspaced(token):
                    score += math.log(1.0 - 0.95 * cover)
            scores[code] = score
        if not scores:
            return {}
        best = max(scores.values())
        weights = {code: math.exp(score - best) for code, score in scores.items()}
        total = sum(weights.values())
        order = sorted(weights, key=lambda code: (-weights[code], code))
        return {code: weights[code] / total for code in order if weights[code] / total >= LEAST}

    def _known(self, tokens: Sequence[str]) -> tuple[_Positions, _Positions]:
        """Return which tokens, by position, each language knows alone or in a phrase, and which were taught in it."""
        found: dict[str, set[int]] = {}
        taught: dict[str, set[int]] = {}
        spans = [
            range(start, start + size)
            for size in range(word_forms.PHRASE_WORDS, 0, -1)
            for start in range(len(tokens) - size + 1)
        ]
        keys = phrases(tokens)
        for span, key, rows in zip(spans, keys, self.table.find(keys), strict=True):
            for row in rows:
                if self.table.weights[row, 0]:
                    found.setdefault(self.table.languages[self.table.entry_languages[row]], set()).update(span)
            for code in self.layer.languages_of(key):
                taught.setdefault(code, set()).update(span)
                found.setdefault(code, set()).update(span)
        english = {position for position, token in enumerate(tokens) if token in self._english}
        if english:
            found[ENGLISH] = english
        return _frozen(found), _frozen(taught)


def _frozen(positions: Mapping[str, set[int]]) -> _Positions:
    return {code: frozenset(each) for code, each in positions.items()}


def _sizes(table: LexiconTable) -> list[int]:
    import numpy as np

    return np.bincount(table.entry_languages, minlength=len(table.languages)).tolist()


@functools.lru_cache(maxsize=2048)
def _log_speakers(code: str) -> float:
    return math.log(1000 + detection.speakers(code))
