"""Several models on the same queries: their figures side by side, and which differences stand.

The report's ``models`` are in the order given; ``tests`` has every pair of them. Each part is told in
``docs/evaluation.md``.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cacara.benchmark.dataset.splits import Benchmark
from cacara.benchmark.figures import (
    by_kind,
    concept_ranks,
    confusions,
    mean_hits,
    mean_rank_variance,
    occurrence_skewness,
    orphan_share,
    per_language,
    rounded,
    summary,
    z_scores,
)
from cacara.benchmark.outcome import INTERVAL_DEPTH, Outcome, Outcomes, is_other, part_of
from cacara.benchmark.retrieval import DIRECTIONS
from cacara.benchmark.significance import Difference, holm, paired_difference
from cacara.model.seen_texts import SeenTexts

TESTED_DEPTHS = (1, 10)
CONFUSIONS_SHOWN = 40
HUBS_SHOWN = 10
ASKED = "text_to_audio"
"""The direction whose queries are texts, which may be of several kinds."""
LEVEL = 0.05


@dataclasses.dataclass(frozen=True)
class Contender:
    """One model of a comparison.

    Attributes:
        name: Unique among them.
        runs: Its outcomes, one a seed.
        seen: What it saw of the benchmark, over all seeds; None where its folder does not say.
        about: More to print, JSON-ready: versions, fingerprints, ``cost`` as ``overview_rows`` shows it.
    """

    name: str
    runs: tuple[Outcomes, ...]
    seen: SeenTexts | None = None
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions that all its seeds were measured in."""
        return tuple(name for name in self.runs[0] if all(run.get(name) for run in self.runs))

    def of(self, direction: str) -> list[Mapping[str, Outcome]]:
        """Return language → outcome of a direction, one a seed."""
        return [run[direction] for run in self.runs]


def compare(contenders: Sequence[Contender], benchmark: Benchmark) -> dict[str, Any]:
    """Return the JSON-ready report of a comparison, all figures in percent unless their name says otherwise.

    Args:
        contenders: One or more, measured on ``benchmark`` in the same mode.
        benchmark: The split.

    Raises:
        ValueError: There is none, two share a name, or they were not measured on the same queries.
    """
    names = [contender.name for contender in contenders]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"the models are {names}; wanted one or more, each name once")
    directions = list(dict.fromkeys(direction for contender in contenders for direction in contender.directions))
    for direction in directions:
        _require_same_queries(contenders, direction)
    return {
        "benchmark": {"name": benchmark.name, "hash": benchmark.hash},
        "split": benchmark.split,
        "directions": directions,
        "models": [_model(contender, benchmark) for contender in contenders],
        "z_scores": {direction: _z_scores(contenders, direction) for direction in directions},
        "tests": [
            _tests(first, second, direction, depth)
            for direction in directions
            for depth in TESTED_DEPTHS
            for first, second in itertools.combinations(contenders, 2)
            if direction in first.directions and direction in second.directions
        ],
        "notes": _notes(contenders, benchmark),
    }


def _model(contender: Contender, benchmark: Benchmark) -> dict[str, Any]:
    kinds = benchmark.kinds
    found = {name: contender.of(name) for name in contender.directions}
    return {
        "name": contender.name,
        "seeds": len(contender.runs),
        **contender.about,
        "summary": {name: summary(runs) for name, runs in found.items()},
        "directions": {name: per_language(runs) for name, runs in found.items()},
        **({"kinds": by_kind(found[ASKED], kinds)} if kinds and ASKED in found else {}),
        "rank_consistency": {name: _rank_consistency(runs) for name, runs in found.items()},
        "hubness": {name: _hubness(runs) for name, runs in found.items()},
        "confusions": {
            name: [dataclasses.asdict(row) | {"share": rounded(100 * row.share)} for row in rows[:CONFUSIONS_SHOWN]]
            for name, runs in found.items()
            for rows in [confusions(outcome for run in runs for outcome in run.values())]
        },
        "seen": _all_seen(found, seen) if (seen := _seen_of(contender, benchmark)) else None,
    }


