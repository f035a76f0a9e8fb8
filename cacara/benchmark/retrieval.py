"""Retrieval on the frozen benchmarks: sounds and pictures by text, texts by either, pictures and sounds by each other.

Between texts and clips there are two directions. ``text_to_audio``: a query is one text, the candidates are all clips
of the split, relevant are the clips of the text's concept. ``audio_to_text``: a query is a clip, the candidates are the
distinct texts of one language, relevant are those that were written for the clip's concept; a clip whose concept has
no text in that language is left out there, and counted. With pictures they are ``text_to_image`` and ``image_to_text``.

Between sounds and pictures a query is one of either, the candidates are all of the other kind in the split, and what
is relevant is what shares the query's concept; a query whose concept is not among them is left out, and counted. No
model was trained on a sound with a picture: that edge emerges from the texts between them.

Every system is measured in several modes: the language given or left to the system's detector, and text centred per
language or not. The first system, language given and centred, is the one the report is about; the others are rows
beside it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cacara.benchmark.dataset.splits import Benchmark, Query
from cacara.benchmark.figures import by_kind, per_language, summary
from cacara.benchmark.outcome import NO_LANGUAGE, Outcome, Outcomes, is_other, outcome_of
from cacara.benchmark.systems import SharedTowers, System, sights_of
from cacara.galleries.manifest import Clip
from cacara.model.model import Cacara
from cacara_files import atomic

DIRECTIONS = ("text_to_audio", "audio_to_text")
IMAGE_DIRECTIONS = ("text_to_image", "image_to_text", "audio_to_image", "image_to_audio")


@dataclasses.dataclass(frozen=True)
class Mode:
    """Whether queries come with their language, and whether text is centred by it; None: as the model has it."""

    language_given: bool = True
    centred: bool | None = True


AS_THE_MODEL_HAS_IT = Mode(True, None)
MODES = (Mode(True, True), Mode(False, True), Mode(True, False), Mode(False, False))
IMAGE_MODES = MODES[:3]


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One system in one mode: direction → language → outcome."""

    system: str
    mode: Mode
    outcomes: Outcomes


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
        modes: Modes to measure, the reported one first.
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
    languages = _by_language(benchmark.queries, benchmark.clips)
    measured: list[Measurement] = []
    for mode in modes:
        texts: dict[str, NDArray[np.float32]] = {}
        for name, system in systems.items():
            tell((len(audio) + len(measured)) / steps, f"{name}: {_describe(mode)}")
            if not texts or not shared_text:
                texts = _encode_texts(system, languages, mode)
            measured.append(Measurement(name, mode, _outcomes(languages, texts, benchmark.clips, audio[name])))
    tell(1.0, "done")
    return measured


def measure_pictures(
    model: Cacara,
    benchmark: Benchmark,
    images: Sequence[NDArray[np.uint8]],
    sounds: Benchmark,
    waveforms: Sequence[NDArray[np.float32]],
    *,
    modes: Sequence[Mode] = IMAGE_MODES,
    frames: int = 1,
    towers: SharedTowers | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> list[Measurement]:
    """Return the outcomes of all directions in every mode, the model's own first.

    Args:
        model: One that knows pictures.
        benchmark: A resolved split.
        images: Its pictures, uint8 [height, width, 3] each, in the order of ``benchmark.clips``, ``frames`` of each.
        sounds: The same split of the benchmark of sounds.
        waveforms: Its sounds, float32 mono ``[samples]`` each.
        modes: What to measure between texts and pictures; sounds and pictures have no language.
        frames: How many of ``images`` in turn stand for one picture of the benchmark, as those of a film do.
        towers: Shared with other models that are given the same sounds and pictures.
        progress: Called with the fraction done in [0, 1] and what is being done.

    Raises:
        QueryError: The model knows no pictures.
        ValueError: The benchmark has no text, or not as many pictures or sounds as are given.
    """
    if len(images) != frames * len(benchmark.clips) or len(waveforms) != len(sounds.clips):
        raise ValueError(
            f"{len(images)} pictures of {frames} × {len(benchmark.clips)}, {len(waveforms)} sounds of "
            f"{len(sounds.clips)}; wanted one each"
        )
    towers = towers or SharedTowers()
    variants = sights_of(model, towers.seen(model, images), frames)
    heard = towers.sounds(model, waveforms)
    edges = {
        name: between(sounds.clips, heard, benchmark.clips, sight.encode_audio(images[::frames]))
        for name, sight in variants.items()
    }
    stand_ins: Any = images[::frames]  # only their number counts: each variant knows what was seen
    measured = measure(variants, benchmark, stand_ins, modes=modes, shared_text=True, progress=progress)
    renamed = dict(zip(DIRECTIONS, IMAGE_DIRECTIONS[:2], strict=True))
    return [
        dataclasses.replace(
            found,
            outcomes={
                **{renamed[name]: outcomes for name, outcomes in found.outcomes.items()},
                **(edges[found.system] if found.mode == modes[0] else {}),
            },
        )
        for found in measured
    ]


def between(
    clips: Sequence[Clip],
    heard: NDArray[np.float32],
    pictures: Sequence[Clip],
    seen: NDArray[np.float32],
) -> Outcomes:
    """Return both directions between sounds and pictures; neither if no concept has both.

    Args:
        clips: The sounds.
        heard: Their embeddings, float32 ``[clips, dimension]``.
        pictures: The pictures.
        seen: Their embeddings, float32 ``[pictures, dimension]``.
    """
    if not {clip.concept for clip in clips} & {picture.concept for picture in pictures}:
        return {}
    return {
        "audio_to_image": {NO_LANGUAGE: _one_way(clips, heard, pictures, seen)},
        "image_to_audio": {NO_LANGUAGE: _one_way(pictures, seen, clips, heard)},
    }


def to_report(measured: Sequence[Measurement], benchmark: Benchmark) -> dict[str, Any]:
    """Return the JSON-ready report of measurements, the first being the one it is about.

    Percentages throughout. ``mean_other`` is the mean over the languages that are not English; dialects
    of English are listed under ``directions`` and stand in no mean. ``rows`` has every measurement.
    """
    kinds = benchmark.kinds
    rows = [_row(measurement) | _kinds(measurement, kinds) for measurement in measured]
    english_dialects = [code for code in benchmark.languages if code != "en" and not is_other(code)]
    notes = ["recall@k: at least one relevant candidate among the first k; ties count against the system"]
    if english_dialects:
        notes.append(f"dialects of English, in no mean: {', '.join(english_dialects)}")
    if IMAGE_DIRECTIONS[0] in measured[0].outcomes:
        notes.append(f"sounds and pictures were never trained with each other; {NO_LANGUAGE} is no language")
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
    """Write a report as JSON."""
    text = json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False)
    atomic.write_text(path, text + "\n")


