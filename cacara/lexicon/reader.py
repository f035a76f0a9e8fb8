"""Reading a text by a lexicon: which words it knows, in which language, and what they mean in English."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from cacara.lexicon import word_forms
from cacara.lexicon.personal_layer import Meaning, PersonalLayer, row_meaning
from cacara.lexicon.personal_words import PersonalWord
from cacara.lexicon.table import LexiconTable

MAX_WORDS = 60
"""Of a text; what follows is not looked up."""
TRUST: Mapping[str, float] = {"entry": 1.0, "stem": 0.85, "affix": 0.8, "beginning": 0.5, "compound": 0.5}
"""Confidence in a reading by its kind, near the share of correct ones among Wiktionary's inflected forms."""
LETTERS_A_WORD = 2.0
"""In writing without spaces."""
UNKNOWN_LETTER, SINGLE_LETTER = 2.0, 0.6
"""Costs of segmentation beside 1 a word: of a letter in no word, and of a word of one letter."""

# Close relatives, whose words are tried where a language's own entries do not know one.
_RELATIVES: Mapping[str, tuple[str, ...]] = {
    "an": ("es",), "arz": ("ar",), "ary": ("ar",), "apc": ("ar",), "ast": ("es",), "be": ("ru",), "bs": ("hr", "sr"),
    "gl": ("pt",), "gsw": ("de",), "hak": ("zh",), "hr": ("bs", "sr"), "id": ("ms",), "ms": ("id",), "nan": ("zh",),
    "nb": ("nn",), "nds": ("de",), "nn": ("nb",), "oc": ("ca",), "prs": ("fa",), "sr": ("hr", "bs"), "wuu": ("zh",),
    "yue": ("zh",),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class WordReading:
    """A word or phrase of a text that the lexicon knows.

    Attributes:
        text: As it stands in the text, normalised.
        surface: As it is listed, so perhaps in another form than in the text.
        kind: ``entry``, or the kind of form by which it was found, see ``word_forms.Form``.
        language: Base language of the entry; of a personal one its language.
        row: In the table; beyond it, of a personal entry.
        words: Number of words of the text that it stands for.
    """

    text: str
    surface: str
    kind: str
    language: str
    row: int
    words: float

    @property
    def trust(self) -> float:
        """Confidence in the reading, in (0, 1]."""
        return TRUST[self.kind]


@dataclasses.dataclass(frozen=True)
class Reading:
    """Reading of a text in one language by the lexicon.

    Attributes:
        language: Base language.
        words: What was found, in the text's order.
        length: Words of the text.
    """

    language: str
    words: tuple[WordReading, ...]
    length: float

    @property
    def found(self) -> float:
        """Share of the text's words that were found, each by its trust, in [0, 1]."""
        return min(1.0, sum(word.words * word.trust for word in self.words) / self.length) if self.length else 0.0


class LexiconReader:
    """Finds a text's words in a table and what people taught beside it; nothing of it changes, so threads share it."""

    def __init__(self, table: LexiconTable, words: Sequence[PersonalWord] = ()) -> None:
        """Read by a table, which may have been narrowed to a policy, and by personal words."""
        self.table = table
        self._numbers = {code: number for number, code in enumerate(table.languages)}
        self.layer = PersonalLayer(table)
        if words:
            self.layer = PersonalLayer(table, words, LexiconReader(table)._rows_read)

    def read(self, text: str, language: str) -> Reading:
        """Return what is known of a text.

        Args:
            text: Any text.
            language: BCP-47 code; of the table its base language counts.
        """
        base = language.partition("-")[0]
        tokens = word_forms.words(word_forms.normalise(text, base))[:MAX_WORDS]
        finder = _Finder(self.table, self._codes(base), self.layer.of(language), language)
        if not (tokens and finder.knows_any):
            return Reading(base, (), float(len(tokens)))
        finder.ask(phrases(tokens))
        found: list[WordReading] = []
        length, position = 0.0, 0
        while position < len(tokens):
            size, words, weight = self._read_at(finder, tokens, position, base)
            found += words
            length += weight
            position += size
        return Reading(base, tuple(found), length)

    def _read_at(
        self, finder: _Finder, tokens: Sequence[str], position: int, language: str
    ) -> tuple[int, list[WordReading], float]:
        """Return how many tokens are read, as what, and for how many words they count: the longest phrase first."""
        for size in range(min(word_forms.PHRASE_WORDS, len(tokens) - position), 0, -1):
            phrase = " ".join(tokens[position : position + size])
            if (row := finder.row(phrase)) is not None:
                return size, [finder.reading(phrase, phrase, "entry", row, size)], size
        token = tokens[position]
        if finder.means_nothing(token):
            return 1, [], 1.0
        if word_forms.is_unspaced(token):
            return 1, _segmented(finder, token), max(1.0, len(token) / LETTERS_A_WORD)
        return 1, _by_form(finder, token, language), 1.0

    def meaning(self, word: WordReading) -> Meaning:
        """Return the senses of a word by their numbers, see ``Meaning``."""
        return row_meaning(self.table, word.row) if word.row < len(self.table) else self.layer.meaning(word.row)

    def senses(self, word: WordReading) -> tuple[tuple[str, float], ...]:
        """Return the English senses of a word with their shares, which sum to 1."""
        found = self.meaning(word)
        pairs = zip(found.senses.tolist(), found.weights.astype(float).tolist(), strict=True)
        return tuple((self.layer.gloss(sense), share) for sense, share in pairs)

    def _rows_read(self, text: str, language: str) -> list[int]:
        return [word.row for word in self.read(text, language).words]

    def _codes(self, language: str) -> list[int]:
        """Return the table's numbers of a language and its relatives."""
        return [self._numbers[code] for code in (language, *_RELATIVES.get(language, ())) if code in self._numbers]


class _Finder:
    """Answers for the words of one text in one language, each asked once: personal entries, then those of a table."""

    def __init__(
        self, table: LexiconTable, languages: Sequence[int], own: Mapping[str, int | None], language: str
    ) -> None:
        self.table = table
        self.languages = languages
        self._own = own
        self._language = language
        self._rows: dict[str, int | None] = {}

    @property
    def knows_any(self) -> bool:
        return bool(self.languages or self._own)

    def ask(self, keys: Iterable[str]) -> None:
        new = [key for key in dict.fromkeys(keys) if key not in self._rows]
        if new:
            self._rows.update(zip(new, map(self._best, new, self.table.find(new)), strict=True))

    def row(self, key: str) -> int | None:
        self.ask((key,))
        return self._rows[key]

    def means_nothing(self, key: str) -> bool:
        return key in self._own and self._own[key] is None

    def reading(self, text: str, key: str, kind: str, row: int, words: float) -> WordReading:
        own = row >= len(self.table)
        language = self._language if own else self.table.languages[self.table.entry_languages[row]]
        return WordReading(text, key.lstrip(word_forms.STEM + word_forms.ROOT), kind, language, row, words)

    def _best(self, key: str, rows: range) -> int | None:
        if key in self._own:
            return self._own[key]
        if not rows:
            return None
        languages = self.table.entry_languages[rows.start : rows.stop].tolist()
        for wanted in self.languages:
            for row, language in zip(rows, languages, strict=True):
                if language == wanted and self.table.weights[row].any():
                    return row
        return None


def phrases(tokens: Sequence[str]) -> list[str]:
    """Return all runs of up to ``PHRASE_WORDS`` tokens."""
    return [
        " ".join(tokens[start : start + size])
        for size in range(word_forms.PHRASE_WORDS, 0, -1)
        for start in range(len(tokens) - size + 1)
    ]


def _by_form(finder: _Finder, token: str, language: str) -> list[WordReading]:
    spellings = word_forms.spellings(token)
    finder.ask(spellings)
    for spelling in spellings:
        if (row := finder.row(spelling)) is not None:
            return [finder.reading(token, spelling, "entry", row, 1.0)]
    candidates = list(word_forms.forms(token, language))
    finder.ask(piece for form in candidates for piece in form.pieces)
    for form in candidates:
        rows = [finder.row(piece) for piece in form.pieces]
        if known := [row for row in rows if row is not None]:
            if len(known) == len(rows):
                share = 1.0 / len(rows)
                return [
                    finder.reading(token, piece, form.kind, row, share)
                    for piece, row in zip(form.pieces, known, strict=True)
                ]
    return []


def _segmented(finder: _Finder, run: str) -> list[WordReading]:
    """Return the words of writing without spaces: the cheapest way to cut it, see ``UNKNOWN_LETTER``."""
    longest, end = word_forms.LONGEST_PIECE, len(run)
    finder.ask(run[start:stop] for start in range(end) for stop in range(start + 1, min(end, start + longest) + 1))
    best: list[tuple[float, int, int | None]] = [(0.0, 0, None)]
    for stop in range(1, end + 1):
        choice: tuple[float, int, int | None] = (best[stop - 1][0] + UNKNOWN_LETTER, stop - 1, None)
        for start in range(max(0, stop - longest), stop):
            row = finder.row(run[start:stop])
            if row is None or (stop - start == 1 and word_forms.is_kana(run[start])):
                continue
            cost = best[start][0] + 1.0 + (SINGLE_LETTER if stop - start == 1 else 0.0)
            if cost < choice[0]:
                choice = (cost, start, row)
        best.append(choice)
    words: list[WordReading] = []
    while end:
        _, start, row = best[end]
        if row is not None:
            piece = run[start:end]
            words.append(finder.reading(piece, piece, "entry", row, (end - start) / LETTERS_A_WORD))
        end = start
    return words[::-1]
