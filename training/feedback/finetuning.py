"""Fine-tuning on what people said of search results; the text tower, the other towers and all else stay as they are.

The order of things: what people said becomes a dated manifest, frozen in the run's folder (``feedback_manifest``); a
part of it is held out; frozen towers hear the gallery once; the heads learn on that (``finetune_feedback_method``);
the model is written and the gate decides whether it may be promoted (``gate``). A run that was stopped goes on from
its last state with the manifest that it began with, and comes to the same weights.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cacara import sources
from cacara.benchmark.dataset import benchmark_file, splits
from cacara.galleries import gallery
from cacara.galleries.gallery import Gallery
from cacara.model import checkpoint, seen_texts
from cacara.model.model import Cacara
from cacara.model.parts.head import AnchoredHead
from cacara.model.parts.part import Part, acting_on_media
from cacara.model.seen_texts import SeenTexts
from feedback_db.store.recordings import recordings_folder
from training import loop, run_folder
from training.data import corpora
from training.feedback import card as feedback_card
from training.feedback import data as finetune_feedback_data
from training.feedback import gate
from training.feedback import manifest as feedback_manifest
from training.feedback.data import HeldOutOptions, MinimumFeedback, TowerOutputs
from training.feedback.gate import Probe, Verdict
from training.feedback.manifest import Manifest, Row
from training.feedback.method import FeedbackBatches, FeedbackObjective, FeedbackTuning, JudgedPairs
from training.loop import LoopOptions
from training.progress import ProgressFile
from training.run_folder import RunError

MANIFEST = "manifest.jsonl"
SUFFIX = "-feedback"

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class FeedbackOptions:
    """One fine-tuning.

    Attributes:
        rehearsed: Keys of ``cacara.sources`` whose sounds are held in place beside those of the gallery, such as those
            that the base model was trained on: the more kinds of sounds, the less is forgotten.
        held_out: Share of the clips that fit, and of the queries, that the gate keeps for itself, 0 to 0.5.
        needed: Least amount of feedback.
        objective: The loss.
        loop: Steps, batch size and learning rate.
    """

    rehearsed: tuple[str, ...] = ()
    held_out: float = 0.1
    needed: MinimumFeedback = dataclasses.field(default_factory=MinimumFeedback)
    objective: FeedbackObjective = dataclasses.field(default_factory=FeedbackObjective)
    loop: LoopOptions = dataclasses.field(
        default_factory=lambda: LoopOptions(steps=100, batch_size=64, weight_decay=0.0, checkpoint_every=25)
    )

    def __post_init__(self) -> None:
        if not 0 < self.held_out <= 0.5:
            raise RunError(f"held_out is {self.held_out}; wanted more than 0, up to 0.5")


def train(
    options: FeedbackOptions,
    database: Path,
    base: str,
    output: Path,
    benchmark_path: Path,
    place: str | None = None,
    progress: Path | None = None,
) -> Path:
    """Fine-tune a model and write it to ``output / "final"``, the gate's report beside it; run again to go on.

    Args:
        options: The fine-tuning.
        database: The feedback database; of a run that goes on, its own manifest is read instead.
        base: The model to begin with: a bundled model's name or a model folder.
        output: The run's folder.
        benchmark_path: The frozen benchmark of sounds, whose dev split the gate asks.
        place: Place of the gallery that was judged, see ``cacara.galleries.places``; None means the default one.
        progress: A file that is told how far it is, JSON lines.

    Returns:
        The model's folder.

    Raises:
        RunError: There is too little feedback, the base model's heads cannot be tuned, or ``output`` holds another run.
        CacaraError: The model, the gallery or the benchmark cannot be had.
    """
    told = ProgressFile(progress)
    try:
        return _train(options, database, base, output, benchmark_path, place, told)
    except KeyboardInterrupt:
        told.tell("cancelled", 0.0, "stopped; the same command goes on from here")
        raise
    except Exception as error:
        told.tell("failed", 0.0, " ".join(str(error).split()))
        raise


def _train(
    options: FeedbackOptions,
    database: Path,
    base: str,
    output: Path,
    benchmark_path: Path,
    place: str | None,
    told: ProgressFile,
) -> Path:
    told.tell("manifest", 0.0, "reading the feedback")
    manifest = frozen_manifest(database, output)
    finetune_feedback_data.refuse_too_little(manifest.rows, options.needed)  # before the slow part
    folder = checkpoint.find(base)
    if checkpoint.read_config(folder).projectors is not None:
        raise RunError(f"{base} is a model of uCLIP, whose heads lead into a space of their own; wanted another base")
    told.tell("prepare", 0.0, "loading the model and the gallery")
    sounds = gallery.load(place)
    model = checkpoint.load(folder, "cpu")
    galleries = _hear(model, sounds, manifest, told)
    vectors = finetune_feedback_data.embed_queries(model, manifest.rows, recordings_folder(database))
    rows = finetune_feedback_data.usable(manifest, galleries, vectors)
    finetune_feedback_data.refuse_too_little(rows, options.needed)
    held = finetune_feedback_data.hold_out(rows, options.held_out, options.loop.seed)
    _claim(output, options, manifest, model, len(rows))
    heads: dict[str, AnchoredHead] = {}
    for kind, heard in galleries.items():
        more = _rehearsed(model, options.rehearsed, benchmark_path, told) if kind == "sound" else None
        if pairs := training_pairs(rows, kind, held, finetune_feedback_data.joined(heard, more), vectors):
            behind = acting_on_media(model.parts)
            heads[kind] = tune(_head(model, kind), pairs, options, output / kind, told, kind, behind)
    if not heads:
        raise RunError("nothing to train on but what is held out; wanted more feedback")
    final = output / "final"
    version = f"{manifest.date.replace('-', '.')}-{manifest.hash[:8]}"
    counts = {kind: sum(row.clip_kind == kind and not held.holds(row) for row in rows) for kind in heads}
    described = feedback_card.about(manifest, f"{model.name} {model.version}", counts)
    name = model.name if model.name.endswith(SUFFIX) else model.name + SUFFIX
    saw = _seen(folder, benchmark_path, rows, galleries)
    config = dataclasses.replace(checkpoint.read_config(folder), name=name, version=version)
    card = f"{described}\n---\n\n{(folder / checkpoint.CARD).read_text(encoding='utf-8')}"
    # The pull keeps scores near the base's, so what they mean stays.
    checkpoint.save(final, config, list(heads.values()), card, base=folder, seen=saw, calibration=model.calibration)
    told.tell("gate", 0.0, "asking what was held out")
    tuned = checkpoint.load(final, "cpu")
    tuned.share_towers(model)
    verdict = _gate(model, tuned, rows, held, galleries, vectors, benchmark_path, told)
    said = {"model": str(final), "base": f"{model.name} {model.version}", "manifest": manifest.hash}
    report = gate.write(verdict, tuned.fingerprint, output / gate.GATE, **said)
    told.tell("done", 1.0, "; ".join(verdict.failed), model=str(final), gate=report)
    return final


def frozen_manifest(database: Path, output: Path) -> Manifest:
    """Return the manifest that a run began with, or make it now and freeze it in the run's folder.

    Raises:
        RunError: There is no such database, or a manifest cannot be read.
    """
    path = output / MANIFEST
    if path.is_file():
        return feedback_manifest.read(path)
    manifest = feedback_manifest.read_store(database)
    if manifest.rows:
        feedback_manifest.write(manifest, path)
    return manifest


def training_pairs(
    rows: Sequence[Row], kind: str, held: HeldOutOptions, heard: TowerOutputs, vectors: Mapping[str, np.ndarray]
) -> JudgedPairs | None:
    """Return what a head is trained on; None when no clip of its kind was judged both ways."""
    own = [row for row in rows if row.clip_kind == kind and not held.holds(row)]
    if not any(row.grade > 0 for row in own) or all(row.grade > 0 for row in own):
        return None
    return finetune_feedback_data.as_pairs(own, heard, vectors, finetune_feedback_data.rehearsal(heard, own))


def tune(
    base: AnchoredHead,
    pairs: JudgedPairs,
    options: FeedbackOptions,
    output: Path,
    told: ProgressFile,
    kind: str = "sound",
    behind: Sequence[Part] = (),
) -> AnchoredHead:
    """Return a head fine-tuned on judged pairs; the base's stays as it is.

    Args:
        base: The base model's head.
        pairs: The judged pairs.
        options: The fine-tuning.
        output: Folder for metrics and states.
        told: Is told of each step.
        kind: ``sound`` or ``picture``.
        behind: The model's parts that change what the head gives.
    """
    head = copy.deepcopy(base)
    for parameter in head.parameters():
        parameter.requires_grad_(True)
    method = FeedbackTuning(head, pairs, options.objective, behind, kind)
    data = FeedbackBatches(pairs, lambda step: told.step(output, kind, step, options.loop.steps))
    loop.train(method, data, options.loop, output, {"offset": options.objective.anchor_rate})
    return method.finish()


def _tell_heard(told: ProgressFile, kind: str, share: float) -> None:
    told.tell("prepare", share, f"{kind}s")


def _hear(model: Cacara, sounds: Gallery, manifest: Manifest, told: ProgressFile) -> dict[str, TowerOutputs]:
    judged = {row.clip_kind for row in manifest.rows}
    galleries = {}
    for kind in finetune_feedback_data.KINDS:
        clips = finetune_feedback_data.clips_of(sounds, kind)
        if kind in judged and clips and (kind == "sound" or model.sees):
            report = functools.partial(_tell_heard, told, kind)
            galleries[kind] = finetune_feedback_data.hear(model, clips, kind, report)
    return galleries


def _rehearsed(model: Cacara, packages: Sequence[str], benchmark_path: Path, told: ProgressFile) -> TowerOutputs | None:
    """Return the sounds of packages, without those of the benchmark."""
    if not packages:
        return None
    keys = {*packages, *benchmark_file.read(benchmark_path).sources, *corpora.held_out_sources(benchmark_path)}
    folders = sources.fetch_all(sorted(keys))
    clips = corpora.train_clips({key: folders[key] for key in packages}, benchmark_path, folders)
    return finetune_feedback_data.hear(model, clips, "sound", lambda share: told.tell("prepare", share, "rehearsed"))


def _claim(output: Path, options: FeedbackOptions, manifest: Manifest, model: Cacara, rows: int) -> None:
    """Refuse to go on where another run has begun, be it for sounds or for pictures."""
    described = {**dataclasses.asdict(options), "manifest": manifest.hash, "base": model.fingerprint, "rows": rows}
    record = run_folder.describe(described, "", ())
    for kind in finetune_feedback_data.KINDS:
        if (output / kind).exists():
            run_folder.claim(output / kind, record)
    run_folder.claim(output, record)
    for kind in {row.clip_kind for row in manifest.rows}:
        run_folder.claim(output / kind, record)


def _head(model: Cacara, kind: str) -> AnchoredHead:
    head = model.head if kind == "sound" else model.image_head
    assert head is not None
    return head


def _gate(
    model: Cacara,
    tuned: Cacara,
    rows: Sequence[Row],
    held: HeldOutOptions,
    galleries: Mapping[str, TowerOutputs],
    vectors: Mapping[str, np.ndarray],
    benchmark_path: Path,
    told: ProgressFile,
) -> Verdict:
    """Return what the gate finds: sounds by what was held out and by dev, as far as sounds were judged."""
    changes = []
    for kind, heard in galleries.items():
        own = [row for row in rows if row.clip_kind == kind]
        contests = finetune_feedback_data.held_out_contests(own, held, heard, vectors)
        changes.append(gate.compare(contests, placed(model, heard, kind), placed(tuned, heard, kind)))
    known = [change for change in changes if change is not None]
    held_out = max(known, key=lambda change: change.difference.queries) if known else None
    told.tell("gate", 0.3, "asking dev what nobody judged")
    clips, of_judged, of_others = dev_probes(model, benchmark_path, rows, _judged_names(rows, galleries), told)
    before, after = placed(model, clips, "sound"), placed(tuned, clips, "sound")
    enough = len(set(of_judged.concepts.tolist())) >= gate.MIN_CONCEPTS
    judged = gate.compare(of_judged, before, after) if enough else None
    return gate.decide(held_out, gate.compare(of_others, before, after), judged)


def dev_probes(
    model: Cacara, benchmark_path: Path, rows: Sequence[Row], judged: frozenset[str], told: ProgressFile
) -> tuple[TowerOutputs, Probe, Probe]:
    """Return the dev split's clips, its texts for judged concepts that nobody judged, and those for all other concepts.

    Args:
        model: The base model.
        benchmark_path: The frozen benchmark of sounds.
        rows: What was judged; dev clips among them are not ranked.
        judged: Concepts and texts that were judged, in small letters.
        told: Is told of the progress.
    """
    folders = sources.fetch_all(sorted(splits.required_sources(benchmark_path, "dev")))
    split = splits.load(benchmark_path, "dev", folders)
    heard = finetune_feedback_data.hear(model, split.clips, "sound", lambda share: told.tell("gate", share, "dev"))
    touched = {query.concept for query in split.queries if query.text.lower() in judged or query.concept in judged}
    asked = [query for query in split.queries if query.text.lower() not in judged]
    vectors = model.encode_text([query.text for query in asked], [query.language for query in asked])
    shown = {row.clip_id for row in rows}
    allowed = np.array([clip.clip_id not in shown for clip in heard.clips])
    concepts = np.array([query.concept for query in asked])
    relevant = (concepts[:, None] == np.array([clip.concept for clip in heard.clips])[None, :]) & allowed
    languages = np.array([query.language for query in asked])
    probes = []
    for wanted in (True, False):
        keep = np.array([(name in touched) == wanted for name in concepts]) & relevant.any(axis=1)
        ranked = np.repeat(allowed[None, :], int(keep.sum()), axis=0)
        probes.append(Probe(vectors[keep], languages[keep], concepts[keep], relevant[keep], ranked))
    return heard, probes[0], probes[1]


def _judged_names(rows: Sequence[Row], galleries: Mapping[str, TowerOutputs]) -> frozenset[str]:
    concepts = {(kind, clip.clip_id): clip.concept for kind, heard in galleries.items() for clip in heard.clips}
    fitting = {concepts.get((row.clip_kind, row.clip_id)) for row in rows if row.grade > 0}
    return frozenset({row.text.lower() for row in rows if row.text} | {name for name in fitting if name})


def placed(model: Cacara, heard: TowerOutputs, kind: str) -> np.ndarray:
    """Return where a model places clips, float32 [clips, dimension]."""
    import torch

    outputs = torch.from_numpy(heard.features), torch.from_numpy(heard.probabilities)
    return model.place_heard(outputs) if kind == "sound" else model.place_seen(outputs)


def _seen(
    base: Path, benchmark_path: Path, rows: Sequence[Row], galleries: Mapping[str, TowerOutputs]
) -> SeenTexts | None:
    """Return what the base model saw of the benchmark, and what people's words and the judged clips add to it."""
    before = seen_texts.read(base)
    if before is None:
        return None
    every = benchmark_file.read(benchmark_path)
    known = {row.concept for row in every.sounds}
    judged = _judged_names(rows, galleries) & known
    said = benchmark_file.seen_of(every, [row.text for row in rows if row.text], judged)
    return dataclasses.replace(said, concepts=said.concepts | before.concepts, texts=said.texts | before.texts)


def status(database: Path, needed: MinimumFeedback) -> dict[str, Any]:
    """Return how much feedback there is, and how much is missing, JSON-ready.

    Args:
        database: The feedback database.
        needed: Least amount.

    Raises:
        RunError: There is no such database, or it cannot be read.
    """
    manifest = feedback_manifest.read_store(database)
    short = finetune_feedback_data.missing(manifest.rows, needed)
    languages = sorted({row.language for row in manifest.rows if row.language})
    found = {"queries": len({row.query for row in manifest.rows}), "clips": len({row.clip_id for row in manifest.rows})}
    wanted = json.loads(json.dumps(dataclasses.asdict(needed)))
    return {
        **manifest.head(),
        "pairs": len(manifest.rows),
        **found,
        "languages": languages,
        "needed": wanted,
        "missing": {name: wanted_count - count for name, (count, wanted_count) in short.items()},
    }
