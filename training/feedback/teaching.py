"""Teach a model a language from what people corrected and judged in it; a gate decides whether what was learnt is used.

The training is that of ``training.mla.teaching``; the pairs come of ``training.feedback.teaching_pairs``, and the
gate is ``training.feedback.teaching_gate``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from cacara import files, languages, working_folders
from cacara.benchmark.splits import Benchmark
from cacara.model import checkpoint
from cacara.model.model import Cacara
from cacara.model.parts import acquirer_files
from cacara.model.parts.acquirer_files import AcquirerFile
from cacara.search import gallery
from cacara.words import text_pairs
from training.data import text_statistics
from training.feedback import manifest as feedback_manifest
from training.feedback import teaching_gate, teaching_pairs
from training.feedback.gate import GATE
from training.feedback.manifest import Manifest
from training.feedback.teaching_gate import Exam, LanguageVerdict
from training.feedback.teaching_pairs import LanguagePairs, NeededPairs, PairSplit
from training.mla import pairs as language_pairs
from training.mla.teaching import Progress, acquirers_of, tokenizer_warnings, train_acquirers
from training.run_folder import RunError

REPORT = "report.md"

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class TeachFeedbackOptions:
    """One teaching.

    Attributes:
        language: BCP-47 code, not English; variants of it count as it.
        model: A model with acquirers: name or folder; it is not changed.
        pairs: A file of more pairs, see ``training.mla.pairs``; None for feedback alone.
        gallery: Where the gallery that was judged is, see ``cacara.search.places``; None for the default one.
        current: The acquirers' file that reads the language now, beside the model's own; the gate compares with it.
        register: The app's folder of what the model was taught; acquirers that pass the gate are put there too.
        needed: How much there must be.
        seed: Of everything random.
    """

    language: str
    model: str = "mla"
    pairs: Path | None = None
    gallery: str | None = None
    current: Path | None = None
    register: Path | None = None
    needed: NeededPairs = dataclasses.field(default_factory=NeededPairs)
    seed: int = 0


def teach(
    options: TeachFeedbackOptions,
    database: Path,
    output: Path,
    benchmark_path: Path,
    tell: Progress = lambda stage, fraction, message: None,
) -> dict[str, Any]:
    """Teach a language and write ``CODE.safetensors``, ``gate.json`` and ``report.md`` into ``output``.

    Args:
        options: The teaching.
        database: The feedback database.
        output: A folder; made if missing. What a cancelled teaching has found is not written.
        benchmark_path: The frozen benchmark of sounds, whose dev split the gate asks.
        tell: Told how far it is.

    Returns:
        ``message``, ``acquirer``, ``language``, ``pairs`` (how many were learnt), ``gate``, ``registered`` (the file in
        ``options.register``, or null) and ``warnings``, JSON-ready.

    Raises:
        LanguageError: The code is none.
        RunError: There is too little feedback, the language is English, or the model takes no acquirers.
        CacaraError: The model, the gallery or the benchmark cannot be had.
    """
    language = languages.normalise(options.language)
    if languages.base(language) == "en":
        raise RunError(f"{options.language!r} is English, which the model reads already; wanted another language")
    tell("reading", 0.0, "reading the feedback")
    manifest, found, described = _gathered(options, language, database)
    teaching_pairs.refuse_too_little(found, language, options.needed)  # before the slow part
    parted = teaching_pairs.part(found.pairs, options.seed)
    if len(parted.taught) < text_pairs.MIN_PAIRS:
        raise RunError(
            f"{len(parted.taught)} pairs of {language} share nothing with what is held out; wanted "
            f"{text_pairs.MIN_PAIRS} or more, so feedback on more different things"
        )
    tell("loading", 0.02, f"loading the model, {len(found.pairs):,} pairs")
    split = teaching_gate.dev_split(benchmark_path)
    before = _model(options.model)
    warnings = tokenizer_warnings(language, [pair.text for pair in parted.taught], acquirers_of(before))
    if options.current is not None:
        _add(before, options.current, language)
    if language in acquirers_of(before).languages:
        warnings.append(f"the model reads {language} already; the gate compares with that")
    tell("embedding", 0.05, "asking the model before")
    others = teaching_gate.other_texts(before, language, split)
    # First of all: a model remembers texts, and one that came in another batch may differ in its last bits.
    were = teaching_gate.embedded(before, others)
    exams = _exams(before, language, found, parted, described, split, tell)
    old = [exam.hits(before) for exam in exams]
    content = _trained(before, language, parted, options.seed, tell)
    tell("measuring", 0.93, "asking what was held out")
    with working_folders.made("teach") as folder:
        path = folder / f"{language}{acquirer_files.SUFFIX}"
        acquirer_files.write(path, content)
        after = _model(options.model)  # loaded anew: nothing that the first one remembers stands in for computing it
        _add(after, path, language)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    same = teaching_gate.unchanged(others, were, teaching_gate.embedded(after, others))
    new = [exam.hits(after) for exam in exams]
    verdict = teaching_gate.decide(list(zip(exams, old, new, strict=True)), same)
    told = _told(language, before, manifest, found, parted, digest)
    return _written(output, options.register, content, verdict, told, warnings)


def _gathered(
    options: TeachFeedbackOptions, language: str, database: Path
) -> tuple[Manifest, LanguagePairs, Mapping[tuple[str, str], tuple[str, str]]]:
    """Return the manifest, the language's pairs, and what each clip is called in English."""
    manifest = feedback_manifest.read_store(database)
    given = language_pairs.read(options.pairs, language).pairs if options.pairs else ()
    sounds = gallery.load(options.gallery)
    described = teaching_pairs.descriptions(sounds, manifest.rows)
    return manifest, teaching_pairs.collect(manifest, language, described, given), described


