"""A comparison as one HTML file that asks nothing of the network: tables and charts, for a desk and a phone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cacara import offline_page
from cacara.benchmark.report.charts import charts
from cacara.benchmark.report.comparison_tables import overview_head, overview_rows

TEMPLATE = Path(__file__).with_name("comparison.html")


class _Section(NamedTuple):
    """A kind of chart: what it depends on, title, explanation, and what is said where there is none."""

    kind: str
    by: str
    title: str
    about: str
    empty: str


_SECTIONS = (
    _Section(
        "recalls",
        "direction",
        "Recall",
        "Share of queries with a right answer among the first 1 or 10; lines are 95 % intervals over concepts.",
        "",
    ),
    _Section(
        "languages",
        "direction",
        "Languages",
        "Recall in percent, the first model's worst language on top.",
        "This direction has no languages.",
    ),
    _Section(
        "differences",
        "direction pair metric",
        "Differences by language",
        "The second model against the first on the same queries, with 95 % intervals. Filled: p < 0.05 in a paired "
        "randomisation test over concepts, after Holm's correction for the number of languages.",
        "One model alone has nothing to differ from.",
    ),
    _Section(
        "z_scores",
        "direction",
        "Models within a language",
        "Distance of a model's R@10 from the mean of all models in that language, in standard deviations.",
        "This takes three models or more.",
    ),
    _Section(
        "confusions",
        "direction model",
        "What came first instead",
        "Asked for → what stood in the first place where it was wrong; share of the queries over all languages.",
        "Nothing was confused.",
    ),
    _Section(
        "consistency",
        "direction",
        "Consistency over languages",
        "A concept far down is found at the same rank in whatever language; one far left is found early.",
        "This direction has no languages.",
    ),
    _Section(
        "hubs",
        "direction model",
        "Hubs",
        "Candidates that stand among the first ten of many queries, right or wrong, and crowd out others.",
        "The candidates of this direction differ from language to language.",
    ),
)


def to_html(report: Mapping[str, Any]) -> str:
    """Return the page of a report of ``comparison.compare``; the same report, the same bytes."""
    benchmark, drawn = report["benchmark"], charts(report)
    kinds = {key.partition("|")[0] for key in drawn}
    names = [model["name"] for model in report["models"]]
    pairs = list(dict.fromkeys(f"{test['first']} → {test['second']}" for test in report["tests"]))
    return offline_page.render(
        TEMPLATE,
        " · ".join(names),
        drawn,
        subtitle=f"{benchmark['name']}, hash {benchmark['hash']}, split {report['split']}",
        sections=[section for section in _SECTIONS if section.kind in kinds],
        directions=[(name, name.replace("_", " ")) for name in report["directions"]],
        pairs=[(pair, pair) for pair in pairs],
        models=[(name, name) for name in names],
        overview_head=overview_head(report),
        overview=list(overview_rows(report)),
        summaries=list(_summaries(report)),
        notes=report["notes"],
    )


def _summaries(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the models of each direction, the tests of it, and what was seen and unseen in training."""
    for direction in report["directions"]:
        models = [model for model in report["models"] if direction in model["summary"]]
        tests = [test for test in report["tests"] if test["direction"] == direction and test["languages"]]
        yield {"direction": direction, "models": models, "tests": tests, "seen": list(_seen(models, direction))}


def _seen(models: Sequence[Mapping[str, Any]], direction: str) -> Iterator[dict[str, Any]]:
    for model in models:
        for key, what in (("by_concept", "concept"), ("by_text", "string")):
            parts = (model["seen"] or {}).get(direction, {}).get(key, {})
            for part in ("seen", "unseen") if parts.get("seen") else ():
                found = parts[part] or {"english": None, "mean_other": None}
                yield {
                    "model": model["name"],
                    "queries": f"{what} {part}",
                    "english": found["english"],
                    "others": found["mean_other"],
                }
