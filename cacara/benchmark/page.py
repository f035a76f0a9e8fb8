"""A report of ``cacara.benchmark.side_by_side`` as one HTML file that asks nothing of the network."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cacara import offline_page
from cacara.benchmark.charts import charts
from cacara.benchmark.side_by_side_tables import overview_head, overview_rows

_BODY = """\
<main>
<h1>{title}</h1>
<p>{subtitle}</p>
<nav>{links}</nav>
<div class="choices">{choices}</div>
{sections}
<h2>How to read it</h2>
<ul>{notes}</ul>
</main>"""

# kind of chart, what it depends on, title, explanation, what to say where there is none
_SECTIONS = (
    (
        "recalls",
        "direction",
        "Recall",
        "Share of queries with a right answer among the first 1 or 10; lines are 95 % intervals over concepts.",
        "",
    ),
    (
        "languages",
        "direction",
        "Languages",
        "Recall in percent, the first model's worst language on top.",
        "This direction has no languages.",
    ),
    (
        "differences",
        "direction pair metric",
        "Differences by language",
        "The second model against the first on the same queries, with 95 % intervals. Filled: p < 0.05 in a paired "
        "randomisation test over concepts, after Holm's correction for the number of languages.",
        "One model alone has nothing to differ from.",
    ),
    (
        "z_scores",
        "direction",
        "Models within a language",
        "Distance of a model's R@10 from the mean of all models in that language, in standard deviations.",
        "This takes three models or more.",
    ),
    (
        "confusions",
        "direction model",
        "What came first instead",
        "Asked for → what stood in the first place where it was wrong; share of the queries over all languages.",
        "Nothing was confused.",
    ),
    (
        "consistency",
        "direction",
        "Consistency over languages",
        "A concept far down is found at the same rank in whatever language; one far left is found early.",
        "This direction has no languages.",
    ),
    (
        "hubs",
        "direction model",
        "Hubs",
        "Candidates that stand among the first ten of many queries, right or wrong, and crowd out others.",
        "The candidates of this direction differ from language to language.",
    ),
)


def to_html(report: Mapping[str, Any]) -> str:
    """Return the page of a comparison: tables and charts, light and dark, for a desk and a phone."""
    names = [model["name"] for model in report["models"]]
    benchmark = report["benchmark"]
    folder = Path(__file__).parent
    drawn = charts(report)
    kinds = {key.partition("|")[0] for key in drawn}
    shown = [section for section in _SECTIONS if section[0] in kinds]
    title = " · ".join(names)
    body = _BODY.format(
        title=html.escape(title),
        subtitle=html.escape(f"{benchmark['name']}, hash {benchmark['hash']}, split {report['split']}"),
        links="".join(f'<a href="#{kind}">{title}</a>' for kind, _, title, _, _ in shown),
        choices="".join(_choices(report)),
        sections="\n".join([*_overview(report), *_summaries(report), *_chart_sections(shown)]),
        notes="".join(f"<li>{html.escape(note)}</li>" for note in report["notes"]),
    )
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return offline_page.frame(title, style, body, drawn, script)


def _choices(report: Mapping[str, Any]) -> Iterator[str]:
    yield _select("direction", "Direction", [(name, name.replace("_", " ")) for name in report["directions"]])
    pairs = list(dict.fromkeys(f"{test['first']} → {test['second']}" for test in report["tests"]))
    yield _select("pair", "Compared", [(pair, pair) for pair in pairs], hidden=not pairs)
    yield _select("metric", "Metric", [("recall_at_10", "R@10"), ("recall_at_1", "R@1")], hidden=not pairs)
    names = [model["name"] for model in report["models"]]
    yield _select("model", "Model", [(name, name) for name in names], hidden=len(names) == 1)


def _select(name: str, label: str, options: Sequence[tuple[str, str]], hidden: bool = False) -> str:
    shown = "".join(f'<option value="{html.escape(value)}">{html.escape(text)}</option>' for value, text in options)
    state = " hidden" if hidden else ""
    return f'<label{state}>{label} <select name="{name}">{shown}</select></label>'


def _overview(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of quality and cost, where the report tells costs."""
    if rows := list(overview_rows(report)):
        yield "<h2>Quality and cost</h2>"
        yield _table(overview_head(report), [[html.escape(cell) for cell in row] for row in rows])