def _model(name: str) -> Cacara:
    return checkpoint.load(name, report=lambda progress: log.info("%s", progress))


def _add(model: Cacara, path: Path, language: str) -> None:
    content = acquirer_files.read(path)
    if content.language != language:
        raise RunError(f"{path.name} holds acquirers of {content.language}; wanted those of {language}")
    acquirers_of(model).add(content)


def _exams(
    model: Cacara,
    language: str,
    found: LanguagePairs,
    parted: PairSplit,
    described: Mapping[tuple[str, str], tuple[str, str]],
    split: Benchmark,
    tell: Progress,
) -> list[Exam]:
    others = [english for english, _ in described.values()]
    asked = [
        teaching_gate.feedback_exam(model, language, found.pairs, parted, others),
        teaching_gate.dev_exam(
            model, language, split, parted.taught, lambda share: tell("embedding", 0.06 + 0.05 * share, "hearing dev")
        ),
    ]
    return [exam for exam in asked if exam is not None]


def _trained(model: Cacara, language: str, parted: PairSplit, seed: int, tell: Progress) -> AcquirerFile:
    """Return the acquirers; pairs come as often as they fit and are sure."""
    english = sorted({pair.english for pair in parted.taught})
    targets = torch.from_numpy(text_statistics.embed(model.text, english)).to(model.device)
    pairs = [(pair.english, pair.text) for pair in parted.taught]
    weights = [pair.grade * pair.weight for pair in parted.taught]
    tell("training", 0.12, f"training on {len(pairs):,} pairs")
    tensors = train_acquirers(language, pairs, weights, english, targets, model, seed, tell)
    return AcquirerFile(language, acquirers_of(model).space, len(pairs), tensors)


def _told(
    language: str, model: Cacara, manifest: Manifest, found: LanguagePairs, parted: PairSplit, digest: str
) -> dict[str, Any]:
    """Return what the report says beside the verdict."""
    sources = [pair.source for pair in parted.taught]
    return {
        "language": language,
        "model": f"{model.name} {model.version}",
        "manifest": manifest.hash,
        "acquirer_sha256": digest,
        "pairs": {
            **found.counts(),
            "taught": len(parted.taught),
            "taught_from_feedback": sum(source != "file" for source in sources),
            "held_out": len(parted.held_out),
            "set_aside": parted.set_aside,
            "left_out": dict(found.left_out),
        },
    }


