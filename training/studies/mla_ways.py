"""Ways to read other languages with the same material: MLA and what is left out of it, distillation, a dictionary."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from cacara import files
from cacara.benchmark import benchmark_file
from cacara.encoders import text
from cacara.encoders.text import TextTower
from cacara.model import checkpoint
from cacara.model.config import TextConfig
from cacara.model.parts.acquirers import Acquirers, NonNativeEmbedding
from training import loop, run_folder
from training.data import text_statistics
from training.data.translations import Translation
from training.loop import Batches, LoopOptions
from training.mla import acquisition as mla
from training.mla import exposure as language_exposure
from training.mla import transfer as language_transfer
from training.mla.acquisition import LanguageAcquisition, LanguageAcquisitionOptions, Stage, StageOptions
from training.mla.data import transfer_batches
from training.mla.exposure import Exposure
from training.studies import mla_probe
from training.studies.mla_probe import Embed, Sides

SECONDS = "seconds.json"
PREFIX = "query: "
RIDGE = 1e-3
ENCODER_RATE = 0.05
"""Share of the learning rate that a whole encoder has, whose weights are trained already."""

log = logging.getLogger(__name__)


class StudyMaterial:
    """What all ways share; each part is made when it is first asked for."""

    def __init__(self, options: LanguageAcquisitionOptions, base: str | Path, sounds: Path, pictures: Path) -> None:
        """Load the base.

        Args:
            options: Of the ways that train; ``stages`` are a first stage and a second one.
            base: The English dual encoder: name or folder.
            sounds: The frozen benchmark of sounds.
            pictures: The frozen benchmark of pictures.
        """
        self.options, self.sounds, self.pictures = options, sounds, pictures
        self.model = checkpoint.load(base, report=lambda progress: log.info("%s", progress))

    @functools.cached_property
    def pairs(self) -> dict[str, tuple[Translation, ...]]:
        """Each language's translations that the policy allows."""
        return language_transfer.pairs_of(self.options, self.model, self.sounds)

    @functools.cached_property
    def english(self) -> list[str]:
        """The pairs' English texts, sorted."""
        return sorted({pair.english for own in self.pairs.values() for pair in own})

    @functools.cached_property
    def targets(self) -> Tensor:
        """Where the frozen tower puts them, float32 [texts, dimension]."""
        return torch.from_numpy(language_transfer.english_targets(self.model.text, self.english)).to(self.model.device)

    @functools.cached_property
    def exposure(self) -> Exposure:
        """Train sounds and train pictures with texts of the languages."""
        flat = [pair for own in self.pairs.values() for pair in own]
        options = self.options
        return language_exposure.gather(
            self.model, options.packages, flat, options.languages, self.sounds, self.pictures
        )

    @functools.cached_property
    def sides(self) -> Sides:
        """What is asked: the dev split."""
        return mla_probe.dev_sides(self.model, self.options.languages, self.sounds, self.pictures)

    @property
    def count(self) -> int:
        """How many pairs there are."""
        return sum(map(len, self.pairs.values()))

    @property
    def centre(self) -> Tensor:
        """Mean of English, float32 [dimension]: what reads as English does is centred by it."""
        return self.model.centring.mean_of("en")

    def record(self, options: LanguageAcquisitionOptions, **more: object) -> dict[str, Any]:
        """Return what decides a training, JSON-ready."""
        rows = benchmark_file.read(self.sounds)
        described = run_folder.describe(dataclasses.asdict(options), benchmark_file.rows_hash(rows), ())
        return described | {"base": self.model.fingerprint, **more}


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedWay:
    """A way, ready to be asked.

    Attributes:
        embed: Reads texts.
        parameters: How many numbers were trained.
        seconds: Of one core, for the training alone.
        material: What it was trained on, for a person.
        sides: Where the sounds and pictures lie, if not where the base puts them.
    """

    embed: Embed
    parameters: int
    seconds: float
    material: str
    sides: Sides | None = None


Way = Callable[[StudyMaterial, Path], TrainedWay]
"""Makes a way; the folder is that of all the study's trainings."""


def native(world: StudyMaterial, folder: Path) -> TrainedWay:
    """Return the base itself: every text through the English tower, centred by its language."""
    return TrainedWay(lambda texts, code: world.model.encode_text(texts, code, centre=True), 0, 0.0, "nothing")