@dataclasses.dataclass(frozen=True, eq=False)
class _Language:
    """The texts of one language, each distinct one once, and which clips are right for them."""

    texts: tuple[str, ...]
    text_concepts: tuple[str, ...]  # (texts,), several joined with "/"
    asked: NDArray[np.int64]  # (queries,), position in texts; a text of two concepts is asked twice
    asked_concepts: tuple[str, ...]  # (queries,)
    right_clips: NDArray[np.bool_]  # (queries, clips)
    right_texts: NDArray[np.bool_]  # (clips, texts)


def _by_language(queries: Sequence[Query], clips: Sequence[Clip]) -> dict[str, _Language]:
    grouped: dict[str, set[tuple[str, str]]] = {}
    for query in queries:
        grouped.setdefault(query.language, set()).add((query.text, query.concept))
    clip_concepts = np.array([_concept(clip) for clip in clips])
    languages = {}
    for language, pairs in sorted(grouped.items()):
        named: dict[str, list[str]] = {}
        for text, concept in sorted(pairs):
            named.setdefault(text, []).append(concept)
        texts = {text: position for position, text in enumerate(named)}
        asked = np.array([texts[text] for text, _ in sorted(pairs)])
        concepts = tuple(concept for _, concept in sorted(pairs))
        right_clips = np.array(concepts)[:, None] == clip_concepts[None, :]
        right_texts = np.zeros((len(clips), len(texts)), dtype=bool)
        np.logical_or.at(right_texts.T, asked, right_clips)
        joined = tuple("/".join(concepts) for concepts in named.values())
        languages[language] = _Language(tuple(texts), joined, asked, concepts, right_clips, right_texts)
    return languages


def _concept(clip: Clip) -> str:
    return clip.concept or clip.clip_id


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
    clips: Sequence[Clip],
    audio: NDArray[np.float32],
) -> dict[str, Mapping[str, Outcome]]:
    asked: dict[str, Outcome] = {}
    heard: dict[str, Outcome] = {}
    clip_ids, clip_concepts = [clip.clip_id for clip in clips], [_concept(clip) for clip in clips]
    # One product for all languages: many small ones wait for threads longer than they compute.
    ends = np.cumsum([len(language.texts) for language in languages.values()])
    by_language = np.split(np.concatenate(list(texts.values())) @ audio.T, ends[:-1])
    for (code, language), scores in zip(languages.items(), by_language, strict=True):  # scores: (texts, clips)
        queries = [language.texts[position] for position in language.asked]
        asked[code] = outcome_of(
            scores[language.asked], language.right_clips, queries, language.asked_concepts, clip_ids, clip_concepts
        )
        heard[code] = outcome_of(
            scores.T, language.right_texts, clip_ids, clip_concepts, language.texts, language.text_concepts
        )
    found = zip(DIRECTIONS, (asked, heard), strict=True)
    return {name: {code: outcome for code, outcome in rows.items() if len(outcome.ranks)} for name, rows in found}


def _row(measurement: Measurement) -> dict[str, Any]:
    answered = {name: outcomes for name, outcomes in measurement.outcomes.items() if outcomes}
    return {
        "system": measurement.system,
        "language": "given" if measurement.mode.language_given else "detected",
        "centred": measurement.mode.centred,
        "summary": {name: summary([outcomes]) for name, outcomes in answered.items()},
        "directions": {name: per_language([outcomes]) for name, outcomes in answered.items()},
    }


def _kinds(measurement: Measurement, kinds: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    asked = measurement.outcomes.get(DIRECTIONS[0])
    return {"kinds": by_kind([asked], kinds)} if kinds and asked else {}


def _describe(mode: Mode) -> str:
    language = "language given" if mode.language_given else "language detected"
    return language if mode.centred is None else f"{language}, {'centred' if mode.centred else 'not centred'}"


def _one_way(
    queries: Sequence[Clip], asked: NDArray[np.float32], candidates: Sequence[Clip], found: NDArray[np.float32]
) -> Outcome:
    wanted, there = ([clip.concept or clip.clip_id for clip in clips] for clips in (queries, candidates))
    relevant = np.array(wanted)[:, None] == np.array(there)[None, :]
    named, keys = ([clip.clip_id for clip in clips] for clips in (queries, candidates))
    return outcome_of(asked @ found.T, relevant, named, wanted, keys, there)
