"""How well systems find sounds by text and texts by sound, per language, on the frozen benchmark.

Two directions. ``text_to_audio``: a query is one text, the candidates are all clips of the split,
relevant are the clips of the text's concept. ``audio_to_text``: a query is a clip, the candidates are
the distinct texts of one language, relevant are those that were written for the clip's concept; a clip
whose concept has no text in that language is left out there, and counted.

Every system is measured in four modes: the language given or left to the system's detector, and text
centred per language or not. The first system, language given and centred, is the one the report is
about; the others are rows beside it.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cacara.benchmark import Benchmark, Query
from cacara.metrics import bootstrap_interval, chance_recall_at_k, ranks_of_first_relevant, recall_at_k

DIRECTIONS = ("text_to_audio", "audio_to_text")
RECALL_DEPTHS = (1, 5, 10)
INTERVAL_DEPTH = 10


class System(Protocol):
    """Anything that embeds texts and sounds into one space."""

    def encode_text(
        self, texts: Sequence[str], languages: str | Sequence[str] | None = None, *, centre: bool = True
    ) -> NDArray[np.float32]:
        """Return float32 ``[N, D]``, L2-normalised; without ``languages`` the system detects them."""
        ...

    def encode_audio(self, waveforms: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return float32 ``[N, D]``, L2-normalised, of float32 mono waveforms ``[samples]``."""
        ...


@dataclasses.dataclass(frozen=True)
class Mode:
    """Whether queries come with their language, and whether text is centred per language."""

    language_given: bool = True
    centred: bool = True


MODES = (Mode(True, True), Mode(False, True), Mode(True, False), Mode(False, False))


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """The queries of one direction and language, ranked.

    Attributes:
        ranks: int64 ``[queries]``, the rank from 1 of the best relevant candidate, ties against us.
        concepts: The concept of each query: what the bootstrap draws.
        candidates: How many there were to choose from.
        chance_recall_at_10: Expected percentage of a random order.
        left_out: Queries without any relevant candidate, not in ``ranks``.
    """

    ranks: NDArray[np.int64]
    concepts: tuple[str, ...]
    candidates: int
    chance_recall_at_10: float
    left_out: int


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One system in one mode: direction → language → outcome."""

    system: str
    mode: Mode
    outcomes: Mapping[str, Mapping[str, Outcome]]


def evaluate(
    systems: Mapping[str, System],
    benchmark: Benchmark,
    waveforms: Sequence[NDArray[np.float32]],
    *,
    modes: Sequence[Mode] = MODES,
    shared_text: bool = False,
    progress: Callable[[float, str], None] | None = None,
) -> dict[str, Any]:
    """Measure systems on a benchmark and return the report; see ``measure`` and ``to_report``."""
    measured = measure(systems, benchmark, waveforms, modes=modes, shared_text=shared_text, progress=progress)
    return to_report(measured, benchmark)


def measure(
    systems: Mapping[str, System],
    benchmark: Benchmark,
    waveforms: Sequence[NDArray[np.float32]],
    *,
    modes: Sequence[Mode] = MODES,
    shared_text: bool = False,
    progress: Callable[[float, str], None] | None = None,
) -> list[Measurement]:
    """Return every system's outcome in every mode, systems in their order within a mode.

    Args:
        systems: Name to system, the reported one first.
        benchmark: A resolved split.
        waveforms: One float32 mono ``[samples]`` a clip, in the order of ``benchmark.clips``.
        modes: What to measure, the reported mode first.
        shared_text: The systems differ in their audio side only, so texts are encoded once, by the first.
        progress: Called with the fraction done in [0, 1] and what is being done.

    Raises:
        ValueError: There is no system, mode or text, or not one waveform a clip.
    """
    if not (systems and modes and benchmark.queries) or len(waveforms) != len(benchmark.clips):
        raise ValueError(
            f"{len(systems)} systems, {len(modes)} modes, {len(benchmark.queries)} texts, {len(waveforms)} "
            f"waveforms of {len(benchmark.clips)} clips; wanted at least one of each, and one waveform a clip"
        )
    tell = progress or (lambda fraction, message: None)
    steps = len(systems) * (1 + len(modes))
    audio: dict[str, NDArray[np.float32]] = {}
    for name, system in systems.items():
        tell(len(audio) / steps, f"{name}: {len(waveforms)} sounds")
        audio[name] = np.asarray(system.encode_audio(waveforms), dtype=np.float32)
    concepts = [clip.concept or clip.clip_id for clip in benchmark.clips]
    languages = _by_language(benchmark.queries, concepts)
    measured: list[Measurement] = []
    for mode in modes:
        texts: dict[str, NDArray[np.float32]] = {}
        for name, system in systems.items():
            tell((len(audio) + len(measured)) / steps, f"{name}: {_describe(mode)}")
            if not texts or not shared_text:
                texts = _encode_texts(system, languages, mode)
            measured.append(Measurement(name, mode, _outcomes(languages, texts, concepts, audio[name])))
    tell(1.0, "done")
    return measured


def to_report(measured: Sequence[Measurement], benchmark: Benchmark) -> dict[str, Any]:
    """Return the JSON-ready report of measurements, the first being the one it is about.

    Percentages throughout. ``mean_other`` is the mean over the languages that are not English; dialects
    of English are listed under ``directions`` and stand in no mean. ``rows`` has every measurement.
    """
    rows = [_row(measurement) for measurement in measured]
    english_dialects = [code for code in benchmark.languages if code != "en" and not _is_other(code)]
    notes = ["recall@k: at least one relevant candidate among the first k; ties count against the system"]
    if english_dialects:
        notes.append(f"dialects of English, in no mean: {', '.join(english_dialects)}")
    return {
        "model": measured[0].system,
        "benchmark": {"name": benchmark.name, "hash": benchmark.hash},
        "split": benchmark.split,
        "directions": rows[0]["directions"],
        "summary": rows[0]["summary"],
        "rows": rows,
        "notes": notes,
    }


def write_report(report: Mapping[str, Any], path: Path) -> None:
    """Write a report as JSON, beside the target first, then in its place."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    text = json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


