"""Coverage of languages: tokens of the text encoder, training data, and retrieval results.

The answer is one JSON file beside this module, made by ``python -m cacara coverage``; the app and ``docs/coverage.md``
show it. Pieces are counted on the language's own names of emoji in CLDR, and where CLDR has none on Tux Paint's
descriptions in it: many short texts, about the same things in every language.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cacara import languages
from cacara.errors import CacaraError
from cacara.languages.encoder_languages import ENCODER_SOURCE as ENCODER_SOURCE
from cacara.languages.encoder_languages import TRAINED_ON as TRAINED_ON

PATH = Path(__file__).with_name("coverage.json")
MIN_TEXTS = 20
SPLITS = ("dev", "test")

_UNSPACED_SCRIPTS = frozenset({"Hani", "Hans", "Hant", "Jpan", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"})
_NOT_TOLD = frozenset({"Hani", "Zyyy", "Zzzz"})
_WORD = re.compile(r"\S*\w\S*")

Cut = Callable[[Sequence[str]], Sequence[tuple[int, int]]]
"""Texts to (pieces, unknown pieces) of each."""


@dataclasses.dataclass(frozen=True)
class MeasuredRecall:
    """Retrieval of sounds by texts of one language on one split; all in percent.

    Attributes:
        recall_at_10: Queries with a right sound among the first ten.
        low: Lower bound of its 95 % interval over concepts.
        high: Upper bound.
        chance: Recall of a random order.
        queries: Their number.
    """

    recall_at_10: float
    low: float
    high: float
    chance: float
    queries: int


@dataclasses.dataclass(frozen=True)
class Row:
    """One language.

    Attributes:
        code: BCP-47.
        name: Its English name.
        autonym: Its own name.
        script: ISO 15924.
        direction: ``ltr`` or ``rtl``.
        trained_on: Whether the text encoder was trained on the language, in whatever script.
        texts: Number of texts that the pieces were counted on.
        pieces_per_word: None where words are not spaced, or too few texts are known.
        pieces_per_text: None where too few texts are known.
        unknown_share: Of the pieces, in [0, 1]; None as above.
        dev: On the dev split; None where it has no texts in the language, or was not measured.
        test: On the test split.
        remembered: Number of words and phrases of the base language the model's lexical memory holds.
        words_known: Share of the words of the benchmark's texts that the memory knows, in [0, 1]; None where the
            benchmark has no texts in the language, or the model no memory.
    """

    code: str
    name: str
    autonym: str
    script: str
    direction: str
    trained_on: bool
    texts: int
    pieces_per_word: float | None
    pieces_per_text: float | None
    unknown_share: float | None
    dev: MeasuredRecall | None = None
    test: MeasuredRecall | None = None
    remembered: int = 0
    words_known: float | None = None


@dataclasses.dataclass(frozen=True)
class Coverage:
    """The table.

    Attributes:
        model: Name of the model of these figures.
        encoder: Its text encoder.
        benchmark: Name and hash of the benchmark; empty when nothing was measured.
        rows: The languages by English name.
    """

    model: str
    encoder: str
    benchmark: str
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict, the inverse of ``from_json``."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Coverage:
        """Build the table from ``to_json``'s dict.

        Raises:
            CacaraError: It is not such a dict.
        """
        try:
            rows = [
                Row(**{**row, **{split: row[split] and MeasuredRecall(**row[split]) for split in SPLITS}})
                for row in content["rows"]
            ]
            return cls(**{**content, "rows": tuple(rows)})
        except (KeyError, TypeError) as error:
            raise CacaraError(f"the table of languages is malformed ({error!r}); make it anew: {COMMAND}") from error


COMMAND = "python -m cacara coverage"


@functools.cache
def load(path: Path = PATH) -> Coverage:
    """Return the table that ships with the package.

    Raises:
        CacaraError: It is missing or malformed.
    """
    try:
        return Coverage.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise CacaraError(f"{path.name} cannot be read ({error}); make it anew: {COMMAND}") from error


def build(
    model: str,
    encoder: str,
    codes: Iterable[str],
    texts: Mapping[str, Sequence[str]],
    cut: Cut,
    reports: Sequence[Mapping[str, Any]] = (),
    remembered: Mapping[str, int] | None = None,
    words_known: Mapping[str, float] | None = None,
) -> Coverage:
    """Return the table.

    Args:
        model: The model's name.
        encoder: Its text encoder's.
        codes: The languages that it knows; those of the reports come in too.
        texts: Language to texts in it, see ``cacara.commands.coverage.texts_of``.
        cut: The encoder's tokenizer.
        reports: Of ``python -m cacara evaluate --json``, at most one a split, all of this model.
        remembered: Base language to entries of the model's lexical memory.
        words_known: Language to the share of the benchmark's words that the memory knows.

    Raises:
        CacaraError: A report is of another model or benchmark, no report at all, or a second one of its split.
    """
    found, benchmark = _found(model, reports)
    measured = {code for split in found.values() for code in split}
    listed = {languages.normalise(code) for code in codes} | measured
    # "zh" beside "zh-Hans" would be one language twice.
    twice = {code for code in listed - measured if f"{code}-{languages.describe(code).script}" in listed}
    entries, known = remembered or {}, words_known or {}
    rows = [
        dataclasses.replace(
            _row(code, texts.get(code, ()), cut, found),
            remembered=entries.get(languages.base(code), 0),
            words_known=known.get(code),
        )
        for code in listed - twice
    ]
    return Coverage(model, encoder, benchmark, tuple(sorted(rows, key=lambda row: (row.name, row.code))))


def is_spaced(script: str) -> bool:
    """Return whether a script puts spaces between words."""
    return script not in _UNSPACED_SCRIPTS


def _row(code: str, texts: Sequence[str], cut: Cut, found: Mapping[str, Mapping[str, MeasuredRecall]]) -> Row:
    described = languages.describe(code)
    # What is really written decides; of Chinese characters it does not tell whose they are.
    seen = languages.script_of(" ".join(texts))
    script = described.script if seen in _NOT_TOLD else seen
    pieces = words = unknown = 0
    for text, (own, strange) in zip(texts, cut(texts) if texts else (), strict=True):
        pieces, unknown, words = pieces + own, unknown + strange, words + len(_WORD.findall(text))
    known = len(texts) >= MIN_TEXTS
    return Row(
        code=code,
        name=described.english_name,
        autonym=described.autonym,
        script=script,
        direction=languages.direction_of(" ".join(texts)) if texts else described.direction,
        trained_on=languages.base(code) in TRAINED_ON,
        texts=len(texts),
        pieces_per_word=round(pieces / words, 2) if known and words and is_spaced(script) else None,
        pieces_per_text=round(pieces / len(texts), 2) if known else None,
        unknown_share=round(unknown / pieces, 4) if known and pieces else None,
        dev=found["dev"].get(code),
        test=found["test"].get(code),
    )


def _found(model: str, reports: Sequence[Mapping[str, Any]]) -> tuple[dict[str, dict[str, MeasuredRecall]], str]:
    found: dict[str, dict[str, MeasuredRecall]] = {split: {} for split in SPLITS}
    benchmarks = set()
    for report in reports:
        try:
            split, name, benchmark = report["split"], report["model"], report["benchmark"]
            figures = report["directions"]["text_to_audio"]
            if name != model:
                raise CacaraError(f"a report is of the model {name}; wanted {model}")
            if split not in found or found[split]:
                raise CacaraError(f"a report is of the split {split!r}; wanted one report each of {', '.join(SPLITS)}")
            found[split] = {languages.normalise(code): _figures(row) for code, row in figures.items()}
            benchmarks.add("{name}, hash {hash}".format(**benchmark))
        except (KeyError, TypeError) as error:
            raise CacaraError(f"a report lacks {error}; wanted one of python -m cacara evaluate --json") from error
    if len(benchmarks) > 1:
        raise CacaraError(f"the reports are of {' and '.join(sorted(benchmarks))}; wanted one benchmark")
    return found, next(iter(benchmarks), "")


def _figures(row: Mapping[str, Any]) -> MeasuredRecall:
    low, high = (round(bound, 1) for bound in row["ci95_recall_at_10"])
    return MeasuredRecall(
        round(row["recall_at_10"], 1), low, high, round(row["chance_recall_at_10"], 1), row["queries"]
    )
