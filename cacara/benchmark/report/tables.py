"""A report of ``cacara.benchmark.retrieval`` as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cacara.benchmark.report.cells import interval, recall, recalls


def to_markdown(report: Mapping[str, Any]) -> str:
    """Return a report as Markdown: for each direction its rows, then the languages, worst first."""
    benchmark = report["benchmark"]
    lines = [f"# {report['model']} on {benchmark['name']} ({benchmark['hash']}), {report['split']}"]
    for direction, figures in report["directions"].items():
        lines += ["", f"## {direction.replace('_', ' ')}", "", *_row_table(report["rows"], direction)]
        if direction == "text_to_audio" and (kinds := report["rows"][0].get("kinds")):
            lines += ["", *_kind_table(kinds)]
        lines += ["", *_language_table(figures)]
    return "\n".join([*lines, "", *(f"- {note}" for note in report["notes"]), ""])


def _row_table(rows: Sequence[Mapping[str, Any]], direction: str) -> list[str]:
    lines = [
        "| system | language | centred | English R@1/5/10 | others R@1/5/10 | others' R@10, 95 % | chance "
        "| languages | ratio R@1 | ratio R@10 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        summary = row["summary"].get(direction)
        if summary is None:  # a direction without texts does not depend on how texts are read
            continue
        other = summary["mean_other"] or summary.get("without_language")
        ratios = (summary[f"transfer_ratio_recall_at_{depth}"] for depth in (1, 10))
        cells = [
            row["system"],
            row["language"],
            "yes" if row["centred"] else "no",
            recalls(summary["english"]),
            recalls(other),
            interval(other),
            f"{other['chance_recall_at_10']:.1f}" if other else "–",
            str(summary["languages"]),
            *("–" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _kind_table(kinds: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = ["| queries | how many in English, others | English R@1/5/10 | others R@1/5/10 |", "|---|---|---|---|"]
    for kind, summary in kinds.items():
        english, other = summary["english"], summary["mean_other"]
        counts = ", ".join(str(row["queries"]) if row else "0" for row in (english, other))
        lines.append(f"| {kind} | {counts} | {recalls(english)} | {recalls(other)} |")
    return lines


def _language_table(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = [
        "| language | R@1 | R@5 | R@10 | R@10, 95 % | chance R@10 | queries | left out |",
        "|---|---|---|---|---|---|---|---|",
    ]
    worst_first = sorted(figures, key=lambda language: (figures[language]["recall_at_10"], language))
    for language in worst_first:
        row = figures[language]
        each = " | ".join(recall(row, depth) for depth in (1, 5, 10))
        lines.append(
            f"| {language} | {each} | {interval(row)} | {row['chance_recall_at_10']:.1f} "
            f"| {row['queries']} | {row['left_out']} |"
        )
    return lines