def _rank_consistency(runs: Sequence[Mapping[str, Outcome]]) -> dict[str, Any]:
    """Return the mean rank variance over all languages, English among them, and each concept's mean and spread."""
    of_runs = [concept_ranks(run) for run in runs]
    variances = [variance for ranks in of_runs if (variance := mean_rank_variance(ranks)) is not None]
    concepts = {
        concept: {
            "mean_rank": rounded(np.mean([ranks[concept].mean for ranks in of_runs])),
            "std_rank": rounded(np.mean([ranks[concept].variance ** 0.5 for ranks in of_runs])),
            "languages": row.languages,
        }
        for concept, row in of_runs[0].items()
    }
    return {"mean_rank_variance": rounded(np.mean(variances)) if variances else None, "concepts": concepts}


def _hubness(runs: Sequence[Mapping[str, Outcome]]) -> dict[str, Any]:
    """Return skewness of the 10-occurrence and share of orphans, each the mean over languages and seeds.

    ``hubs`` names the candidates that are there in every language, so sounds and pictures.
    """
    outcomes = [outcome for run in runs for outcome in run.values()]
    counted = [list(outcome.occurrences.values()) for outcome in outcomes]
    shares: dict[str, list[float]] = {}
    for outcome in outcomes:
        for key, count in outcome.occurrences.items():
            shares.setdefault(key, []).append(100.0 * count / len(outcome.ranks))
    everywhere = {key: float(np.mean(values)) for key, values in shares.items() if len(values) == len(outcomes)}
    hubs = sorted(everywhere.items(), key=lambda row: (-row[1], row[0]))[:HUBS_SHOWN]
    return {
        "k": INTERVAL_DEPTH,
        "skewness": rounded(np.mean([occurrence_skewness(counts) for counts in counted])),
        "orphans": rounded(np.mean([orphan_share(counts) for counts in counted])),
        "hubs": [{"candidate": key, "share_of_queries": rounded(share)} for key, share in hubs],
    }


def _seen_of(contender: Contender, benchmark: Benchmark) -> SeenTexts | None:
    """Return what a model saw of this benchmark; what is stated of another one says nothing here."""
    return contender.seen if contender.seen is not None and contender.seen.benchmark == benchmark.hash else None


def _all_seen(found: Mapping[str, Sequence[Mapping[str, Outcome]]], seen: SeenTexts) -> dict[str, Any]:
    """Return what was seen and unseen by direction; a statement is about sounds and their texts, not about pictures."""
    return {name: _seen(runs, name, seen) for name, runs in found.items() if name in DIRECTIONS}


def _seen(runs: Sequence[Mapping[str, Outcome]], direction: str, seen: SeenTexts) -> dict[str, Any]:
    """Return the summaries of what was seen and what was not, by concept and, where texts ask, by string."""
    by_concept = _apart(runs, lambda outcome: [concept in seen.concepts for concept in outcome.concepts])
    found = {"concepts_seen": len(seen.concepts), "texts_seen": len(seen.texts), "by_concept": by_concept}
    if direction.startswith("text_"):
        found["by_text"] = _apart(runs, lambda outcome: [seen.holds_text(text) for text in outcome.queries])
    return found


