"""How much a language that is added later needs: acquirers and MKD by number of pairs, with pictures and without.

For each seed other pairs are drawn; a larger number holds the smaller one's pairs. Acquirers are trained as
``--add-language`` does it. With sounds and pictures, language exposure follows, on as many texts of train sounds and
train pictures as there are pairs, or all where there are fewer. MKD is a head behind the frozen multilingual encoder,
which begins as the fit of English texts and goes on with the same pairs for as many steps.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cacara import files
from cacara.model.parts.acquirer_files import AcquirerFile
from cacara.model.parts.acquirers import Acquirers
from training import loop
from training.data import text_statistics
from training.loop import LoopOptions
from training.mla import teaching
from training.mla.acquisition import LanguageAcquisition, LanguageAcquisitionOptions
from training.mla.data import LanguageBatches, SeenBatches
from training.mla.exposure import Exposure
from training.run_folder import RunError
from training.studies import mla_probe
from training.studies import mla_ways as ways
from training.studies.mla_probe import Embed, Row, Score
from training.studies.mla_study import interval, read
from training.studies.mla_ways import StudyMaterial

REPORT = "amounts.md"
HEAD_RATE = 5e-4
WAYS = {"acquirers": "acquirers", "seen": "acquirers, then LE", "mkd": "MKD, a head"}

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class AmountOptions:
    """What is measured.

    Attributes:
        acquisition: The held-out languages, the policy, and as last stage how long language exposure is.
        sizes: Numbers of pairs.
        seen_up_to: Language exposure follows up to this number of pairs.
        seeds: Each draws other pairs and weights.
    """

    acquisition: LanguageAcquisitionOptions
    sizes: tuple[int, ...] = (100, 200, 600, 1800)
    seen_up_to: int = 600
    seeds: tuple[int, ...] = (0, 1, 2)

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 1 or not self.seeds:
            raise RunError(f"sizes is {self.sizes}, seeds is {self.seeds}; wanted one or more, sizes from 1")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One drawing of pairs of one language; 0 pairs is what each way does before."""

    language: str
    size: int
    seed: int

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.language}-{self.size}-{self.seed}.json"


def run(options: AmountOptions, model: str | Path, output: Path, sounds: Path, pictures: Path) -> Path:
    """Train and ask every cell and write ``amounts.md``; cells whose file is there are not done again.

    Args:
        options: What is measured.
        model: A model with acquirers, which has none of the languages: name or folder.
        output: Holds a file a cell and the report.
        sounds: The frozen benchmark of sounds, whose dev split is asked.
        pictures: The frozen benchmark of pictures, whose dev split is asked.

    Raises:
        RunError: The model takes no acquirers or reads a language already, or ``output`` holds another study.
        SourceError: A package cannot be fetched.
        ManifestError: A benchmark cannot be read, or a language has too few pairs.
        CheckpointError: ``model`` is no model.
    """
    world = StudyMaterial(options.acquisition, model, sounds, pictures)
    acquirers = teaching.acquirers_of(world.model)
    if known := sorted(set(acquirers.languages) & set(options.acquisition.languages)):
        raise RunError(f"{world.model.name} reads {', '.join(known)} already; wanted languages that it does not")
    record = world.record(options.acquisition, seen_up_to=options.seen_up_to)
    output.mkdir(parents=True, exist_ok=True)
    study = _Study(options, world)
    cells = [Cell(code, 0, 0) for code in options.acquisition.languages]
    cells += [
        Cell(code, size, seed)
        for seed in options.seeds
        for code in options.acquisition.languages
        for size in options.sizes
    ]
    done: dict[Cell, Mapping[str, Any]] = {}
    for cell in cells:
        path = output / cell.file
        if (row := read(path, record)) is None:
            row = {"ways": study.measure(cell), "record": record}
            files.write_text(path, json.dumps(row, ensure_ascii=False) + "\n")
        done[cell] = row["ways"]
        files.write_text(output / REPORT, table(done))
    return output / REPORT


