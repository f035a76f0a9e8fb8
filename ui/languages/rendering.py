"""The table of languages as HTML; knows no Gradio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING

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
    count = len(coverage.rows)
    known = remembered or {}
    rows = "".join(_row(row, words, known.get(row.code.partition("-")[0], 0)) for row in coverage.rows)
    head = "".join(
        f'<th scope="col" data-kind="{kind}"><button type="button">{_text(words(f"languages_{name}"))}</button></th>'
        for name, kind in _COLUMNS
    )
    return (
        f'<div class="languages" lang="{_text(words.code)}" dir="{words.direction}">'
        f"<p>{_text(words('languages_intro', count=count))}</p>"
        f'<label>{_text(words("languages_filter"))} <input type="search" dir="auto" autocomplete="off"></label>'
        f'<p class="shown" role="status" data-count="{_text(words("languages_shown", count=count))}"></p>'
        f'<p class="told" aria-live="polite">{_text(words("languages_choose"))}</p>'
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></div>"
    )


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


def _row(row: Row, words: Wording, remembered: int) -> str:
    found = row.test or row.dev
    find = " ".join((row.code, row.name, row.autonym, row.script)).lower()
    told = " ".join(sentences(row, words, remembered))
    pieces = ("", "–") if row.pieces_per_word is None else (f"{row.pieces_per_word}", f"{row.pieces_per_word:.1f}")
    share = row.unknown_share
    unknown = ("", "–") if share is None else (f"{share}", f"{100 * share:.1f} %")
    interval = "" if found is None else f" <small>{found.low:.0f}–{found.high:.0f}</small>"
    recall = ("", "–") if found is None else (f"{found.recall_at_10}", f"{found.recall_at_10:.0f} %{interval}")
    cells = (
        (row.script, f"{_text(row.script)} {'←' if row.direction == 'rtl' else '→'}"),
        (str(int(row.trained_on)), _text(words("yes" if row.trained_on else "no"))),
        pieces,
        unknown,
        recall,
        (str(remembered), f"{remembered:,}") if remembered else ("", "–"),
    )
    return (
        f'<tr data-find="{_text(find)}" data-told="{_text(told)}"><th scope="row" data-value="{_text(row.name)}">'
        f'<button type="button" aria-pressed="false"><bdi lang="{_text(row.code)}">{_text(row.autonym)}</bdi> '
        f'<small><bdi lang="en">{_text(row.name)}</bdi> <code>{_text(row.code)}</code></small></button></th>'
        + "".join(f'<td data-value="{_text(value)}"><bdi>{shown}</bdi></td>' for value, shown in cells)
        + "</tr>"
    )


def _text(value: str) -> str:
    return escape(value, quote=True)
