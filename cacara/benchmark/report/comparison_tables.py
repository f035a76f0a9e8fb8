"""A report of ``cacara.benchmark.comparison`` as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cacara.benchmark.report.cells import interval, recall, recalls

CONFUSIONS_SHOWN = 12
OVERVIEW = ("text_to_audio", "text_to_image")
"""Directions whose quality stands beside what a model costs."""


def to_markdown(report: Mapping[str, Any]) -> str:
    """Return a comparison as Markdown: a table of models a direction, then tests, what was seen, and languages."""
    benchmark = report["benchmark"]
    names = ", ".join(model["name"] for model in report["models"])
    lines = [f"# {names} on {benchmark['name']} ({benchmark['hash']}), {report['split']}"]
    if overview := list(overview_rows(report)):
        head = [overview_head(report), ["---"] * len(overview[0])]
        lines += ["", "## Quality and cost", "", *(_line(*cells) for cells in [*head, *overview])]
    for direction in report["directions"]:
        models = [model for model in report["models"] if direction in model["summary"]]
        lines += ["", f"## {direction.replace('_', ' ')}", "", *_model_table(models, direction)]
        for title, table in (
            ("Kinds of queries", list(_kind_table(models) if direction == "text_to_audio" else ())),
            ("Differences", list(_test_table(report["tests"], direction))),
            ("Seen in training", list(_seen_table(models, direction))),
            ("What came first instead", list(_confusion_table(models[0], direction))),
            ("Languages, R@10, worst first", list(_language_table(models, report["tests"], direction))),
        ):
            if len(table) > 2:  # more than the head
                lines += ["", f"### {title}", "", *table]
    return "\n".join([*lines, "", *(f"- {note}" for note in report["notes"]), ""])


def _kind_table(models: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a table of the models' recalls by kind of query, where queries have kinds."""
    yield _line("model", "queries", "English R@1/5/10", "others R@1/5/10")
    yield _line(*["---"] * 4)
    for model in models:
        for kind, summary in model.get("kinds", {}).items():
            cells = (
                " / ".join(f"{figures[f'recall_at_{depth}']:.1f}" for depth in (1, 5, 10)) if figures else "–"
                for figures in (summary["english"], summary["mean_other"])
            )
            yield _line(model["name"], kind, *cells)


def overview_head(report: Mapping[str, Any]) -> list[str]:
    """Return the titles of ``overview_rows``."""
    shown = [name for name in OVERVIEW if name in report["directions"]]
    return [
        "model",
        *(f"{name.replace('_', ' ')}: English, others R@1/10" for name in shown),
        "trained parameters: texts + sounds + pictures",
        "data",
        "training, minutes",
        "a query: median, ninth decile",
    ]