class _Study:
    """Measures cells; what they share is made when it is first needed."""

    def __init__(self, options: AmountOptions, world: StudyMaterial) -> None:
        self.options, self.world = options, world

    @functools.cached_property
    def tower(self) -> ways.TextTower:
        return ways.multilingual(self.options.acquisition)

    @functools.cached_property
    def head(self) -> nn.Linear:
        return ways.fitted_head(self.tower, self.world.english, self.world.targets)

    def measure(self, cell: Cell) -> dict[str, dict[str, list[Row]]]:
        """Return way → side → rows."""
        world = self.world
        sides = {
            name: dataclasses.replace(side, asked=mla_probe.only(side.asked, [cell.language]))
            for name, side in world.sides.items()
        }
        ask = functools.partial(mla_probe.ask, sides)
        read_by_model = functools.partial(_by_model, world)
        pairs = drawn([(pair.english, pair.text) for pair in world.pairs[cell.language]], cell)
        found = {"mkd": ask(_by_head(self.distilled(cell, pairs), self.tower, world))}
        if not cell.size:
            return {"acquirers": ask(read_by_model), **found}
        tensors = teaching.train_acquirers(
            *(cell.language, pairs, [1.0] * len(pairs), world.english, world.targets, world.model, cell.seed),
            tell=lambda stage, fraction, message: None,
        )
        acquirers = teaching.acquirers_of(world.model)
        with _added(acquirers, cell, tensors):
            found["acquirers"] = ask(read_by_model)
        if cell.size <= self.options.seen_up_to:
            with _added(acquirers, cell, self.exposed(cell, tensors)):
                found["seen"] = ask(read_by_model)
        log.info("%s: %s", cell, {name: {side: len(rows) for side, rows in own.items()} for name, own in found.items()})
        return found

    def distilled(self, cell: Cell, pairs: Sequence[tuple[str, str]]) -> nn.Linear:
        """Return MKD's head, trained on the pairs."""
        world = self.world
        made = nn.Linear(self.head.in_features, self.head.out_features).to(world.targets.device)
        made.load_state_dict(self.head.state_dict())
        if pairs:
            place = {text: row for row, text in enumerate(world.english)}
            pooled = torch.from_numpy(text_statistics.embed(self.tower, [text for _, text in pairs]))
            data = _Pooled(pooled, torch.tensor([place[english] for english, _ in pairs]))
            steps = int(np.clip(len(pairs), *teaching.STEPS))
            options = LoopOptions(
                steps=steps,
                batch_size=teaching.BATCH,
                learning_rate=HEAD_RATE,
                seed=cell.seed,
                checkpoint_every=steps + 1,
            )
            with tempfile.TemporaryDirectory(prefix="cacara-mla-study-") as folder:
                loop.train(_Head(made, world.targets), data, options, Path(folder))
        return made

    def exposed(self, cell: Cell, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return acquirers after language exposure."""
        world, acquirers = self.world, teaching.acquirers_of(self.world.model)
        options = dataclasses.replace(
            self.options.acquisition, languages=(cell.language,), bottleneck=acquirers.config.bottleneck
        )
        method = LanguageAcquisition(acquirers, (cell.language,), world.targets, world.centre, options)
        method.sets[cell.language].load_state_dict(dict(tensors))
        method.projection.requires_grad_(False)
        length = dataclasses.replace(options.stages[-1].loop, seed=cell.seed)
        data = seen_batches(world.exposure, cell, acquirers, options)
        with tempfile.TemporaryDirectory(prefix="cacara-mla-study-") as folder:
            loop.train(method, data, length, Path(folder))
        return {name: value.detach().cpu() for name, value in method.sets[cell.language].state_dict().items()}


def seen_batches(seen: Exposure, cell: Cell, acquirers: Acquirers, options: LanguageAcquisitionOptions) -> SeenBatches:
    """Return as many of a language's texts with sounds and pictures as a cell has pairs, or all if they are fewer."""
    own = list(seen.texts.get(cell.language, ()))
    order = np.random.default_rng([cell.seed, 8]).permutation(len(own))[: cell.size]
    texts = LanguageBatches(acquirers.tokenizer, 2 * options.max_tokens, "seen_")
    texts.add([own[row][0] for row in order], [own[row][1] for row in order], [1.0] * len(order))
    return SeenBatches(texts, seen.views, seen.concepts)


def drawn(pairs: Sequence[tuple[str, str]], cell: Cell) -> list[tuple[str, str]]:
    """Return as many pairs as a cell has, by its seed; a larger cell of that seed has them too.

    Raises:
        RunError: There are not as many.
    """
    different = sorted(set(pairs))
    if len(different) < cell.size:
        raise RunError(f"{cell.language} has {len(different)} pairs; wanted {cell.size} or more")
    order = np.random.default_rng([cell.seed, 7]).permutation(len(different))
    return [different[row] for row in order[: cell.size]]


class _Pooled:
    """Vectors that the frozen encoder made once, with the places of their English."""

    def __init__(self, pooled: Tensor, labels: Tensor) -> None:
        self._pooled, self._labels = pooled, labels

    def __len__(self) -> int:
        return len(self._pooled)

    def batch(self, indices: Sequence[int], step: int, seed: int) -> dict[str, Tensor]:
        return {"pooled": self._pooled[list(indices)], "labels": self._labels[list(indices)]}


class _Head(nn.Module):
    """The squared error of a head, as the acquirers have it."""

    def __init__(self, head: nn.Linear, targets: Tensor) -> None:
        super().__init__()
        self.head = head
        self._targets = targets

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        student = functional.normalize(self.head(batch["pooled"]), dim=-1)
        return {"loss": ((student - self._targets[batch["labels"]]) ** 2).sum(1).mean()}


@contextlib.contextmanager
def _added(acquirers: Acquirers, cell: Cell, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Let the model read the language for a while."""
    acquirers.add(AcquirerFile(cell.language, acquirers.space, cell.size, dict(tensors)))
    try:
        yield
    finally:
        acquirers.remove(cell.language)


def _by_model(world: StudyMaterial, texts: Sequence[str], code: str) -> NDArray[np.float32]:
    return world.model.encode_text(texts, code, centre=True)


def _by_head(head: nn.Linear, tower: ways.TextTower, world: StudyMaterial) -> Embed:
    def embed(texts: Sequence[str], code: str) -> NDArray[np.float32]:
        pooled = torch.from_numpy(text_statistics.embed(tower, texts)).to(world.centre.device)
        with torch.inference_mode():
            read = functional.normalize(head(pooled), dim=-1)
            return functional.normalize(read - world.centre, dim=-1).cpu().numpy()

    return embed


def table(done: Mapping[Cell, Mapping[str, Mapping[str, Sequence[Row]]]]) -> str:
    """Return a Markdown table a side: AR by number of pairs and way, mean over languages and seeds, with its interval.

    Args:
        done: Of each cell what was measured, way → side → rows.
    """
    parts = []
    for side in sorted({side for own in done.values() for rows in own.values() for side in rows}, reverse=True):
        head = [f"text → {side[:-1]}, pairs", *WAYS.values(), "LE adds", "acquirers against MKD", "seeds"]
        lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        lines += [_line(size, side, done) for size in sorted({cell.size for cell in done})]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _line(size: int, side: str, done: Mapping[Cell, Mapping[str, Mapping[str, Sequence[Row]]]]) -> str:
    languages = sorted({cell.language for cell in done})
    seeds = sorted({cell.seed for cell in done if cell.size == size})
    whole = [seed for seed in seeds if all(Cell(code, size, seed) in done for code in languages)]
    scores: dict[str, Score] = {}
    cells = [f"{size:,}"]
    for way in WAYS:
        rows = [
            [row for code in languages for row in done[Cell(code, size, seed)].get(way, {}).get(side, ())]
            for seed in whole
        ]
        if rows and all(rows):
            by_seed = [mla_probe.average_recall(own) for own in rows]
            scores[way] = mla_probe.mean_of(by_seed)
            found = scores[way].to_json()
            spread = f", ± {np.std([score.mean for score in by_seed], ddof=1):.1f}" if len(by_seed) > 1 else ""
            cells.append(interval(found["mean"], found["ci95"])[:-1] + spread + ")")
        else:
            cells.append("–")
    for one, other in (("seen", "acquirers"), ("acquirers", "mkd")):
        if one in scores and other in scores:
            change = scores[one].minus(scores[other])
            cells.append(interval(change.difference, (change.lower, change.upper), signed=True))
        else:
            cells.append("–")
    return f"| {' | '.join([*cells, str(len(whole))])} |"
