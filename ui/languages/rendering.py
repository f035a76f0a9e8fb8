"""The table of languages as HTML; knows no Gradio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ui.page.templates import render

if TYPE_CHECKING:
    from cacara.languages.coverage import Coverage, Row
    from ui.page.wording import Wording

UNKNOWN_WORTH_TELLING = 0.0005
"""Smaller shares are shown as none."""

_COLUMNS = (
    ("language", "text"),
    ("script", "text"),
    ("trained_on", "number"),
    ("pieces_per_word", "number"),
    ("unknown", "number"),
    ("found", "number"),
    ("lexicon", "number"),
)


def table(coverage: Coverage, words: Wording, remembered: Mapping[str, int] | None = None) -> str:
    """Return the table with a filter above it and, for the chosen language, what its figures mean.

    ``languages.js`` filters and sorts it and shows a row's sentences when its language is pressed.

    Args:
        coverage: The languages.
        words: The interface's language.
        remembered: Base language to how many of its words and phrases the lexicon has.
    """
    known = remembered or {}
    rows = [_row(row, words, known.get(row.code.partition("-")[0], 0)) for row in coverage.rows]
    return render("languages/table.html", words, columns=_COLUMNS, rows=rows)


def sentences(row: Row, words: Wording, remembered: int = 0) -> Iterator[str]:
    """Yield in plain words what the figures of a language mean, as plain text."""
    yield words("languages_told_trained" if row.trained_on else "languages_told_not_trained")
    if remembered:
        yield words("languages_told_lexicon", count=f"{remembered:,}")
    if row.pieces_per_word is not None:
        yield words("languages_told_pieces", pieces=f"{row.pieces_per_word:.1f}")
    if row.unknown_share is not None:
        known = row.unknown_share < UNKNOWN_WORTH_TELLING
        share = f"{100 * row.unknown_share:.1f}"
        yield words("languages_told_known") if known else words("languages_told_unknown", share=share)
    found = row.test or row.dev
    if found is None:
        yield words("languages_told_not_measured")
        return
    values = {name: f"{getattr(found, name):.0f}" for name in ("recall_at_10", "low", "high", "chance")}
    yield words("languages_told_found", **values)


def _row(row: Row, words: Wording, remembered: int) -> dict[str, Any]:
    found = row.test or row.dev
    recall = _cell()
    if found is not None:
        recall = _cell(found.recall_at_10, f"{found.recall_at_10:.0f} %", f"{found.low:.0f}–{found.high:.0f}")
    share = row.unknown_share
    return {
        "language": row,
        "find": " ".join((row.code, row.name, row.autonym, row.script)).lower(),
        "told": " ".join(sentences(row, words, remembered)),
        "cells": [
            _cell(row.script, f"{row.script} {'←' if row.direction == 'rtl' else '→'}"),
            _cell(int(row.trained_on), words("yes" if row.trained_on else "no")),
            _cell() if row.pieces_per_word is None else _cell(row.pieces_per_word, f"{row.pieces_per_word:.1f}"),
            _cell() if share is None else _cell(share, f"{100 * share:.1f} %"),
            recall,
            _cell(remembered, f"{remembered:,}") if remembered else _cell(),
        ],
    }


def _cell(value: object = "", text: str = "–", interval: str = "") -> dict[str, Any]:
    """Return a cell: the value that it is sorted by, empty where there is none, and what it shows."""
    return {"value": value, "text": text, "interval": interval}
