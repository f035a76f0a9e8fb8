"""Promotion gate for a model fine-tuned on feedback: better on what people judged, no worse on what they did not.

Two held-out sets, of dev and of held-out feedback, never of test:

* **(a)** judged concepts in wordings, languages and clips that the training did not have. A held-out pair that fits is
  held against those that do not, of the same query or the same clip: in how many percent of them does it score higher?
  Only judged pairs are asked (Sakai's condensed lists), since what nobody judged was mostly not shown because the base
  model ranked it low, and to count it as wrong would favour the base model. Where dev has five judged concepts or more,
  its texts that nobody judged are asked for its clips too, at R@10: their labels are sure and they are many. The model
  must improve, on dev where it has them, else on the held-out pairs: the lower bound of the 95 % interval of a paired
  bootstrap over concepts is above 0. On the held-out pairs it must not be significantly worse.
* **(b)** concepts nobody judged. No language may lose significantly at R@10 (Holm over the languages), and the mean
  over the languages may lose one point at most.

References:
    Sakai: Alternatives to bpref. SIGIR 2007.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cacara.benchmark.significance import Difference, holm, paired_difference
from cacara.metrics import ranks_of_first_relevant
from cacara_files import atomic
from training.feedback.reasons import Reason

GATE = "gate.json"
DEPTH = 10
ALLOWED_LOSS = 1.0
LEVEL = 0.05
MIN_CONCEPTS = 5
"""So many judged concepts dev must have to be asked for them."""

MIN_PAIRS = 10
"""Fewer held-out pairs that fit cannot show an improvement."""


@dataclasses.dataclass(frozen=True, eq=False)
class Probe:
    """Queries with known answers among a set of clips.

    Attributes:
        queries: float32 [queries, dimension], L2-normalised.
        languages: [queries], BCP-47 codes; empty where unknown.
        concepts: [queries], what the bootstrap draws.
        relevant: bool [queries, clips].
        allowed: bool [queries, clips], the clips that are ranked for a query.
    """

    queries: NDArray[np.float32]
    languages: NDArray[np.str_]
    concepts: NDArray[np.str_]
    relevant: NDArray[np.bool_]
    allowed: NDArray[np.bool_]

    def ranks(self, clips: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the rank of the first relevant clip of each query, ties against it.

        Args:
            clips: float32 [clips, dimension], L2-normalised.
        """
        if not len(self.queries):
            return np.zeros(0, dtype=np.int64)
        scores = np.where(self.allowed, self.queries @ clips.T, -2.0)  # below any cosine
        return ranks_of_first_relevant(scores.astype(np.float32), self.relevant & self.allowed)