@dataclasses.dataclass(frozen=True, eq=False)
class _Language:
    """The texts of one language, each distinct one once, and which clips are right for them."""

    texts: tuple[str, ...]
    asked: NDArray[np.int64]  # (queries,), position in texts; a text of two concepts is asked twice
    asked_concepts: tuple[str, ...]  # (queries,)
    right_clips: NDArray[np.bool_]  # (queries, clips)
    right_texts: NDArray[np.bool_]  # (clips, texts)


def _by_language(queries: Sequence[Query], clip_concepts: Sequence[str]) -> dict[str, _Language]:
    grouped: dict[str, set[tuple[str, str]]] = {}
    for query in queries:
        grouped.setdefault(query.language, set()).add((query.text, query.concept))
    languages = {}
    for language, pairs in sorted(grouped.items()):
        texts = sorted({text for text, _ in pairs})
        asked = np.array([texts.index(text) for text, _ in sorted(pairs)])
        concepts = tuple(concept for _, concept in sorted(pairs))
        right_clips = np.array(concepts)[:, None] == np.array(clip_concepts)[None, :]
        right_texts = np.zeros((len(clip_concepts), len(texts)), dtype=bool)
        np.logical_or.at(right_texts.T, asked, right_clips)
        languages[language] = _Language(tuple(texts), asked, concepts, right_clips, right_texts)
    return languages


def _encode_texts(system: System, languages: Mapping[str, _Language], mode: Mode) -> dict[str, NDArray[np.float32]]:
    embedded = {}
    for code, language in languages.items():
        given = code if mode.language_given else None
        found = system.encode_text(language.texts, given, centre=mode.centred)
        embedded[code] = np.asarray(found, dtype=np.float32)
    return embedded


