"""What fine-tuning on feedback brings and costs, measured with simulated annotators who know the true labels.

Of the dev split's concepts with several sounds one half is judged. Of those concepts some sounds are judged and the
others kept to measure on; queries are judged in some languages and measured in the others. So set (a) has judged
concepts in unseen wordings, languages and clips, and (b) the concepts that nobody judged. Simulated people judge what
the base model finds among the judged sounds, one person a pair, and a share of their answers is wrong. Sounds of
other packages are rehearsed; nobody judges them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cacara import files, sources
from cacara.benchmark import sound_benchmark
from cacara.benchmark.significance import Difference, paired_difference
from cacara.benchmark.sound_benchmark import Benchmark, Query
from cacara.model import checkpoint
from cacara.model.model import Cacara
from cacara.model.parts.part import acting_on_media
from feedback_db.records.review import Pair
from training.data import corpora
from training.feedback import data as finetune_feedback_data
from training.feedback import finetuning, gate
from training.feedback import manifest as feedback_manifest
from training.feedback.data import TowerOutputs
from training.feedback.files import Progress
from training.feedback.finetuning import FeedbackOptions
from training.feedback.gate import Probe
from training.feedback.manifest import Manifest

PEOPLE = 5
Order = Literal["random", "uncertain"]
ORDERS: tuple[Order, ...] = ("random", "uncertain")
CANDIDATES = 6
"""How many of the judged sounds, the base model's first, are shown for a query."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class StudyOptions:
    """What to simulate.

    Attributes:
        sizes: Numbers of judgements.
        seeds: Each draws other concepts, sounds, judgements and weights.
        wrong: Share of wrong answers.
        very_wrong: The share of wrong answers that the gate is to stop.
        languages: In which people judge; measured is in all others.
        packages: Sources of sounds that nobody judges and that are rehearsed: those that the base model was trained on,
            and some that it was not.
        tuning: The fine-tuning.
    """

    sizes: tuple[int, ...] = (100, 300, 1000)
    seeds: tuple[int, ...] = (0, 1, 2)
    wrong: float = 0.1
    very_wrong: float = 0.3
    languages: tuple[str, ...] = ("en", "de", "es", "pt-BR", "fr", "sw", "zh-Hans", "ar", "ru", "hi", "id", "ja")
    packages: tuple[str, ...] = (
        *("arcade", "bzflag", "flare", "freeciv", "lincity", "lmms", "minetest", "opensfx", "searchandrescue"),
        *("soundicons", "supersonic", "wesnoth", "freedroidrpg", "hedgewars", "megaglest", "supertux", "warzone2100"),
        "widelands",
    )
    tuning: FeedbackOptions = dataclasses.field(default_factory=FeedbackOptions)


@dataclasses.dataclass(frozen=True)
class Case:
    """One fine-tuning of the study.

    Attributes:
        size: Number of judgements.
        seed: Of everything random.
        wrong: Share of wrong answers.
        order: Which pairs are judged first: at random, or those that the base model is least sure of.
        pull: Whether there is a pull towards the base model.
    """

    size: int
    seed: int
    wrong: float
    order: Order = "random"
    pull: bool = True

    @property
    def name(self) -> str:
        """A name without the seed, e.g. ``1000 judgements, 10 % wrong, no pull``."""
        parts = [f"{self.size} judgements", f"{self.wrong:.0%} wrong".replace("%", " %")]
        parts += ["uncertain first"] if self.order == "uncertain" else []
        return ", ".join([*parts, *([] if self.pull else ["no pull"])])


@dataclasses.dataclass(frozen=True, eq=False)
class Simulation:
    """What is simulated with.

    Attributes:
        model: The base model.
        split: The dev split.
        heard: All sounds through the frozen tower: those of dev, then those nobody judges.
        vectors: float32 [texts, dimension] of ``split.queries``.
        base: float32 [sounds, dimension], the base model's embeddings.
    """

    model: Cacara
    split: Benchmark
    heard: TowerOutputs
    vectors: np.ndarray
    base: np.ndarray

    @property
    def concepts(self) -> np.ndarray:
        """The concept of each sound, empty for those that nobody judges."""
        bystanders = len(self.heard.clips) - len(self.split.clips)
        return np.array([clip.concept or "" for clip in self.split.clips] + [""] * bystanders)