class TrainedTable(NonNativeEmbedding):
    """The shared embedding with rows that learn: those of the material's pieces, as no other ever gets a gradient."""

    def __init__(self, shared: NonNativeEmbedding, pieces: Sequence[int]) -> None:
        """Take over a frozen embedding; its table stays as it is.

        Args:
            shared: The embedding.
            pieces: Numbers of the rows that learn.
        """
        super().__init__(shared.table, shared.projection)
        chosen = torch.tensor(sorted(set(pieces)), device=shared.table.device)
        self.rows = nn.Parameter(shared.table[chosen].float().clone())
        self._place = torch.full((len(shared.table),), -1, device=shared.table.device)
        self._place[chosen] = torch.arange(len(chosen), device=shared.table.device)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return float32 [texts, tokens, width]."""
        place = self._place[input_ids]
        frozen = functional.embedding(input_ids, self.table).float()
        learnt = functional.embedding(place.clamp(min=0), self.rows)
        return self.projection(torch.where(place[..., None] >= 0, learnt, frozen))


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedAcquirers:
    """Language acquirers after some stages.

    Attributes:
        acquirers: With ``W_e``.
        method: With the languages' sets.
        parameters: How many numbers were trained.
        seconds: Of one core.
        seen: What language exposure used; None without it.
    """

    acquirers: Acquirers
    method: LanguageAcquisition
    parameters: int
    seconds: float
    seen: Exposure | None

    def tower(self, code: str) -> TextTower:
        """Return the tower that reads a language."""
        sets = self.method.sets
        return self.acquirers.acquired(sets[code] if len(sets) else None)  # type: ignore[arg-type]


def train_acquirers(
    world: StudyMaterial, folder: Path, name: str, stages: Sequence[Stage], changes: Mapping[str, Any], table: bool
) -> TrainedAcquirers:
    """Train language acquirers; stages that another way has trained already are taken over from it.

    Args:
        world: The material.
        folder: Of all trainings.
        name: What the trainings of these changes are named after.
        stages: In this order; the first has the options' first loop, the others its second.
        changes: Of the options.
        table: Whether the shared embedding's rows learn.
    """
    lengths = [world.options.stages[min(number, 1)].loop for number in range(len(stages))]
    planned = tuple(StageOptions(stage, length) for stage, length in zip(stages, lengths, strict=True))
    options = dataclasses.replace(world.options, **changes, stages=planned)
    acquirers = mla.prepared(options, world.model)
    if table:
        flat = [pair.text for own in world.pairs.values() for pair in own]
        pieces = {piece for ids in acquirers.tokenizer(flat)["input_ids"] for piece in ids}
        acquirers.embedding = TrainedTable(acquirers.embedding, sorted(pieces))
    method = LanguageAcquisition(acquirers, options.languages, world.targets, world.centre, options)
    if isinstance(acquirers.embedding, TrainedTable):
        method.table_rows = acquirers.embedding.rows
    rates = {"table_rows": options.embedding_rate}
    transfer = transfer_batches(world.pairs, world.english, acquirers.tokenizer, options.max_tokens)
    seconds, seen = 0.0, None
    method.projection.requires_grad_(True)
    parameters = learning(method)
    for number, stage in enumerate(planned):
        seen = world.exposure if stage.stage != "nlt" else seen
        data = mla.stage_data(stage.stage, transfer, seen, acquirers, options)
        place = folder / "-".join([name, *stages[: number + 1]])
        record = world.record(dataclasses.replace(options, stages=planned[: number + 1]), table=table)
        work = functools.partial(mla.train_stage, stage, number == 0, method, data, place, record, rates)
        seconds += timed(place, work)
    return TrainedAcquirers(acquirers, method, parameters, seconds, seen)


def acquired(
    world: StudyMaterial, folder: Path, name: str, stages: Sequence[Stage], changes: Mapping[str, Any], table: bool
) -> TrainedWay:
    """Return language acquirers as ``train_acquirers`` trains them."""
    trained = train_acquirers(world, folder, name, stages, changes, table)
    return TrainedWay(
        reader(trained, world), trained.parameters, trained.seconds, _material(world, stages, trained.seen)
    )


def reader(trained: TrainedAcquirers, world: StudyMaterial) -> Embed:
    """Return what reads texts by acquirers, centred as English is."""
    towers = {code: trained.tower(code) for code in world.options.languages}

    def embed(texts: Sequence[str], code: str) -> NDArray[np.float32]:
        tokens = trained.acquirers.tokenize(texts)
        with torch.inference_mode():
            read = towers[code](**{name: value.to(world.centre.device) for name, value in tokens.items()}).float()
            return functional.normalize(read - world.centre, dim=-1).cpu().numpy()

    return embed


def _material(world: StudyMaterial, stages: Sequence[Stage], seen: Exposure | None) -> str:
    pairs = [f"{world.count:,} pairs"] if {"nlt", "joint"} & set(stages) else []
    return ", ".join(pairs + ([f"{sum(seen.count().values()):,} texts with sounds or pictures"] if seen else []))


def learning(method: nn.Module) -> int:
    """Return how many numbers of a module learn."""
    return sum(value.numel() for value in method.parameters() if value.requires_grad)


def timed(folder: Path, work: Callable[[], None]) -> float:
    """Do a training that keeps its own result; return how many seconds of processor time it took when it was done."""
    path = folder / SECONDS
    begun = time.process_time()
    work()
    if not path.is_file():
        files.write_text(path, json.dumps(round(time.process_time() - begun, 1)) + "\n")
    return float(json.loads(path.read_text(encoding="utf-8")))


class Distillation(nn.Module):
    """MKD: a multilingual encoder's pooled vector through a head to where the frozen tower puts the English text.

    After "Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation" (arXiv 2004.09813), with
    the losses of the acquirers. The head begins as the least-squares fit of English texts.
    """

    def __init__(self, tower: TextTower, whole: bool, world: StudyMaterial) -> None:
        """Put the parts together.

        Args:
            tower: The multilingual encoder.
            whole: Whether its layers learn too; its token embeddings never do.
            world: The material.
        """
        super().__init__()
        self._world = (world,)
        self._tower = (tower,)
        self.head = fitted_head(tower, world.english, world.targets)
        if whole:
            self.encoder = tower.encoder
            self.encoder.requires_grad_(True)
            self.encoder.get_input_embeddings().requires_grad_(False)  # type: ignore[operator]

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of a batch of ``transfer_batches``."""
        (world,) = self._world
        student = self.read(batch["input_ids"], batch["attention_mask"])
        found = mla.transfer_losses(student, batch["labels"], world.targets, world.centre, world.options)
        return mla.weighed(found, world.options)

    def read(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return float32 [texts, dimension], L2-normalised."""
        (tower,) = self._tower
        with torch.set_grad_enabled(torch.is_grad_enabled() and hasattr(self, "encoder")):
            pooled = tower(input_ids, attention_mask).float()
        return functional.normalize(self.head(pooled).float(), dim=-1)


def fitted_head(tower: TextTower, english: Sequence[str], targets: Tensor) -> nn.Linear:
    """Return a layer from a tower's pooled vectors to ``targets``, the least-squares fit of English texts."""
    pooled = torch.from_numpy(text_statistics.embed(tower, english)).to(targets.device)
    source = torch.cat([pooled, torch.ones(len(pooled), 1, device=pooled.device)], dim=1)
    gram = (source.T @ source).double()
    gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram), device=gram.device)
    fitted = torch.linalg.solve(gram, (source.T @ targets).double()).float()
    head = nn.Linear(pooled.shape[1], targets.shape[1])
    head.weight.data.copy_(fitted[:-1].T)
    head.bias.data.copy_(fitted[-1])
    return head.to(targets.device)


