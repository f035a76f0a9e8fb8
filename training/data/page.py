"""The report of ``training.data.prepare`` as one HTML file that asks nothing of the network."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any

from cacara import languages, offline_page
from training.data.report import ENOUGH_WORDS

_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")  # told apart with any colour blindness
_STYLE = """\
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 70rem; font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.5rem 0 0; }
table { border-collapse: collapse; font-size: .9rem; margin-top: .5rem; } caption { text-align: start; opacity: .8; }
th, td { padding: .15rem .75rem .15rem 0; text-align: start; vertical-align: top; border-bottom: 1px solid #8884; }
td.number { text-align: end; font-variant-numeric: tabular-nums; } td small { opacity: .7; }
p { margin: .25rem 0; opacity: .8; } .scroll { overflow-x: auto; }
dl { display: flex; flex-wrap: wrap; gap: 1rem 2rem; }
dt { opacity: .8; font-size: .9rem; } dd { margin: 0; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
"""
_SCRIPT = """\
const dark = matchMedia("(prefers-color-scheme: dark)");
function draw() {
  const text = dark.matches ? "#e6eaf0" : "#1d2530", line = dark.matches ? "#323b48" : "#d8dee6";
  for (const [id, chart] of Object.entries(JSON.parse(document.getElementById("charts").textContent))) {
    const axis = {gridcolor: line, zerolinecolor: line, automargin: true};
    Plotly.react(id, chart.data, {
      ...chart.layout, paper_bgcolor: "transparent", plot_bgcolor: "transparent", font: {color: text},
      xaxis: {...axis, ...chart.layout.xaxis}, yaxis: {...axis, ...chart.layout.yaxis},
    }, {responsive: true, displayModeBar: false});
  }
}
dark.addEventListener("change", draw);
draw();
"""


def to_html(report: Mapping[str, Any]) -> str:
    """Return the page of a report that ``training.data.prepare.prepare`` returns; the same report, the same bytes."""
    clips, drawn = report["clips"], dict(_charts(report))
    figures = {
        "clips": f"{clips['count']:,}",
        "hours": f"{clips['hours']:.2f}",
        "concepts": f"{clips['concepts']:,}",
        "English captions": f"{clips['captions']:,}",
        **{
            f"pairs, {policy}": f"{pairs['count']:,} in {pairs['languages']} languages"
            for policy, pairs in report["pairs"].items()
        },
        **{
            f"lexicon, {policy}": f"{rows['count']:,} in {rows['languages']:,} languages"
            for policy, rows in report["lexicon"].items()
        },
    }
    charts = {name: {"data": data, "layout": layout} for name, (_, _, data, layout) in drawn.items()}
    subtitle = html.escape("Nothing of {name}, hash {hash}, is in it.".format(**report["benchmark"]))
    told = "".join(f"<div><dt>{html.escape(name)}</dt><dd>{value}</dd></div>" for name, value in figures.items())
    sections = "\n".join(
        f'<h2>{title}</h2><p>{about}</p><div class="scroll"><div id="{name}" '
        f'style="min-width:{layout.get("width", 320)}px"></div></div>'
        for name, (title, about, _, layout) in drawn.items()
    )
    body = f"<h1>Training data</h1>\n<p>{subtitle}</p>\n<dl>{told}</dl>\n{sections}\n{_lexicons(report)}"
    return offline_page.frame("Training data", _STYLE, body, charts, _SCRIPT)


def _lexicons(report: Mapping[str, Any]) -> str:
    """Return a table of languages for each policy, those with the most words on which sources agree first."""
    return "\n".join(_lexicon(policy, rows) for policy, rows in report["lexicon"].items())


def _lexicon(policy: str, rows: Mapping[str, Any]) -> str:
    languages_of = sorted(rows["language"].items(), key=lambda item: (-item[1]["agreeing"], -item[1]["count"], item[0]))
    lines = "".join(
        f"<tr><td>{html.escape(languages.describe(code).english_name)} <small>{html.escape(code)}</small></td>"
        f'<td class="number">{row["count"]:,}</td><td class="number">{row["agreeing"]:,}</td>'
        f"<td>{' · '.join(map(_word, row['sample']))}</td></tr>\n"
        for code, row in languages_of
    )
    agreement = ", ".join(f"{count:,} from {number}" for number, count in rows["agreement"].items())
    return (
        f"<h2>Lexicon, {html.escape(policy)}</h2>"
        f"<p>{rows['count']:,} pairs of {rows['words']:,} words; {rows['languages_with_enough']:,} languages have "
        f"{ENOUGH_WORDS} or more. By how many sources give a pair: {agreement}.</p>"
        f'<div class="scroll"><table><caption>Words to look at, each with its number of sources.</caption>'
        f"<tr><th>Language</th><th>Pairs</th><th>Agreeing</th><th>Sample</th></tr>\n{lines}</table></div>"
    )


def _word(row: Mapping[str, Any]) -> str:
    return (
        f"<bdi>{html.escape(row['text'])}</bdi> {html.escape(row['english'])} "
        f'<small title="{html.escape(", ".join(row["sources"]))}">{len(row["sources"])}</small>'
    )


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
        about = f"English texts and their translations that the policy {html.escape(policy)} lets a model see."
        yield f"pairs-{policy}", (f"Pairs by language, {html.escape(policy)}", about, _coloured(data), layout)


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
