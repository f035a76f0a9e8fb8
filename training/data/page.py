"""The report of ``training.data.prepare`` as one HTML file that asks nothing of the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cacara import languages, offline_page
from training.data.report import ENOUGH_WORDS

TEMPLATE = Path(__file__).with_name("report.html")
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")  # told apart with any colour blindness


def to_html(report: Mapping[str, Any]) -> str:
    """Return the page of a report that ``training.data.prepare.prepare`` returns; the same report, the same bytes."""
    clips, drawn = report["clips"], dict(_charts(report))
    figures = [
        ("clips", f"{clips['count']:,}"),
        ("hours", f"{clips['hours']:.2f}"),
        ("concepts", f"{clips['concepts']:,}"),
        ("English captions", f"{clips['captions']:,}"),
    ]
    for kind in ("pairs", "lexicon"):
        for policy, rows in report[kind].items():
            count = rows["languages"]
            figures.append((f"{kind}, {policy}", f"{rows['count']:,} in {count:,} languages"))
    return offline_page.render(
        TEMPLATE,
        "Training data",
        {name: {"data": data, "layout": layout} for name, (_, _, data, layout) in drawn.items()},
        benchmark=report["benchmark"],
        figures=figures,
        sections=[
            {"name": name, "title": title, "about": about, "width": layout.get("width", 320)}
            for name, (title, about, _, layout) in drawn.items()
        ],
        lexicons=[(policy, _lexicon(rows)) for policy, rows in report["lexicon"].items()],
        enough=ENOUGH_WORDS,
    )


def _lexicon(rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy's figures, and its languages: those with the most words on which sources agree first."""
    of_languages = sorted(rows["language"].items(), key=lambda item: (-item[1]["agreeing"], -item[1]["count"], item[0]))
    listed = [
        {
            "name": languages.describe(code).english_name,
            "code": code,
            "pairs": row["count"],
            "agreeing": row["agreeing"],
            "sample": row["sample"],
        }
        for code, row in of_languages
    ]
    kept = {name: rows[name] for name in ("words", "languages_with_enough", "agreement")}
    return {**kept, "total": rows["count"], "languages": listed}


Chart = tuple[str, str, list[dict[str, Any]], dict[str, Any]]
"""Title, explanation, and Plotly's data and layout."""


def _charts(report: Mapping[str, Any]) -> Iterator[tuple[str, Chart]]:
    clips = report["clips"]
    sources = sorted(clips["source"], key=lambda source: (clips["source"][source], source))
    kinds = [_bars(kind, counts, sources) for kind, counts in clips["source_by_kind"].items()]
    yield "sources", ("Clips by source and kind", "Packages that sounds are from.", *_stacked(kinds, sources))
    hours = [_bars("hours", clips["hours_by_source"], sources)]
    yield "hours", ("Hours by source", "Long sounds are counted to their tenth minute.", *_stacked(hours, sources))
    licences = sorted(clips["licence"], key=lambda licence: (clips["licence"][licence], licence))
    counts = [_bars("clips", clips["licence"], licences)]
    yield "licences", ("Clips by licence", "As the sounds’ sources state it.", *_stacked(counts, licences))
    phrasings = {"type": "bar", "x": list(clips["phrasings"]), "y": list(clips["phrasings"].values())}
    layout = {
        "xaxis": {"type": "category", "title": {"text": "phrasings"}},
        "yaxis": {"title": {"text": "clips"}},
        "height": 300,
        "margin": {"t": 20, "r": 20},
    }
    yield (
        "phrasings",
        ("Caption phrasings a clip", "Each clip’s English captions.", [_coloured([phrasings])[0]], layout),
    )
    for policy, pairs in report["pairs"].items():
        languages = sorted(pairs["language"], key=lambda language: (-pairs["language"][language], language))
        data = [
            {"type": "bar", "name": source, "x": languages, "y": [counts.get(code, 0) for code in languages]}
            for source, counts in pairs["language_by_source"].items()
        ]
        layout = {"barmode": "stack", "width": max(640, 12 * len(languages)), "height": 380} | {
            "xaxis": {"type": "category", "tickangle": -90, "dtick": 1, "tickfont": {"size": 9}},
            "yaxis": {"title": {"text": "pairs"}},
            "margin": {"t": 40, "r": 20},
            "legend": {"orientation": "h", "y": 1.15},
        }
        about = f"English texts and their translations that the policy {policy} lets a model see."
        yield f"pairs-{policy}", (f"Pairs by language, {policy}", about, _coloured(data), layout)


def _bars(name: str, values: Mapping[str, float], order: list[str]) -> dict[str, Any]:
    return {"type": "bar", "orientation": "h", "name": name, "y": order, "x": [values.get(key, 0) for key in order]}


def _stacked(data: list[dict[str, Any]], rows: list[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    layout = {
        "barmode": "stack",
        "height": 90 + 24 * len(rows),
        "yaxis": {"type": "category", "dtick": 1},
        "margin": {"t": 30, "r": 20, "b": 40},
        "legend": {"orientation": "h", "y": 1.1},
        "showlegend": len(data) > 1,
    }
    return _coloured(data), layout


def _coloured(data: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**series, "marker": {"color": _COLOURS[number % len(_COLOURS)]}} for number, series in enumerate(data)]
