"""Whether acquirers that were taught from feedback may be used: their language better, every other bit by bit the same.

* **(a)** texts of the language that were held out. Those of held-out feedback are asked for their English among the
  English texts there are; those of dev, where it has the language, for dev's sounds, without texts and concepts that
  were taught. At R@10, by a paired bootstrap over concepts, against the model without the new acquirers: both parts
  together, each counting the same, must improve, the lower bound of the 95 % interval above 0, and neither part may be
  significantly worse.
* **(b)** texts of all other languages, English among them, through the model before and the model after, which is
  loaded anew and reads the acquirers' file: not one bit may differ.

The test split is not asked.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cacara import sources
from cacara.benchmark import splits
from cacara.benchmark.splits import Benchmark
from cacara.model.model import Cacara
from training.data.translations import concept_names, names_any
from training.feedback import data as finetune_feedback_data
from training.feedback import gate
from training.feedback.finetuning import placed
from training.feedback.gate import DEPTH, MIN_PAIRS, Change, Probe
from training.feedback.reasons import Reason
from training.feedback.teaching_pairs import FeedbackPair, PairSplit, key_of
from training.mla.data import owner_of
from training.mla.teaching import DISTRACTORS

MEASURE = f"R@{DEPTH}"


@dataclasses.dataclass(frozen=True, eq=False)
class Exam:
    """Texts of a language with known answers.

    Attributes:
        part: ``feedback`` or ``dev``.
        texts: What is asked.
        languages: The texts' BCP-47 codes.
        answers: float32 [answers, dimension], L2-normalised; no language's acquirers change them.
        concepts: [texts], what the bootstrap draws.
        relevant: bool [texts, answers].
        allowed: bool [texts, answers], what is ranked for a text.
    """

    part: str
    texts: tuple[str, ...]
    languages: tuple[str, ...]
    answers: NDArray[np.float32]
    concepts: NDArray[np.str_]
    relevant: NDArray[np.bool_]
    allowed: NDArray[np.bool_]

    def hits(self, model: Cacara) -> NDArray[np.float64]:
        """Return of each text 100.0 if a model finds it among the first ten, else 0.0: float64 [texts]."""
        vectors = model.encode_text(self.texts, self.languages)
        probe = Probe(vectors, np.array(self.languages, dtype=str), self.concepts, self.relevant, self.allowed)
        return np.where(probe.ranks(self.answers) <= DEPTH, 100.0, 0.0)


def feedback_exam(
    model: Cacara, language: str, pairs: Sequence[FeedbackPair], parted: PairSplit, others: Sequence[str]
) -> Exam | None:
    """Return held-out feedback asked for its English; None when there is none.

    Args:
        model: The model before.
        language: Of the texts.
        pairs: All pairs of the language: what is known to fit a text and was not held out is not ranked for it.
        parted: What was held out.
        others: More English texts to choose among; ``DISTRACTORS`` of them at most are taken.
    """
    texts = sorted({pair.text for pair in parted.held_out})
    if not texts:
        return None
    wanted = sorted({pair.english for pair in parted.held_out})
    more = sorted({pair.english for pair in pairs} | set(others) - set(wanted))
    english = [*wanted, *[text for text in more if text not in set(wanted)][:DISTRACTORS]]
    keys = [key_of(text) for text in english]
    right = {text: {key_of(pair.english) for pair in parted.held_out if pair.text == text} for text in texts}
    known = {text: {key_of(pair.english) for pair in pairs if key_of(pair.text) == key_of(text)} for text in texts}
    relevant = np.array([[key in right[text] for key in keys] for text in texts])
    allowed = relevant | np.array([[key not in known[text] for key in keys] for text in texts])
    concepts = [min(pair.concept for pair in parted.held_out if pair.text == text) for text in texts]
    answers = model.encode_text(english, "en")
    return Exam("feedback", tuple(texts), (language,) * len(texts), answers, np.array(concepts), relevant, allowed)


def dev_split(path: Path) -> Benchmark:
    """Return dev with its sounds and texts.

    Raises:
        SourceError: A package cannot be fetched.
        ManifestError: The benchmark cannot be read.
    """
    return splits.load(path, "dev", sources.fetch_all(sorted(splits.required_sources(path, "dev"))))


def dev_exam(
    model: Cacara,
    language: str,
    split: Benchmark,
    taught: Sequence[FeedbackPair],
    report: Callable[[float], None] = lambda share: None,
) -> Exam | None:
    """Return dev's texts of the language asked for dev's sounds; None when there are none that were not taught.

    Args:
        model: The model before.
        language: Of the texts; variants of it count as it.
        split: As ``dev_split`` returns it.
        taught: What was learnt from: its texts, and the concepts that its English names, are not asked.
        report: Told of the share of the sounds that were heard.
    """
    own = [query for query in split.queries if owner_of(query.language, (language,))]
    said = {key_of(pair.text) for pair in taught}
    english = sorted({pair.english for pair in taught})
    named = {
        concept
        for concept in {query.concept for query in own}
        if any(names_any(text, concept_names({concept})) for text in english)
    }
    asked = [query for query in own if key_of(query.text) not in said and query.concept not in named]
    if not asked:
        return None
    heard = finetune_feedback_data.hear(model, split.clips, "sound", report)
    concepts = np.array([query.concept for query in asked])
    relevant = concepts[:, None] == np.array([clip.concept for clip in heard.clips])[None, :]
    keep = relevant.any(axis=1)
    asked = [query for query, kept in zip(asked, keep, strict=True) if kept]
    texts, codes = tuple(query.text for query in asked), tuple(query.language for query in asked)
    answers, relevant = placed(model, heard, "sound"), relevant[keep]
    return Exam("dev", texts, codes, answers, concepts[keep], relevant, np.ones_like(relevant)) if texts else None


@dataclasses.dataclass(frozen=True)
class OtherLanguages:
    """What became of the other languages.

    Attributes:
        texts: How many texts were compared.
        languages: Of how many languages.
        changed: Language → how many of its texts are not bit by bit what they were; empty when all are.
    """

    texts: int
    languages: int
    changed: dict[str, int]


def other_texts(model: Cacara, language: str, split: Benchmark) -> list[tuple[str, str]]:
    """Return code and text of all of dev's texts that the language's acquirers must not touch.

    Args:
        model: The model before.
        language: The one that is taught.
        split: Dev.
    """
    own = model.read_by_parts
    return [
        (query.language, query.text)
        for query in split.queries
        if owner_of(query.language, (language,)) is None or (query.language != language and query.language in own)
    ]


def embedded(model: Cacara, texts: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
    """Return what a model makes of codes and texts, float32 [texts, dimension].

    For ``unchanged`` it must have read no text before: it remembers them, out of batches of other lengths.
    """
    return model.encode_text([text for _, text in texts], [code for code, _ in texts])


def unchanged(
    texts: Sequence[tuple[str, str]], before: NDArray[np.float32], after: NDArray[np.float32]
) -> OtherLanguages:
    """Return what became of texts, bit by bit.

    Args:
        texts: Codes and texts.
        before: float32 [texts, dimension].
        after: The same of the model after.
    """
    differ = (before.view(np.uint32) != after.view(np.uint32)).any(axis=1)
    changed = Counter(code for (code, _), other in zip(texts, differ, strict=True) if other)
    return OtherLanguages(len(texts), len({code for code, _ in texts}), dict(sorted(changed.items())))


@dataclasses.dataclass(frozen=True)
class LanguageVerdict:
    """What the gate found.

    Attributes:
        parts: The change on ``feedback`` and on ``dev``, as far as they were asked.
        together: The change on both, each counting the same; None when nothing was asked.
        others: What became of the other languages.
        reasons: Why the acquirers may not be used; empty when they may.
    """

    parts: dict[str, Change]
    together: Change | None
    others: OtherLanguages
    reasons: tuple[Reason, ...]

    @property
    def passed(self) -> bool:
        """Whether the acquirers may be used."""
        return not self.reasons

    @property
    def failed(self) -> tuple[str, ...]:
        """The reasons as English sentences."""
        return tuple(reason.sentence for reason in self.reasons)

    def to_json(self) -> dict[str, Any]:
        """Return the report, JSON-ready."""
        return {
            "passed": self.passed,
            "failed": list(self.failed),
            "reasons": [reason.to_json() for reason in self.reasons],
            "said": self.said(),
            "together": self.together and self.together.to_json(),
            **{part: self.parts[part].to_json() if part in self.parts else None for part in ("feedback", "dev")},
            "others": dataclasses.asdict(self.others),
        }

    def said(self) -> list[str]:
        """Return what was measured, a sentence each, whatever came of it."""
        asked = {"feedback": "held-out feedback, asked for its English", "dev": "dev's texts, asked for dev's sounds"}
        lines = [f"(a) {asked[part]}: {_measured(change)}" for part, change in self.parts.items()]
        if self.together is not None and len(self.parts) > 1:
            lines.append(f"(a) both, each counting the same: {_measured(self.together)}")
        found = self.others
        same = found.texts - sum(found.changed.values())
        lines.append(
            f"(b) {same:,} of {found.texts:,} texts of {found.languages} other languages are the same to the bit"
        )
        return lines


def decide(
    exams: Sequence[tuple[Exam, NDArray[np.float64], NDArray[np.float64]]], others: OtherLanguages
) -> LanguageVerdict:
    """Return whether acquirers may be used.

    Args:
        exams: What was asked, and the hits before and after.
        others: What became of the other languages.
    """
    reasons = []
    parts: dict[str, Change] = {}
    for exam, old, new in exams:
        codes = np.array(exam.languages, dtype=str)
        parts[exam.part] = gate.changed(MEASURE, old, new, exam.concepts, codes, False)
    together = _together(exams) if exams else None
    texts = together.difference.queries if together else 0
    if together is None or texts < MIN_PAIRS:
        reasons.append(Reason("few_texts", {"texts": texts, "wanted": MIN_PAIRS}))
    elif together.difference.lower <= 0:
        reasons.append(Reason("texts_not_better", gate.measured(together)))
    for part, change in parts.items():
        if change.difference.upper < 0:
            reasons.append(Reason("texts_worse", {"part": part, **gate.measured(change)}))
    if not others.texts:
        reasons.append(Reason("no_others", {}))
    if others.changed:
        reasons.append(Reason("others_changed", {"languages": ", ".join(others.changed)}))
    return LanguageVerdict(parts, together, others, tuple(reasons))


def _together(exams: Sequence[tuple[Exam, NDArray[np.float64], NDArray[np.float64]]]) -> Change:
    old, new = (np.concatenate([each[side] for each in exams]) for side in (1, 2))
    concepts = np.concatenate([exam.concepts for exam, *_ in exams])
    parts = np.concatenate([np.repeat(exam.part, len(exam.texts)) for exam, *_ in exams])
    return gate.changed(MEASURE, old, new, concepts, parts, True)


def _measured(change: Change) -> str:
    return (
        f"{change.before:.1f} % before, {change.after:.1f} % after, {gate.told(change)} "
        f"({change.difference.queries} texts)"
    )
