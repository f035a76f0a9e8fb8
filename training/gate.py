"""Whether a model fine-tuned on feedback may be promoted: better on what people judged, no worse on what they did not.

Two held-out sets, of dev and of held-out feedback, never of test:

* **(a)** judged concepts in wordings, languages and clips that the training did not have. The model must improve: the
  lower bound of the 95 % interval of a paired bootstrap over concepts is above 0, in points of the reciprocal rank of
  the first relevant clip, which tells more than a recall where there are few queries.
* **(b)** concepts nobody judged. No language may lose significantly at R@10 (Holm over the languages), and the mean
  over the languages may lose one point at most.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cacara.metrics import ranks_of_first_relevant
from cacara.significance import Difference, holm, paired_difference
from training.run_folder import replace_text

GATE = "gate.json"
DEPTH = 10
ALLOWED_LOSS = 1.0
LEVEL = 0.05
MIN_QUERIES = 10
"""Fewer held-out queries cannot show an improvement."""


@dataclasses.dataclass(frozen=True, eq=False)
class Probe:
    """Queries with known answers among a set of clips.

    Attributes:
        queries: float32 [queries, dimension], L2-normalised.
        languages: [queries], BCP-47 codes; empty where unknown.
        concepts: [queries], what the bootstrap draws.
        relevant: bool [queries, clips].
        allowed: bool [queries, clips], the clips that are ranked for a query; those that the training was told to be
            relevant to it are not among them.
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


@dataclasses.dataclass(frozen=True)
class Change:
    """How a model did before and after on one set.

    Attributes:
        before: R@10 of the base model, in percent, mean over languages.
        after: Of the fine-tuned one.
        recall: Their difference with interval.
        reciprocal: The difference in 100 × the reciprocal rank.
        languages: Language → R@10 before, after, and p-value after Holm.
    """

    before: float
    after: float
    recall: Difference
    reciprocal: Difference
    languages: dict[str, tuple[float, float, float]]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict, rounded."""
        differences = {
            name: {key: round(value, 4) for key, value in dataclasses.asdict(each).items()}
            for name, each in (("recall", self.recall), ("reciprocal", self.reciprocal))
        }
        languages = {
            code: {"before": round(before, 2), "after": round(after, 2), "p": round(p, 4)}
            for code, (before, after, p) in self.languages.items()
        }
        whole = {"before": round(self.before, 2), "after": round(self.after, 2), "queries": self.recall.queries}
        return {**whole, **differences, "languages": languages}


def compare(probe: Probe, before: NDArray[np.float32], after: NDArray[np.float32]) -> Change | None:
    """Return how two models' clips answer the queries of a probe; None when it has none.

    Args:
        probe: Queries with known answers.
        before: float32 [clips, dimension], the base model's embeddings.
        after: float32 [clips, dimension], the fine-tuned model's.
    """
    if not len(probe.queries):
        return None
    old, new = probe.ranks(before), probe.ranks(after)
    old_hits, new_hits = np.where(old <= DEPTH, 100.0, 0.0), np.where(new <= DEPTH, 100.0, 0.0)
    recall = paired_difference(old_hits, new_hits, probe.concepts, probe.languages)
    reciprocal = paired_difference(100.0 / old, 100.0 / new, probe.concepts, probe.languages)
    found: dict[str, tuple[float, float, float]] = {}
    for code in sorted(set(probe.languages.tolist())):
        own = probe.languages == code
        p = paired_difference(old_hits[own], new_hits[own], probe.concepts[own]).p
        found[code] = float(old_hits[own].mean()), float(new_hits[own].mean()), p
    corrected = holm([p for *_, p in found.values()])
    languages = {code: (*values[:2], float(p)) for (code, values), p in zip(found.items(), corrected, strict=True)}
    means = np.mean([values[:2] for values in found.values()], axis=0)
    return Change(float(means[0]), float(means[1]), recall, reciprocal, languages)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the gate found.

    Attributes:
        judged: The change on (a), or None when no feedback was held out.
        unjudged: The change on (b), or None when there is no such concept.
        failed: Why the model may not be promoted, a sentence each; empty when it may.
    """

    judged: Change | None
    unjudged: Change | None
    failed: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the model may be promoted."""
        return not self.failed

    def to_json(self, fingerprint: str) -> dict[str, Any]:
        """Return the report, JSON-ready.

        Args:
            fingerprint: Of the model that it is about.
        """
        return {
            "passed": self.passed,
            "failed": list(self.failed),
            "fingerprint": fingerprint,
            "judged": self.judged and self.judged.to_json(),
            "unjudged": self.unjudged and self.unjudged.to_json(),
        }


def decide(judged: Change | None, unjudged: Change | None) -> Verdict:
    """Return whether a model may be promoted.

    Args:
        judged: The change on (a).
        unjudged: The change on (b).
    """
    failed = []
    if judged is None or judged.recall.queries < MIN_QUERIES:
        queries = judged.recall.queries if judged else 0
        failed.append(f"(a) has {queries} held-out queries; wanted {MIN_QUERIES} or more, so more feedback")
    elif judged.reciprocal.lower <= 0:
        change = judged.reciprocal
        failed.append(
            f"(a) judged concepts do not improve: {change.difference:+.1f} points of the reciprocal rank, "
            f"95 % {change.lower:+.1f} to {change.upper:+.1f}; wanted above 0"
        )
    if unjudged is None:
        failed.append("(b) there is no concept that nobody judged; nothing shows what was forgotten")
    else:
        lost = [code for code, (before, after, p) in unjudged.languages.items() if after < before and p < LEVEL]
        if lost:
            failed.append(f"(b) unjudged concepts lose significantly at R@10 in {', '.join(lost)}")
        if (change := unjudged.after - unjudged.before) < -ALLOWED_LOSS:
            failed.append(
                f"(b) unjudged concepts lose {-change:.1f} points of R@10 on average; allowed are {ALLOWED_LOSS:.1f}"
            )
    return Verdict(judged, unjudged, tuple(failed))


def write(verdict: Verdict, fingerprint: str, path: Path, **more: object) -> dict[str, Any]:
    """Write a report, beside its place first, and return it."""
    report = verdict.to_json(fingerprint) | more
    replace_text(path, json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    return report