@dataclasses.dataclass(frozen=True)
class Parts:
    """How one seed divides dev.

    Attributes:
        judged: Concepts that are judged.
        shown: Sounds that are judged.
        kept: Sounds of the same concepts that are measured on.
        others: Sounds of the concepts that nobody judges.
    """

    judged: frozenset[str]
    shown: tuple[int, ...]
    kept: tuple[int, ...]
    others: tuple[int, ...]


def run(options: StudyOptions, base: str, output: Path, benchmark_path: Path) -> Path:
    """Run the study and write ``study.json`` and ``study.md``; a fine-tuning that is done is not done again.

    Raises:
        CacaraError: The model, the benchmark or a package cannot be had.
    """
    world = make_world(options, base, benchmark_path)
    output.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, Any]]] = {}
    for case in cases(options):
        path = output / f"{hashlib.sha256(repr((case, options)).encode()).hexdigest()[:12]}.json"
        if not path.is_file():
            result = simulate(world, case, options, path.with_suffix(""))
            files.write_text(path, json.dumps(result))
            log.info("%s, seed %d: %s", case.name, case.seed, result["told"])
        found.setdefault(case.name, []).append(json.loads(path.read_text(encoding="utf-8")))
        table = {name: pooled(results) for name, results in found.items()}
        files.write_text(output / "study.json", json.dumps(table, indent=1) + "\n")
        files.write_text(output / "study.md", as_markdown(table))
    return output / "study.md"


def cases(options: StudyOptions) -> list[Case]:
    """Return the fine-tunings: the largest, with many wrong answers, without the pull; then the smaller, by order."""
    largest = max(options.sizes)
    found = [Case(largest, seed, options.wrong) for seed in options.seeds]
    found += [Case(largest, seed, options.very_wrong) for seed in options.seeds]
    found += [Case(largest, seed, options.wrong, pull=False) for seed in options.seeds]
    smaller = sorted((size for size in options.sizes if size < largest), reverse=True)
    for order in ORDERS:
        found += [Case(size, seed, options.wrong, order) for size in smaller for seed in options.seeds]
    return found


def make_world(options: StudyOptions, base: str, benchmark_path: Path) -> Simulation:
    """Return what is simulated with; the frozen towers' work is cached."""
    model = checkpoint.load(base, "cpu")
    keys = {*sound_benchmark.required_sources(benchmark_path, "dev"), *options.packages}
    keys |= sound_benchmark.required_sources(benchmark_path, "test")  # whose sounds are kept out of the bystanders
    keys |= corpora.held_out_sources(benchmark_path)
    folders = sources.fetch_all(sorted(keys))
    split = sound_benchmark.load(benchmark_path, "dev", folders)
    bystanders = corpora.train_clips({key: folders[key] for key in options.packages}, benchmark_path, folders)
    parts = [
        finetune_feedback_data.hear(model, clips, "sound", lambda share: None) for clips in (split.clips, bystanders)
    ]
    heard = TowerOutputs(
        (*parts[0].clips, *parts[1].clips),
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
    )
    split = dataclasses.replace(split, clips=parts[0].clips)
    vectors = model.encode_text([query.text for query in split.queries], [query.language for query in split.queries])
    return Simulation(model, split, heard, vectors, finetuning.placed(model, heard, "sound"))