def _apart(runs: Sequence[Mapping[str, Outcome]], chosen: Callable[[Outcome], list[bool]]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for name, wanted in (("seen", True), ("unseen", False)):
        part = []
        for run in runs:
            kept = {code: part_of(outcome, np.array(chosen(outcome)) == wanted) for code, outcome in run.items()}
            part.append({code: outcome for code, outcome in kept.items() if len(outcome.ranks)})
        parts[name] = summary(part) if part[0] else None
    return parts


def _z_scores(contenders: Sequence[Contender], direction: str) -> dict[str, Any]:
    """Return, for recall at 10, model → language → z over models, and the mean over the languages but English."""
    measured = [contender for contender in contenders if direction in contender.directions]
    languages = [code for code in measured[0].of(direction)[0] if is_other(code) or code == "en"]
    recalls = [[_mean_recall(contender.of(direction), code) for code in languages] for contender in measured]
    rows = z_scores(recalls) if languages else np.zeros((len(measured), 0))
    found = {}
    for contender, row in zip(measured, rows, strict=True):
        by_language = {code: rounded(value) for code, value in zip(languages, row, strict=True)}
        others = [value for code, value in by_language.items() if is_other(code)]
        mean = rounded(np.mean(others)) if others else None
        found[contender.name] = {"mean_other": mean, "languages": by_language}
    return found


def _mean_recall(runs: Sequence[Mapping[str, Outcome]], language: str) -> float:
    return float(np.mean([run[language].hits(INTERVAL_DEPTH).mean() for run in runs]))


def _tests(first: Contender, second: Contender, direction: str, depth: int) -> dict[str, Any]:
    """Return the second against the first: English, the mean of the others, and each language corrected after Holm."""
    ours, theirs = first.of(direction), second.of(direction)
    by_language = {code: _difference(ours, theirs, [code], depth) for code in ours[0]}
    corrected = holm([found.p for found in by_language.values()])
    others = [code for code in by_language if is_other(code)]
    joint = _difference(ours, theirs, others, depth) if others else None
    rows = {
        code: _rounded(found) | {"p_holm": _rounded_p(p), "significant": bool(p < LEVEL)}
        for (code, found), p in zip(by_language.items(), corrected, strict=True)
    }
    return {
        "first": first.name,
        "second": second.name,
        "direction": direction,
        "metric": f"recall_at_{depth}",
        "english": _rounded(by_language["en"]) if "en" in by_language else None,
        "mean_other": _rounded(joint) if joint else None,
        "better": sum(row["significant"] and row["difference"] > 0 for row in rows.values()),
        "worse": sum(row["significant"] and row["difference"] < 0 for row in rows.values()),
        "languages": rows,
    }


def _difference(
    first: Sequence[Mapping[str, Outcome]], second: Sequence[Mapping[str, Outcome]], codes: Sequence[str], depth: int
) -> Difference:
    ours, theirs = ([{code: run[code] for code in codes} for run in runs] for runs in (first, second))
    concepts, languages = _grouping(ours[0])
    return paired_difference(mean_hits(ours, depth), mean_hits(theirs, depth), concepts, languages)


def _grouping(outcomes: Mapping[str, Outcome]) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    concepts = np.concatenate([np.array(outcome.concepts) for outcome in outcomes.values()])
    languages = np.concatenate([np.full(len(outcome.concepts), code) for code, outcome in outcomes.items()])
    return concepts, languages


def _require_same_queries(contenders: Sequence[Contender], direction: str) -> None:
    first: Contender | None = None
    for contender in contenders:
        if direction not in contender.directions:
            continue
        first = first or contender
        wanted = first.of(direction)[0]
        for run in contender.of(direction):
            same = run.keys() == wanted.keys() and all(
                (run[code].queries, run[code].concepts) == (wanted[code].queries, wanted[code].concepts) for code in run
            )
            if not same:
                raise ValueError(f"{first.name} and {contender.name} were not asked the same in {direction}")


def _rounded(found: Difference) -> dict[str, Any]:
    interval = [rounded(found.lower), rounded(found.upper)]
    return {"difference": rounded(found.difference), "ci95": interval, "p": _rounded_p(found.p)}


def _rounded_p(p: float | np.floating[Any]) -> float:
    return round(float(p), 6)


def _notes(contenders: Sequence[Contender], benchmark: Benchmark) -> list[str]:
    dialects = [code for code in benchmark.languages if code != "en" and not is_other(code)]
    silent = [contender.name for contender in contenders if contender.seen is None]
    foreign = [c.name for c in contenders if c.seen is not None and _seen_of(c, benchmark) is None]
    notes = [
        "recall@k: at least one relevant candidate among the first k; ties count against the model",
        "intervals: 95 %, bootstrap over concepts; ±: sample standard deviation over seeds",
        "differences: paired randomisation test over concepts, two-sided; languages corrected after Holm",
    ]
    if any("cost" in contender.about for contender in contenders):
        notes += [
            "training: what the model's card tells, together with the model it began with; minutes are wall time on "
            "the machine that trained it, embeddings that its cache held not counted",
            "a query: from its text to the ten nearest of 1,000 sounds, one at a time, all models in turn; measured "
            "once a machine and kept in the cache's folder latency",
        ]
    if dialects:
        notes.append(f"dialects of English, in no mean: {', '.join(dialects)}")
    if silent:
        notes.append(f"no statement of what was seen in training: {', '.join(silent)}")
    if foreign:
        notes.append(
            f"what was seen in training is stated of another benchmark than {benchmark.name}: {', '.join(foreign)}"
        )
    return notes
