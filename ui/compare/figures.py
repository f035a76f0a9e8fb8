"""The heat maps as Plotly figures; colours are named, and the page's script puts in those of its theme.

Plotly reads a few HTML tags in labels, so every text that is not ours is escaped here too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cacara.words.comparison import Comparison, Floats
    from cacara.words.comparison_tables import Similarity
    from ui.page.wording import Wording

MAX_LABEL = 26
NUMBERED_CONCEPTS = 12
"""Up to so many columns the cells of the overview show their figures."""
NUMBERED_ITEMS = 14
LEVEL_LABELS = 2
"""Up to so many wide columns the labels above them stand level."""

_CELL = 24
_WIDE_CELL = 84
_MARGIN = 16


def overview(comparison: Comparison, measure: str, words: Wording) -> dict[str, Any]:
    """Return rank or score of the wanted sound: languages down, concepts across.

    Args:
        comparison: The comparison.
        measure: ``rank`` or ``score``.
        words: The interface's language.
    """
    concepts, columns = comparison.concepts, comparison.distinct_columns
    values, shown, hover = [], [], []
    for column in columns:
        row: list[tuple[float | None, str, str]] = []
        for concept in concepts:
            at = comparison.cells.get((concept, column))
            row.append((None, "", "") if at is None else _cell(comparison, at, measure, words))
        values.append([value for value, _, _ in row])
        shown.append([text for _, text, _ in row])
        hover.append([text for _, _, text in row])
    numbered = len(concepts) <= NUMBERED_CONCEPTS
    title = words(f"compare_{measure}")
    figure = _heat_map(
        values,
        hover,
        rows=[escape(_cut(column.label), quote=False) for column in columns],
        columns=[escape(_cut(name_of(comparison, concept, words)), quote=False) for concept in concepts],
        wide=numbered,
        title=title,
    )
    trace = figure["data"][0]
    if numbered:
        trace["text"], trace["texttemplate"] = shown, "%{text}"
    if measure == "rank":
        ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000) if tick <= comparison.sounds]
        trace |= {"colorscale": "rank", "zmin": 0.0, "zmax": max(0.1, math.log10(max(comparison.sounds, 2)))}
        trace["colorbar"] |= {"tickvals": [math.log10(tick) for tick in ticks], "ticktext": [str(t) for t in ticks]}
    else:
        trace |= {"colorscale": "amount"}
    figure["layout"]["meta"]["concepts"] = list(concepts)
    return figure


def name_of(comparison: Comparison, concept: str, words: Wording) -> str:
    """Return what a concept is called: as the list has it, else by its English word, else that it has no name."""
    english = (each.text for each in comparison.entries if each.concept == concept and each.language == "en")
    return concept or next(english, words("compare_unnamed"))


def similarity(found: Similarity, words: Wording) -> dict[str, Any]:
    """Return the similarity matrix of a concept's texts and sounds."""
    labels = [_item(item.kind, item.language, item.label, item.wanted) for item in found.items]
    hover = [[f"{row}<br>{column}<br>{value:.2f}" for column, value in zip(labels, line, strict=True)]
             for row, line in zip(labels, found.matrix, strict=True)]  # fmt: skip
    return _square(found.matrix, labels, hover, words("compare_similarity"))


def agreement(shares: Floats, labels: Sequence[str], words: Wording) -> dict[str, Any]:
    """Return how much the columns agree.

    Args:
        shares: float32 [columns, columns] in [0, 1], NaN where nothing is known.
        labels: Of the columns.
        words: The interface's language.
    """
    names = [escape(_cut(label), quote=False) for label in labels]
    hover = [[f"{row} · {column}<br>{value:.0%}" for column, value in zip(names, line, strict=True)]
             for row, line in zip(names, shares, strict=True)]  # fmt: skip
    return _square(shares, names, hover, words("compare_agreement"))


def _cell(comparison: Comparison, at: int, measure: str, words: Wording) -> tuple[float | None, str, str]:
    entry, place = comparison.entries[at], comparison.places[at]
    text = f"{escape(comparison.columns[at].label, quote=False)} · <b>{escape(entry.text, quote=False)}</b>"
    if place.rank is None or place.score is None:
        return None, "", f"{text}<br>{escape(words('compare_told_no_sound'), quote=False)}"
    hover = f"{text}<br>{words('compare_rank')} {place.rank} · {words('compare_score')} {place.score:.2f}"
    if measure == "rank":
        return math.log10(place.rank), str(place.rank), hover
    return place.score, f"{place.score:.2f}", hover


def _square(values: Floats, labels: Sequence[str], hover: list[list[str]], title: str) -> dict[str, Any]:
    known = [[None if math.isnan(value) else round(float(value), 4) for value in row] for row in values]
    figure = _heat_map(known, hover, labels, labels, wide=False, title=title)
    trace = figure["data"][0]
    trace |= {"colorscale": "amount", "zmin": 0.0, "zmax": 1.0}
    if len(labels) <= NUMBERED_ITEMS:
        trace["text"] = [["" if value is None else f"{value:.2f}" for value in row] for row in known]
        trace["texttemplate"] = "%{text}"
        figure["layout"]["meta"]["min_width"] += len(labels) * 14
    return figure


def _heat_map(
    values: list[list[float | None]],
    hover: list[list[str]],
    rows: Sequence[str],
    columns: Sequence[str],
    wide: bool,
    title: str,
) -> dict[str, Any]:
    level = wide and len(columns) <= LEVEL_LABELS
    left = _MARGIN + 8 * min(MAX_LABEL, max(map(len, rows)))
    top = 2 * _MARGIN if level else _MARGIN + round(6.2 * min(MAX_LABEL, max(map(len, columns))))
    width = left + len(columns) * (_WIDE_CELL if wide else _CELL) + 90
    return {
        "data": [
            {
                "type": "heatmap",
                "z": values,
                "hovertext": hover,
                "hoverinfo": "text",
                "xgap": 1,
                "ygap": 1,
                "colorbar": {
                    "title": {"text": escape(title, quote=False), "side": "right"},
                    "thickness": 10,
                    "len": min(220, max(110, len(rows) * _CELL)),
                    "lenmode": "pixels",
                    "y": 1,
                    "yanchor": "top",
                    "outlinewidth": 0,
                },
            }
        ],
        "layout": {
            "height": top + _MARGIN + max(130, len(rows) * _CELL),
            "margin": {"l": left, "r": 10, "t": top, "b": _MARGIN},
            "xaxis": _axis(columns) | {"side": "top", "tickangle": 0 if level else -60},
            "yaxis": _axis(rows) | {"autorange": "reversed"},
            "meta": {"min_width": width, "max_width": width if len(columns) > 2 else width + 60},
        },
    }


def _axis(labels: Sequence[str]) -> dict[str, Any]:
    # By position, as two labels may be equal, and Plotly would make one of them.
    return {
        "tickmode": "array",
        "tickvals": list(range(len(labels))),
        "ticktext": list(labels),
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
        "fixedrange": True,
    }


def _item(kind: str, language: str, label: str, wanted: bool) -> str:
    text = escape(_cut(label), quote=False)
    if kind == "sound":
        return f"♪ <b>{text}</b> ✓" if wanted else f"♪ {text}"
    return f"{escape(language, quote=False)} · {text}"


def _cut(label: str) -> str:
    return label if len(label) <= MAX_LABEL else label[: MAX_LABEL - 1] + "…"
