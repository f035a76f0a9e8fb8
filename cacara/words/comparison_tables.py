"""A comparison as tables: what is near to what, and CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cacara import languages
from cacara.errors import CacaraError
from cacara.words.comparison import MAX_ITEMS_SOUNDS, MAX_ITEMS_TEXTS, Comparison, Floats
from cacara.words.diagnosis import pieces_per_word

if TYPE_CHECKING:
    from cacara.search.retriever import Retriever

TABLES = ("texts", "results", "similarity", "agreement")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Cell = str | int | float | None


@dataclasses.dataclass(frozen=True)
class Item:
    """A row and a column of a similarity matrix.

    Attributes:
        kind: ``text`` or ``sound``.
        language: BCP-47 of a text, of a sound the empty string.
        label: The text, or the sound's English name.
        wanted: Whether it is a sound that is wanted.
    """

    kind: str
    language: str
    label: str
    wanted: bool = False


@dataclasses.dataclass(frozen=True)
class Similarity:
    """Cosine similarities of a concept's texts and sounds.

    Attributes:
        items: Texts in the order of the columns, then the wanted sounds, then others that were found.
        matrix: float32 [items, items] in [-1, 1].
        left_out: How many texts there would be besides.
    """

    items: tuple[Item, ...]
    matrix: Floats
    left_out: int


@dataclasses.dataclass(frozen=True)
class SpellingPair:
    """Two texts of a concept in one language, or in two varieties of one.

    Attributes:
        first: Position of the one.
        second: Position of the other.
        similarity: Cosine.
        shared: How many of their first sounds they share.
        of: How many sounds each has.
    """

    first: int
    second: int
    similarity: float
    shared: int
    of: int


def similarity(comparison: Comparison, retriever: Retriever, concept: str) -> Similarity:
    """Return how near a concept's texts and sounds are to one another.

    Raises:
        CacaraError: The comparison has no such concept.
    """
    texts = require_concept(comparison, concept)
    shown = texts[:MAX_ITEMS_TEXTS]
    wanted = comparison.wanted[concept]
    times: dict[str, float] = {}
    for at in shown:
        for clip_id, score in comparison.places[at].hits[:3]:
            times[clip_id] = times.get(clip_id, 0.0) + 1 + score
    found = sorted((clip_id for clip_id in times if clip_id not in wanted), key=lambda each: (-times[each], each))
    clips = [*wanted, *found][:MAX_ITEMS_SOUNDS]
    rows = np.concatenate([comparison.embeddings[shown], retriever.embeddings(clips)])
    near = np.clip(rows @ rows.T, -1, 1)
    # Texts among themselves; a sound is compared where it lies.
    near[: len(shown), : len(shown)] = np.clip(comparison.texts[shown] @ comparison.texts[shown].T, -1, 1)
    items = [Item("text", comparison.columns[at].label, comparison.entries[at].text) for at in shown]
    items += [Item("sound", "", retriever.clip(each).caption("en"), each in wanted) for each in clips]
    return Similarity(tuple(items), near, len(texts) - len(shown))


def spelling_pairs(comparison: Comparison, concept: str, at_most: int = 20) -> list[SpellingPair]:
    """Return the pairs of a concept's texts whose languages are the same but for script, region or spelling.

    Raises:
        CacaraError: The comparison has no such concept.
    """
    texts = require_concept(comparison, concept)
    pairs = []
    for number, first in enumerate(texts):
        for second in texts[number + 1 :]:
            one, other = (languages.base(comparison.entries[at].language) for at in (first, second))
            if one != other:
                continue
            hits = [{clip_id for clip_id, _ in comparison.places[at].hits} for at in (first, second)]
            near = float(comparison.texts[first] @ comparison.texts[second])
            pairs.append(SpellingPair(first, second, round(near, 4), len(hits[0] & hits[1]), len(hits[0])))
            if len(pairs) == at_most:
                return pairs
    return pairs


def require_concept(comparison: Comparison, concept: str) -> list[int]:
    """Return the positions of a concept's texts.

    Raises:
        CacaraError: The comparison has no such concept.
    """
    texts = comparison.of_concept(concept)
    if not texts:
        raise CacaraError(f"the comparison has no concept {concept!r:.80}")
    return texts


def table(comparison: Comparison, retriever: Retriever, name: str, concept: str | None = None) -> list[list[Cell]]:
    """Return one of ``TABLES``, its heading first.

    Args:
        comparison: What was compared.
        retriever: The model and the sounds it was compared with.
        name: ``texts`` (a text a line), ``results`` (a text and a sound a line), ``similarity`` (of the concept's texts
            and sounds), ``agreement`` (of the languages).
        concept: Of ``similarity``; of ``agreement``, None is over all concepts.

    Raises:
        CacaraError: There is no such table or concept.
    """
    if name == "texts":
        return _texts(comparison)
    if name == "results":
        return _results(comparison, retriever)
    if name == "similarity":
        found = similarity(comparison, retriever, comparison.concepts[0] if concept is None else concept)
        heads = [" ".join(filter(None, (item.kind, item.language, item.label))) for item in found.items]
        return [["", *heads], *([head, *_rounded(row)] for head, row in zip(heads, found.matrix, strict=True))]
    if name == "agreement":
        labels = [column.label for column in comparison.distinct_columns]
        shares = comparison.agreement(None if concept is None else [concept])
        return [["", *labels], *([label, *_rounded(row)] for label, row in zip(labels, shares, strict=True))]
    raise CacaraError(f"there is no table {name!r:.40}; wanted one of {', '.join(TABLES)}")


def to_csv(rows: Sequence[Sequence[Cell]]) -> str:
    """Return rows as CSV; a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows([_safe(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def _safe(cell: Cell) -> str | int | float:
    if cell is None:
        return ""
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA) else cell


def _texts(comparison: Comparison) -> list[list[Cell]]:
    rows: list[list[Cell]] = [
        [
            "concept", "language", "variant", "text", "script", "usual_script", "trained_on", "words", "pieces",
            "pieces_per_word", "unknown_pieces", "cut", "rank", "score", "wanted_sound", "nearest_english_name",
            "nearest_in_other_languages", "findings",
        ]
    ]  # fmt: skip
    for at, entry in enumerate(comparison.entries):
        reading, place, name = comparison.readings[at], comparison.places[at], comparison.names[at]
        rate = pieces_per_word(reading)
        rows.append(
            [
                entry.concept, entry.language, comparison.columns[at].variant, entry.text, reading.script,
                reading.usual_script, {True: "yes", False: "no", None: ""}[reading.trained_on], reading.words,
                len(reading.pieces), None if rate is None else round(rate, 2), reading.unknown,
                " | ".join(reading.pieces), place.rank, place.score, place.clip_id, name.text if name else None,
                "; ".join(f"{near.text} ({near.language}, {near.score:.2f})" for near in comparison.neighbours[at]),
                " ".join(finding.code for finding in comparison.findings[at]),
            ]
        )  # fmt: skip
    return rows


def _results(comparison: Comparison, retriever: Retriever) -> list[list[Cell]]:
    rows: list[list[Cell]] = [["concept", "language", "variant", "text", "rank", "score", "clip_id", "name", "wanted"]]
    for at, entry in enumerate(comparison.entries):
        for rank, (clip_id, score) in enumerate(comparison.places[at].hits, start=1):
            wanted = "yes" if clip_id in comparison.wanted[entry.concept] else "no"
            name = retriever.clip(clip_id).caption("en")
            head: list[Cell] = [entry.concept, entry.language, comparison.columns[at].variant, entry.text]
            rows.append([*head, rank, score, clip_id, name, wanted])
    return rows


def _rounded(row: Floats) -> list[Cell]:
    return [None if np.isnan(value) else round(float(value), 4) for value in row]