@dataclasses.dataclass(frozen=True, eq=False)
class Contests:
    """Held-out pairs that fit, each against judged pairs that do not.

    Attributes:
        queries: float32 [queries, dimension], L2-normalised.
        fitting: int64 [contests, 2], query and clip of each pair that fits.
        rivals: Of each contest int64 [rivals, 2], one or more pairs that do not fit.
        languages: [contests], BCP-47 codes; empty where unknown.
        concepts: [contests], what the bootstrap draws.
    """

    queries: NDArray[np.float32]
    fitting: NDArray[np.int64]
    rivals: tuple[NDArray[np.int64], ...]
    languages: NDArray[np.str_]
    concepts: NDArray[np.str_]

    def won(self, clips: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return of each contest how many percent of the rivals score lower: float64 [contests].

        Args:
            clips: float32 [clips, dimension], L2-normalised.
        """
        scores = self.queries @ clips.T
        own = scores[self.fitting[:, 0], self.fitting[:, 1]]
        shares = [(scores[each[:, 0], each[:, 1]] < score).mean() for score, each in zip(own, self.rivals, strict=True)]
        return 100.0 * np.array(shares, dtype=np.float64)


@dataclasses.dataclass(frozen=True)
class Change:
    """Results before and after training on one set.

    Attributes:
        measure: ``contests won`` or ``R@10``, in percent.
        before: Of the base model, mean over languages.
        after: Of the fine-tuned one.
        difference: Their difference with interval.
        languages: Language → before, after, and p-value after Holm.
    """

    measure: str
    before: float
    after: float
    difference: Difference
    languages: dict[str, tuple[float, float, float]]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict, rounded."""
        rounded = {key: round(value, 4) for key, value in dataclasses.asdict(self.difference).items()}
        languages = {
            code: {"before": round(before, 2), "after": round(after, 2), "p": round(p, 4)}
            for code, (before, after, p) in self.languages.items()
        }
        whole = {"measure": self.measure, "before": round(self.before, 2), "after": round(self.after, 2)}
        return {**whole, **rounded, "languages": languages}


def compare(asked: Probe | Contests, before: NDArray[np.float32], after: NDArray[np.float32]) -> Change | None:
    """Return how two models answer what is known; None when nothing is.

    Args:
        asked: Queries with known answers, or judged pairs.
        before: float32 [clips, dimension], the base model's embeddings.
        after: float32 [clips, dimension], the fine-tuned model's.
    """
    if not len(asked.concepts):
        return None
    if isinstance(asked, Probe):
        measure = f"R@{DEPTH}"
        old, new = (np.where(asked.ranks(clips) <= DEPTH, 100.0, 0.0) for clips in (before, after))
    else:
        measure = "contests won"
        old, new = asked.won(before), asked.won(after)
    # Of held-out feedback a language may have one pair alone: there a pair counts, not a language.
    return changed(measure, old, new, asked.concepts, asked.languages, isinstance(asked, Probe))


def changed(
    measure: str,
    old: NDArray[np.float64],
    new: NDArray[np.float64],
    concepts: NDArray[np.str_],
    languages: NDArray[np.str_],
    each_counts: bool,
) -> Change:
    """Return how answers before and after differ, by a paired bootstrap over concepts.

    Args:
        measure: What the answers are, in percent.
        old: float64 [answers], of the model before.
        new: float64 [answers], of the one after.
        concepts: [answers], what the bootstrap draws.
        languages: [answers], BCP-47 codes or other parts of the set.
        each_counts: Whether each language counts the same, not each answer.
    """
    found: dict[str, tuple[float, float, float]] = {}
    for code in sorted(set(languages.tolist())):
        own = languages == code
        p = paired_difference(old[own], new[own], concepts[own]).p
        found[code] = float(old[own].mean()), float(new[own].mean()), p
    corrected = holm([p for *_, p in found.values()])
    by_language = {code: (*values[:2], float(p)) for (code, values), p in zip(found.items(), corrected, strict=True)}
    difference = paired_difference(old, new, concepts, languages if each_counts else None)
    means = np.mean([values[:2] for values in found.values()], axis=0) if each_counts else (old.mean(), new.mean())
    return Change(measure, float(means[0]), float(means[1]), difference, by_language)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Findings of the gate.

    Attributes:
        held_out: The change on held-out feedback, or None when none was held out.
        judged: The change on dev's judged concepts, or None when it has none.
        unjudged: The change on (b), or None when there is no such concept.
        reasons: Reasons against promoting the model; empty when it may.
    """

    held_out: Change | None
    judged: Change | None
    unjudged: Change | None
    reasons: tuple[Reason, ...]

    @property
    def passed(self) -> bool:
        """Whether the model may be promoted."""
        return not self.reasons

    @property
    def failed(self) -> tuple[str, ...]:
        """The reasons as English sentences."""
        return tuple(reason.sentence for reason in self.reasons)

    def to_json(self, fingerprint: str) -> dict[str, Any]:
        """Return the report, JSON-ready.

        Args:
            fingerprint: Of the model that it is about.
        """
        return {
            "passed": self.passed,
            "failed": list(self.failed),
            "reasons": [reason.to_json() for reason in self.reasons],
            "fingerprint": fingerprint,
            "held_out": self.held_out and self.held_out.to_json(),
            "judged": self.judged and self.judged.to_json(),
            "unjudged": self.unjudged and self.unjudged.to_json(),
        }


def decide(held_out: Change | None, unjudged: Change | None, judged: Change | None = None) -> Verdict:
    """Return whether a model may be promoted.

    Args:
        held_out: The change on held-out feedback.
        unjudged: The change on (b).
        judged: The change on the judged concepts that dev has, None when they are fewer than ``MIN_CONCEPTS``.
    """
    reasons = []
    if judged is None and (held_out is None or held_out.difference.queries < MIN_PAIRS):
        pairs = held_out.difference.queries if held_out else 0
        reasons.append(Reason("few_pairs", {"pairs": pairs, "wanted": MIN_PAIRS}))
    elif (asked := judged or held_out) is not None and asked.difference.lower <= 0:
        reasons.append(Reason("not_better", measured(asked)))
    if judged is not None and held_out is not None and held_out.difference.upper < 0:
        reasons.append(Reason("feedback_worse", measured(held_out)))
    if unjudged is None:
        reasons.append(Reason("no_unjudged", {}))
    else:
        lost = [code for code, (before, after, p) in unjudged.languages.items() if after < before and p < LEVEL]
        if lost:
            reasons.append(Reason("languages_lose", {"languages": ", ".join(lost)}))
        if (points := unjudged.before - unjudged.after) > ALLOWED_LOSS:
            reasons.append(Reason("mean_loses", {"points": f"{points:.1f}", "allowed": f"{ALLOWED_LOSS:.1f}"}))
    return Verdict(held_out, judged, unjudged, tuple(reasons))


def measured(change: Change) -> dict[str, str | int]:
    """Return a change as the values of a reason: points, measure and interval."""
    found = change.difference
    edges = {"points": found.difference, "lower": found.lower, "upper": found.upper}
    return {"measure": change.measure, **{name: f"{value:+.1f}" for name, value in edges.items()}}


def told(change: Change) -> str:
    """Return a change in words: points, measure and interval."""
    found = change.difference
    return f"{found.difference:+.1f} points of {change.measure}, 95 % {found.lower:+.1f} to {found.upper:+.1f}"


def write(verdict: Verdict, fingerprint: str, path: Path, **more: object) -> dict[str, Any]:
    """Write a report, beside its place first, and return it."""
    report = verdict.to_json(fingerprint) | more
    atomic.write_text(path, json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    return report