def overview_rows(report: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield a row of plain texts a model: its quality and what it costs; none where costs are not told."""
    for model in report["models"]:
        if "cost" not in model:
            continue
        parameters, training, latency = (
            model["cost"][key] for key in ("trained_parameters", "training", "query_latency")
        )
        parts = " + ".join(f"{parameters[part] / 1e6:.2f}" for part in ("texts", "sounds", "pictures"))
        minutes = training["minutes"]
        yield [
            model["name"],
            *(_short(model["summary"].get(name)) for name in OVERVIEW if name in report["directions"]),
            f"{parameters['all'] / 1e6:.2f} M: {parts}",
            training["data"] or "not told",
            "not told" if minutes is None else f"{minutes:g}",
            f"{latency['median_ms']:.0f}, {latency['p90_ms']:.0f} ms",
        ]


def _short(summary: Mapping[str, Any] | None) -> str:
    if summary is None:
        return "–"
    parts = (summary["english"], summary["mean_other"])
    return ", ".join(f"{recall(part, 1)} / {recall(part, 10)}" if part else "–" for part in parts)


def _model_table(models: Sequence[Mapping[str, Any]], direction: str) -> Iterator[str]:
    if "without_language" in models[0]["summary"][direction]:
        yield "| model | R@1/5/10 | R@10, 95 % | chance | skewness, orphans |"
        yield "|---|---|---|---|---|"
        for model in models:
            found, hubness = model["summary"][direction]["without_language"], model["hubness"][direction]
            yield _line(
                model["name"],
                recalls(found),
                interval(found),
                _number(found["chance_recall_at_10"]),
                f"{hubness['skewness']:.2f}, {hubness['orphans']:.0f} %",
            )
        return
    yield (
        "| model | English R@1/5/10 | others R@1/5/10 | others' R@1, 95 % | others' R@10, 95 % | chance "
        "| ratio R@1, R@10 | mean rank variance | skewness, orphans |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for model in models:
        summary, hubness = model["summary"][direction], model["hubness"][direction]
        other, variance = summary["mean_other"], model["rank_consistency"][direction]["mean_rank_variance"]
        ratios = ", ".join(_number(summary[f"transfer_ratio_recall_at_{depth}"], 2) for depth in (1, 10))
        seeds = f" ({model['seeds']} seeds)" if model["seeds"] > 1 else ""
        yield _line(
            model["name"] + seeds,
            recalls(summary["english"]),
            recalls(other),
            interval(other, 1),
            interval(other),
            _number(other and other["chance_recall_at_10"]),
            ratios,
            _number(variance),
            f"{hubness['skewness']:.2f}, {hubness['orphans']:.0f} %",
        )


def _test_table(tests: Sequence[Mapping[str, Any]], direction: str) -> Iterator[str]:
    yield "| second − first | metric | English, 95 %, p | mean of others, 95 %, p | languages better, worse (Holm) |"
    yield "|---|---|---|---|---|"
    for test in tests:
        if test["direction"] == direction:
            yield _line(
                f"{test['second']} − {test['first']}",
                f"R@{test['metric'].rsplit('_', 1)[1]}",
                _difference(test["english"]),
                _difference(test["mean_other"]),
                f"{test['better']}, {test['worse']} of {len(test['languages'])}",
            )


def _seen_table(models: Sequence[Mapping[str, Any]], direction: str) -> Iterator[str]:
    yield "| model | queries | English R@1/5/10 | others R@1/5/10 | others' R@10, 95 % | queries of others |"
    yield "|---|---|---|---|---|---|"
    told = {"by_concept": "concept", "by_text": "string"}
    for model in models:
        for key, what in told.items():
            parts = (model["seen"] or {}).get(direction, {}).get(key, {})
            if not parts.get("seen"):
                continue  # nothing was seen, so the figures of all stand
            for part in ("seen", "unseen"):
                summary = parts[part] or {"english": None, "mean_other": None}
                other = summary["mean_other"]
                yield _line(
                    model["name"],
                    f"{what} {part}",
                    recalls(summary["english"]),
                    recalls(other),
                    interval(other),
                    str(other["queries"]) if other else "–",
                )


def _confusion_table(model: Mapping[str, Any], direction: str) -> Iterator[str]:
    yield f"| asked for | came first ({model['name']}) | share of its queries |"
    yield "|---|---|---|"
    for row in model["confusions"][direction][:CONFUSIONS_SHOWN]:
        yield _line(_plain(row["asked"]), _plain(row["given"]), f"{row['share']:.0f} %")


def _language_table(
    models: Sequence[Mapping[str, Any]], tests: Sequence[Mapping[str, Any]], direction: str
) -> Iterator[str]:
    """Yield the languages, each later model with a mark where it differs from the first, corrected after Holm."""
    if "without_language" in models[0]["summary"][direction]:
        return
    yield f"| language | {' | '.join(model['name'] for model in models)} | 95 %, {models[0]['name']} | queries |"
    yield "|---" * (len(models) + 3) + "|"
    against_first = {
        test["second"]: test["languages"]
        for test in tests
        if (test["first"], test["direction"], test["metric"]) == (models[0]["name"], direction, "recall_at_10")
    }
    rows = models[0]["directions"][direction]
    for code in sorted(rows, key=lambda code: (rows[code]["recall_at_10"], code)):
        cells = []
        for model in models:
            tested = against_first.get(model["name"], {}).get(code)
            mark = ("+" if tested["difference"] > 0 else "−") if tested and tested["significant"] else ""
            cells.append(recall(model["directions"][direction][code], 10) + mark)
        yield _line(code, *cells, interval(rows[code]), str(rows[code]["queries"]))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _difference(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "–"
    lower, upper = found["ci95"]
    return f"{found['difference']:+.1f} ({lower:+.1f} to {upper:+.1f}), p {_p(found['p'])}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _plain(name: str) -> str:
    return name.replace("|", "/")
