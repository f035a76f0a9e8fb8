"""Fine-tuning on simulated annotators who know the true labels: what it brings and what it costs.

Of the dev split's concepts with several sounds one half is judged. Of those concepts some sounds are judged and the
others kept to measure on; queries are judged in some languages and measured in the others. So the set ``judged`` has
judged concepts in unseen wordings, languages and clips, and ``unjudged`` the concepts that nobody judged. Simulated
people judge what the base model finds among the judged sounds, one person a pair, and a share of their answers is
wrong. Sounds of other packages are rehearsed; nobody judges them.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from cacara import sources
from cacara.benchmark.dataset import splits
from cacara.benchmark.dataset.splits import SOUNDS, Benchmark, Query
from cacara.model import checkpoint
from cacara.model.model import Cacara
from cacara.model.parts.part import acting_on_media
from feedback_db.records.review import Pair
from training import recipe as recipes
from training.data import corpora
from training.feedback import data as feedback_data
from training.feedback import finetuning, gate
from training.feedback import manifest as feedback_manifest
from training.feedback.data import TowerOutputs
from training.feedback.finetuning import FeedbackOptions
from training.feedback.gate import Probe
from training.feedback.manifest import Manifest
from training.progress import ProgressFile
from training.run_folder import RunError
from training.studies.cells import Cell, Context, Row

Asked = tuple[Probe, list[str]]
"""Queries with known answers, and their texts."""
JUDGED, UNJUDGED = "judged", "unjudged"
PEOPLE = 5
Order = Literal["random", "uncertain"]
CANDIDATES = 6
"""How many of the judged sounds, the base model's first, are shown for a query."""


@dataclasses.dataclass(frozen=True)
class Annotators:
    """Simulated people.

    Attributes:
        judgements: How many they give.
        wrong: Share of wrong answers.
        order: Which pairs come first.
        seed: Of what is random.
    """

    judgements: int
    wrong: float
    order: Order
    seed: int


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


def make(
    context: Context,
    base: str,
    judgements: int,
    languages: Sequence[str],
    packages: Sequence[str],
    wrong: float = 0.1,
    order: Order = "random",
    options: Mapping[str, Any] | None = None,
) -> Cell:
    """Return a model fine-tuned on simulated judgements, and what the gate said of it.

    Args:
        context: The cell's; the seed draws concepts, sounds, judgements and weights.
        base: The model to begin with.
        judgements: How many; 0 measures the base itself.
        languages: In which people judge; the set ``judged`` is measured in all others.
        packages: Sources of sounds that nobody judges and that are rehearsed.
        wrong: Share of wrong answers.
        order: Which pairs are judged first: at random, or those that the base model is least sure of.
        options: Of the fine-tuning, nested, where they are not its own.

    Raises:
        CacaraError: The model, the benchmark or a package cannot be loaded.
    """
    world = _world(base, tuple(packages))
    parts = divide(world, context.seed)
    sets = {name: _asked(world, parts, languages, name == JUDGED) for name in (JUDGED, UNJUDGED)}
    if not judgements:
        return Cell([row for name, asked in sets.items() for row in _rows(name, asked, world.base)])
    given = recipes.options_of(FeedbackOptions, options or {})
    tuning = dataclasses.replace(given, loop=dataclasses.replace(given.loop, seed=context.seed))
    manifest = annotate(world, parts, Annotators(judgements, wrong, order, context.seed), languages)
    known = [*parts.shown, *range(len(world.split.clips), len(world.heard.clips))]
    seen = TowerOutputs(
        tuple(world.heard.clips[place] for place in known),
        world.heard.features[known],
        world.heard.probabilities[known],
    )
    vectors = feedback_data.embed_queries(world.model, manifest.rows, context.folder)
    held = feedback_data.hold_out(manifest.rows, tuning.held_out, context.seed)
    pairs = finetuning.training_pairs(manifest.rows, "sound", held, seen, vectors)
    if pairs is None:
        raise RunError("the simulated people called everything, or nothing, relevant; wanted more judgements")
    behind = acting_on_media(world.model.parts)
    head = finetuning.tune(world.model.head, pairs, tuning, context.folder, ProgressFile(None), behind=behind)
    after = finetuning.placed(world.model.with_parts(head), world.heard, "sound")
    contests = feedback_data.held_out_contests(manifest.rows, held, seen, vectors)
    changes = {name: gate.compare(probe, world.base, after) for name, (probe, _) in sets.items()}
    verdict = gate.decide(gate.compare(contests, world.base[known], after[known]), changes[UNJUDGED], changes[JUDGED])
    rows = [row for name, asked in sets.items() for row in _rows(name, asked, after)]
    return Cell(rows, {"gate": verdict.passed, "failed": list(verdict.failed), "pairs": len(pairs.grades)})


@functools.lru_cache(maxsize=1)
def _world(base: str, packages: tuple[str, ...]) -> Simulation:
    """Return what is simulated with; the frozen towers' work is cached."""
    model = checkpoint.load(base, "cpu")
    keys = {*splits.required_sources(SOUNDS, "dev"), *packages}
    keys |= splits.required_sources(SOUNDS, "test")  # whose sounds are kept out of the bystanders
    keys |= corpora.held_out_sources(SOUNDS)
    folders = sources.fetch_all(sorted(keys))
    split = splits.load(SOUNDS, "dev", folders)
    bystanders = corpora.train_clips({key: folders[key] for key in packages}, SOUNDS, folders)
    parts = [feedback_data.hear(model, clips, "sound", lambda share: None) for clips in (split.clips, bystanders)]
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


def annotate(world: Simulation, parts: Parts, people: Annotators, languages: Sequence[str]) -> Manifest:
    """Return the manifest of what simulated people say: one of them a pair, a share of the answers wrong."""
    rng = np.random.default_rng([people.seed, 2])
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
    if people.order == "uncertain":
        scores = np.array([score for score, *_ in candidates])
        likely = np.quantile(scores, 1 - 1.5 / CANDIDATES)  # of a query's candidates one or two fit
        order = order[np.argsort(np.abs(scores[order] - likely), kind="stable")]
    pairs = []
    for position in order[: people.judgements].tolist():
        _, query, place = candidates[position]
        right = world.split.clips[place].concept == query.concept
        told = right != (rng.random() < people.wrong)
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


def _asked(world: Simulation, parts: Parts, languages: Sequence[str], judged: bool) -> Asked:
    """Return a set by the true labels, ranked among the sounds that nobody was shown, with the queries' texts."""
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
    spoken = np.array([queries[number].language for number in wanted])
    ranked = np.repeat(allowed[None, :], len(wanted), axis=0)
    probe = Probe(world.vectors[wanted], spoken, concepts, relevant, ranked)
    return probe, [queries[number].text for number in wanted]


def _rows(name: str, asked: Asked, clips: np.ndarray) -> list[Row]:
    probe, texts = asked
    found = zip(probe.languages.tolist(), probe.concepts.tolist(), texts, probe.ranks(clips).tolist(), strict=True)
    return [(name, *each) for each in found]