def _written(
    output: Path,
    register: Path | None,
    content: AcquirerFile,
    verdict: LanguageVerdict,
    told: Mapping[str, Any],
    warnings: list[str],
) -> dict[str, Any]:
    name = f"{content.language}{acquirer_files.SUFFIX}"
    acquirer_files.write(output / name, content)
    report = {**verdict.to_json(), **told, "warnings": warnings}
    files.write_text(output / GATE, json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    files.write_text(output / REPORT, in_words(report))
    registered = register / name if register is not None and verdict.passed else None
    if registered is not None:
        acquirer_files.write(registered, content)
    ready = "passed the gate" if verdict.passed else f"did not pass the gate: {'; '.join(verdict.failed)}"
    return {
        "message": f"{content.language} {ready}",
        "acquirer": str(output / name),
        "language": content.language,
        "pairs": content.pairs,
        "gate": report,
        "registered": registered and str(registered),
        "warnings": warnings,
    }


def in_words(report: Mapping[str, Any]) -> str:
    """Return the report as a person reads it, Markdown; no text of a person is in it."""
    named = languages.describe(report["language"]).english_name
    pairs = report["pairs"]
    lines = [
        f"# {named} ({report['language']}), taught to {report['model']} from feedback",
        "",
        "**It passed the gate.** It reads the language better, and every other one as before."
        if report["passed"]
        else "**It did not pass the gate, so it is not used.** It stays in this folder. Why:",
        "",
        *[f"- {reason}" for reason in report["failed"]],
        *([""] if report["failed"] else []),
        f"Learnt from {pairs['taught']} pairs, {pairs['taught_from_feedback']} of them out of feedback (manifest "
        f"{report['manifest']}). Held out for the gate: {pairs['held_out']} pairs of feedback. Neither learnt nor "
        f"asked, as they share a text or a thing with what is held out, or fit partly: {pairs['set_aside']}.",
        "",
        "What was measured:",
        "",
        *[f"- {line}" for line in report["said"]],
    ]
    notes = [f"{count} left out: {reason}" for reason, count in pairs["left_out"].items()] + list(report["warnings"])
    if notes:
        lines += ["", "To know:", "", *[f"- {note}" for note in notes]]
    return "\n".join(lines) + "\n"


def status(database: Path, needed: NeededPairs, place: str | None = None) -> dict[str, Any]:
    """Return for each language of the feedback how many pairs there are, and how many are missing, JSON-ready.

    Args:
        database: The feedback database.
        needed: How much there must be.
        place: Where the gallery that was judged is, see ``cacara.search.places``; None means the default one.

    Returns:
        ``languages``, the most feedback first: each ``language``, ``pairs``, ``feedback``, ``concepts``, ``captions``
        and ``missing`` (name to number); and ``needed``.

    Raises:
        RunError: There is no such database, or it cannot be read.
    """
    manifest = feedback_manifest.read_store(database)
    sounds = gallery.load(place)
    described = teaching_pairs.descriptions(sounds, manifest.rows)
    spoken: dict[str, list[feedback_manifest.Row]] = {}
    for row in manifest.rows:
        if row.text is not None and row.language and languages.base(row.language) != "en":
            spoken.setdefault(languages.normalise(row.language), []).append(row)
    rows: list[dict[str, Any]] = []
    for code in spoken:
        own = tuple(row for other in spoken if code in (other, languages.base(other)) for row in spoken[other])
        found = teaching_pairs.collect(dataclasses.replace(manifest, rows=own), code, described)
        if found.pairs:
            rows.append({"language": code, **found.counts(), "missing": found.missing(needed)})
    rows.sort(key=lambda row: (-row["feedback"], row["language"]))
    return {"languages": rows, "needed": dataclasses.asdict(needed)}