def _summaries(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table of models for each direction, and one of the tests."""
    for direction in report["directions"]:
        models = [model for model in report["models"] if direction in model["summary"]]
        yield f'<div data-direction="{html.escape(direction)}">'
        yield "<h2>Summary</h2>"
        yield _table(*_summary_table(models, direction))
        tests = [test for test in report["tests"] if test["direction"] == direction and test["languages"]]
        if tests:
            yield "<h2>Differences</h2>"
            yield _table(*_test_table(tests))
        seen = list(_seen_rows(models, direction))
        if seen:
            yield "<h2>Seen and unseen in training</h2>"
            yield _table(["model", "queries", "English R@1/5/10", "others R@1/5/10", "others’ queries"], seen)
        yield "</div>"


def _summary_table(models: Sequence[Mapping[str, Any]], direction: str) -> tuple[list[str], list[list[str]]]:
    head = [
        "model", "English R@1/5/10", "others R@1/5/10", "others’ R@10, 95\u00a0%", "chance R@10", "ratio R@1, R@10",
        "mean rank variance", "hub skewness", "orphans",
    ]  # fmt: skip
    rows = []
    for model in models:
        summary, hubness = model["summary"][direction], model["hubness"][direction]
        alone = summary.get("without_language")
        other = summary["mean_other"] or alone
        seeds = f" <small>{model['seeds']} seeds</small>" if model["seeds"] > 1 else ""
        ratios = (summary[f"transfer_ratio_recall_at_{depth}"] for depth in (1, 10))
        variance = model["rank_consistency"][direction]["mean_rank_variance"]
        rows.append(
            [
                html.escape(model["name"]) + seeds,
                _recalls(summary["english"]),
                _recalls(other),
                "–".join(f"{bound:.1f}" for bound in other["ci95_recall_at_10"]) if other else "–",
                f"{other['chance_recall_at_10']:.1f}" if other else "–",
                ", ".join("–" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
                "–" if variance is None else f"{variance:.0f}",
                f"{hubness['skewness']:.2f}",
                f"{hubness['orphans']:.0f} %",
            ]
        )
    return head, rows


def _test_table(tests: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    head = ["second − first", "metric", "English", "mean of others", "languages better", "worse"]
    rows = [
        [
            html.escape(f"{test['second']} − {test['first']}"),
            f"R@{test['metric'].rsplit('_', 1)[1]}",
            _difference(test["english"]),
            _difference(test["mean_other"]),
            f"{test['better']} of {len(test['languages'])}",
            str(test["worse"]),
        ]
        for test in tests
    ]
    return head, rows


def _seen_rows(models: Sequence[Mapping[str, Any]], direction: str) -> Iterator[list[str]]:
    for model in models:
        for key, what in (("by_concept", "concept"), ("by_text", "string")):
            parts = (model["seen"] or {}).get(direction, {}).get(key, {})
            for part in ("seen", "unseen") if parts.get("seen") else ():
                summary = parts[part] or {"english": None, "mean_other": None}
                queries = str(summary["mean_other"]["queries"]) if summary["mean_other"] else "–"
                recalls = (_recalls(summary["english"]), _recalls(summary["mean_other"]))
                yield [html.escape(model["name"]), f"{what} {part}", *recalls, queries]


def _chart_sections(sections: Sequence[tuple[str, str, str, str, str]]) -> Iterator[str]:
    for kind, by, title, explanation, empty in sections:
        yield f'<section><h2 id="{kind}">{title}</h2><p>{explanation}</p><div class="scroll">'
        yield f'<div class="chart" data-kind="{kind}" data-by="{by}"></div><p class="empty" hidden>{empty}</p>'
        yield "</div></section>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the cells of ``rows`` are HTML already."""
    titles = "".join(f"<th>{html.escape(title)}</th>" for title in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


def _recalls(figures: Mapping[str, Any] | None) -> str:
    if not figures:
        return "–"
    stds = {depth: figures.get(f"std_recall_at_{depth}") for depth in (1, 5, 10)}
    shown = (
        f"{figures[f'recall_at_{depth}']:.1f}" + ("" if std is None else f"<small> ± {std:.1f}</small>")
        for depth, std in stds.items()
    )
    return " / ".join(shown)


def _difference(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "–"
    certain = found["p"] < 0.05
    colour = ("good" if found["difference"] > 0 else "bad") if certain else ""
    p = "p &lt; 0.001" if found["p"] < 0.001 else f"p = {found['p']:.3f}"
    lower, upper = found["ci95"]
    return f'<span class="{colour}">{found["difference"]:+.1f}</span> <small>{lower:+.1f} to {upper:+.1f}, {p}</small>'