def divide(world: Simulation, seed: int) -> Parts:
    """Return how a seed divides the concepts of dev that have two sounds or more, and their sounds."""
    rng = np.random.default_rng([seed, 1])
    concepts = world.concepts
    several = [name for name in sorted(set(concepts) - {""}) if (concepts == name).sum() >= 2]
    judged = frozenset(rng.permutation(several)[: len(several) // 2].tolist())
    shown, kept = [], []
    for name in sorted(judged):
        own = rng.permutation(np.flatnonzero(concepts == name)).tolist()
        half = max(1, len(own) // 2)
        kept += own[:half]
        shown += own[half:]
    others = [place for place, name in enumerate(concepts) if name and name not in judged]
    return Parts(judged, tuple(shown), tuple(kept), tuple(others))


def annotate(world: Simulation, parts: Parts, case: Case, languages: Sequence[str]) -> Manifest:
    """Return the manifest of what simulated people say: one of them a pair, a share of the answers wrong."""
    rng = np.random.default_rng([case.seed, 2])
    asked = [
        (number, query)
        for number, query in enumerate(world.split.queries)
        if query.concept in parts.judged and query.language in languages
    ]
    shown = np.array(parts.shown)
    candidates: list[tuple[float, Query, int]] = []
    for number, query in asked:
        scores = world.vectors[number] @ world.base[shown].T
        first = np.argsort(-scores, kind="stable")[:CANDIDATES]
        candidates += [(float(scores[place]), query, int(shown[place])) for place in first]
    order = rng.permutation(len(candidates))
    if case.order == "uncertain":
        scores = np.array([score for score, *_ in candidates])
        likely = np.quantile(scores, 1 - 1.5 / CANDIDATES)  # of a query's candidates one or two fit
        order = order[np.argsort(np.abs(scores[order] - likely), kind="stable")]
    pairs = []
    for position in order[: case.size].tolist():
        _, query, place = candidates[position]
        right = world.split.clips[place].concept == query.concept
        told = right != (rng.random() < case.wrong)
        key = hashlib.sha256(f"{query.language} {query.text} {place}".encode()).hexdigest()[:32]
        pairs.append(_pair(key, query, world, place, f"person {rng.integers(PEOPLE)}", told))
    return feedback_manifest.build(pairs, (), {}, "2026-01-01")


def _pair(key: str, query: Query, world: Simulation, place: int, person: str, fits: bool) -> Pair:
    return Pair(
        pair_id=key,
        query_text=query.text,
        recording_sha256=None,
        query_kind="text",
        language=query.language,
        clip_id=world.heard.clips[place].clip_id,
        clip_kind="sound",
        gallery="study",
        labels={person: "relevant" if fits else "not_relevant"},
        adjudicated=None,
    )


def simulate(world: Simulation, case: Case, options: StudyOptions, folder: Path) -> dict[str, Any]:
    """Return what one fine-tuning brought and cost, and what the gate said of it.

    Returns:
        ``a`` and ``b``: ``before`` and ``after``, 100 or 0 a query for R@10, with ``concepts`` and ``languages``;
        ``passed`` and ``failed`` of the gate; ``pairs`` trained on; ``told``, all in a line.
    """
    parts = divide(world, case.seed)
    manifest = annotate(world, parts, case, options.languages)
    tuning = dataclasses.replace(
        options.tuning,
        objective=dataclasses.replace(options.tuning.objective, **({} if case.pull else {"pull": 0.0})),
        loop=dataclasses.replace(options.tuning.loop, seed=case.seed),
    )
    known = [*parts.shown, *range(len(world.split.clips), len(world.heard.clips))]
    seen = TowerOutputs(
        tuple(world.heard.clips[place] for place in known),
        world.heard.features[known],
        world.heard.probabilities[known],
    )
    asked = finetune_feedback_data.embed_queries(world.model, manifest.rows, folder)
    held = finetune_feedback_data.hold_out(manifest.rows, tuning.held_out, case.seed)
    pairs = finetuning.training_pairs(manifest.rows, "sound", held, seen, asked)
    if pairs is None:
        raise RuntimeError("the simulated people called everything, or nothing, relevant")
    behind = acting_on_media(world.model.parts)
    head = finetuning.tune(world.model.head, pairs, tuning, folder, Progress(None), behind=behind)
    after = finetuning.placed(world.model.with_parts(head), world.heard, "sound")
    contests = finetune_feedback_data.held_out_contests(manifest.rows, held, seen, asked)
    held_out = gate.compare(contests, world.base[known], after[known])
    probes = {"a": _probe(world, parts, options.languages, True), "b": _probe(world, parts, options.languages, False)}
    changes = {name: gate.compare(probe, world.base, after) for name, probe in probes.items()}
    verdict = gate.decide(held_out, changes["b"], changes["a"])
    hits = {name: _hits(probe, world.base, after) for name, probe in probes.items()}
    means = {name: pooled_set([values]).difference for name, values in hits.items()}
    told = f"(a) {means['a']:+.1f}, (b) {means['b']:+.1f}, gate {'passed' if verdict.passed else 'stopped it'}"
    failed = list(verdict.failed)
    return {**hits, "passed": verdict.passed, "failed": failed, "pairs": len(pairs.grades), "told": told}


def _probe(world: Simulation, parts: Parts, languages: Sequence[str], judged: bool) -> Probe:
    """Return set (a) or (b) by the true labels, ranked among the sounds that nobody was shown."""
    queries = world.split.queries
    wanted = [
        number
        for number, query in enumerate(queries)
        if (query.concept in parts.judged) == judged and not (judged and query.language in languages)
    ]
    concepts = np.array([queries[number].concept for number in wanted])
    allowed = np.zeros(len(world.heard.clips), dtype=bool)
    allowed[[*parts.kept, *parts.others]] = True
    relevant = (concepts[:, None] == world.concepts[None, :]) & allowed
    return Probe(
        world.vectors[wanted],
        np.array([queries[number].language for number in wanted]),
        concepts,
        relevant,
        np.repeat(allowed[None, :], len(wanted), axis=0),
    )


def _hits(probe: Probe, before: np.ndarray, after: np.ndarray) -> dict[str, list[Any]]:
    found = {
        name: (100 * (probe.ranks(clips) <= gate.DEPTH)).tolist()
        for name, clips in (("before", before), ("after", after))
    }
    return {**found, "concepts": probe.concepts.tolist(), "languages": probe.languages.tolist()}


def pooled_set(results: Sequence[Mapping[str, list[Any]]]) -> Difference:
    """Return the difference over all seeds; whole concepts are drawn, also where seeds share them."""
    joined = {name: np.concatenate([np.array(result[name]) for result in results]) for name in results[0]}
    return paired_difference(joined["before"], joined["after"], joined["concepts"], joined["languages"])


def pooled(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a row of the table: the differences over the seeds, each seed's, and how often the gate passed."""
    row: dict[str, Any] = {}
    for name in ("a", "b"):
        whole = pooled_set([result[name] for result in results])
        seeds = [round(pooled_set([result[name]]).difference, 2) for result in results]
        before = np.mean([_mean_of(result[name]) for result in results])
        values = {"difference": whole.difference, "lower": whole.lower, "upper": whole.upper, "before": float(before)}
        row[name] = {**{key: round(value, 2) for key, value in values.items()}, "seeds": seeds}
    row["passed"] = sum(bool(result["passed"]) for result in results)
    row["runs"] = len(results)
    row["pairs"] = [result["pairs"] for result in results]
    row["failed"] = [reason for result in results for reason in result["failed"]]
    return row


def _mean_of(result: Mapping[str, list[Any]]) -> float:
    hits, languages = np.array(result["before"], dtype=float), np.array(result["languages"])
    return float(np.mean([hits[languages == code].mean() for code in sorted(set(languages.tolist()))]))


def as_markdown(table: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table: a row a setting, R@10 in points, 95 % intervals."""
    lines = [
        "| simulated feedback | (a) before | gain on (a), 95 % | seeds | (b) before | change on (b), 95 % | gate |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in table.items():
        a, b = ({key: row[each][key] for key in row[each]} for each in ("a", "b"))
        seeds = ", ".join(f"{value:+.1f}" for value in a["seeds"])
        lines.append(
            f"| {name} | {a['before']:.1f} | **{a['difference']:+.1f}** ({a['lower']:+.1f} to {a['upper']:+.1f}) "
            f"| {seeds} | {b['before']:.1f} | {b['difference']:+.1f} ({b['lower']:+.1f} to {b['upper']:+.1f}) "
            f"| {row['passed']} of {row['runs']} |"
        )
    return "\n".join(lines) + "\n"