def multilingual(options: LanguageAcquisitionOptions) -> TextTower:
    """Return the whole multilingual encoder whose token embeddings the acquirers use."""
    return text.load(TextConfig(options.embedding, PREFIX, 4 * options.max_tokens))


def distilled(world: StudyMaterial, folder: Path, whole: bool) -> TrainedWay:
    """Train a head behind the multilingual encoder, and the encoder's layers if ``whole``."""
    options, tower = world.options, multilingual(world.options)
    length = options.stages[0].loop
    torch.manual_seed(length.seed)
    method = Distillation(tower, whole, world)
    prefixed = {
        code: [dataclasses.replace(pair, text=PREFIX + pair.text) for pair in own] for code, own in world.pairs.items()
    }
    room = len(tower.tokenizer(PREFIX)["input_ids"]) - len(tower.tokenizer("")["input_ids"])
    data = transfer_batches(prefixed, world.english, tower.tokenizer, options.max_tokens + room)
    place = folder / ("mkd-whole" if whole else "mkd-head")
    rates = {"encoder.": ENCODER_RATE, "head.": options.embedding_rate}
    record = world.record(options, whole=whole)
    seconds = timed(place, functools.partial(train_kept, method, data, length, place, record, rates))

    def embed(texts: Sequence[str], code: str) -> NDArray[np.float32]:
        tokens = tower.tokenize(texts)
        with torch.inference_mode():
            read = method.read(tokens["input_ids"].to(world.centre.device), tokens["attention_mask"])
            return functional.normalize(read - world.centre, dim=-1).cpu().numpy()

    return TrainedWay(embed, learning(method), seconds, f"{world.count:,} pairs")


def train_kept(
    method: nn.Module,
    data: Batches,
    length: LoopOptions,
    folder: Path,
    record: Mapping[str, Any],
    rates: Mapping[str, float] | None = None,
) -> None:
    """Train in a folder, or take over what was trained there.

    Args:
        method: What is trained.
        data: The batches.
        length: How long and how fast.
        folder: The training's.
        record: What decides it; a folder that holds another is refused.
        rates: As of ``loop.train``.
    """
    run_folder.claim(folder, record)
    finished = folder / mla.TRAINED
    if finished.is_file():
        method.load_state_dict(load_file(finished), strict=True)
        return
    loop.train(method, data, length, folder, rates)
    with files.replacing(finished) as partial:
        save_file({name: value.detach().cpu().contiguous() for name, value in method.state_dict().items()}, partial)