def _outcomes(
    languages: Mapping[str, _Language],
    texts: Mapping[str, NDArray[np.float32]],
    clip_concepts: Sequence[str],
    audio: NDArray[np.float32],
) -> dict[str, dict[str, Outcome]]:
    outcomes: dict[str, dict[str, Outcome]] = {direction: {} for direction in DIRECTIONS}
    # One product for all languages: many small ones wait for threads longer than they compute.
    ends = np.cumsum([len(language.texts) for language in languages.values()])
    by_language = np.split(np.concatenate(list(texts.values())) @ audio.T, ends[:-1])
    for (code, language), scores in zip(languages.items(), by_language, strict=True):  # scores: (texts, clips)
        found = {
            "text_to_audio": _outcome(scores[language.asked], language.right_clips, language.asked_concepts),
            "audio_to_text": _outcome(scores.T, language.right_texts, clip_concepts),
        }
        for direction, outcome in found.items():
            if len(outcome.ranks):
                outcomes[direction][code] = outcome
    return outcomes


def _outcome(scores: NDArray[np.float32], relevant: NDArray[np.bool_], concepts: Sequence[str]) -> Outcome:
    answerable = np.flatnonzero(relevant.any(axis=1)).tolist()
    kept = relevant[answerable]
    return Outcome(
        ranks=ranks_of_first_relevant(scores[answerable], kept),
        concepts=tuple(concepts[position] for position in answerable),
        candidates=scores.shape[1],
        chance_recall_at_10=chance_recall_at_k(kept, INTERVAL_DEPTH) if len(kept) else 0.0,
        left_out=len(concepts) - len(kept),
    )


def _row(measurement: Measurement) -> dict[str, Any]:
    return {
        "system": measurement.system,
        "language": "given" if measurement.mode.language_given else "detected",
        "centred": measurement.mode.centred,
        "summary": {name: _summary(found) for name, found in measurement.outcomes.items()},
        "directions": {
            name: {language: _figures({language: outcome}) for language, outcome in found.items()}
            for name, found in measurement.outcomes.items()
        },
    }


def _summary(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    others = {language: outcome for language, outcome in outcomes.items() if _is_other(language)}
    english = _figures({"en": outcomes["en"]}) if "en" in outcomes else None
    mean_other = _figures(others) if others else None
    ratios = {
        f"transfer_ratio_recall_at_{depth}": _ratio(mean_other, english, f"recall_at_{depth}")
        for depth in (1, INTERVAL_DEPTH)
    }
    return {"english": english, "mean_other": mean_other, "languages": len(others), **ratios}


def _figures(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Return the figures of one language, or their mean over several with one joint interval."""
    found = list(outcomes.values())
    hits = np.concatenate([100.0 * (outcome.ranks <= INTERVAL_DEPTH) for outcome in found])
    concepts = [concept for outcome in found for concept in outcome.concepts]
    languages = [language for language, outcome in outcomes.items() for _ in outcome.concepts]
    lower, upper = bootstrap_interval(hits, concepts, languages)
    recalls = {
        f"recall_at_{depth}": _rounded(np.mean([recall_at_k(outcome.ranks, depth) for outcome in found]))
        for depth in RECALL_DEPTHS
    }
    return {
        **recalls,
        "queries": len(hits),
        "ci95_recall_at_10": [_rounded(lower), _rounded(upper)],
        "chance_recall_at_10": _rounded(np.mean([outcome.chance_recall_at_10 for outcome in found])),
        "left_out": sum(outcome.left_out for outcome in found),
    }


def _ratio(numerator: Mapping[str, Any] | None, divisor: Mapping[str, Any] | None, key: str) -> float | None:
    if numerator is None or divisor is None or not divisor[key]:
        return None
    return _rounded(numerator[key] / divisor[key])


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), 4)


def _is_other(language: str) -> bool:
    return language.split("-")[0] != "en"


def _describe(mode: Mode) -> str:
    language = "language given" if mode.language_given else "language detected"
    return f"{language}, {'centred' if mode.centred else 'not centred'}"
