"""uCLIP: two small heads that give a dual encoder of English the languages of a text encoder, from unpaired data.

After "uCLIP: Parameter-Efficient Multilingual Extension of Vision-Language Models with Unpaired Data" (arXiv
2511.13036). Both encoders are frozen; a training item is one English sentence. What it might look or sound like, and
what might be said of it in other languages, is drawn from two banks by similarity to the sentence alone
(``SoftRetrieval``): no pair of a text and a sound, of a text and a picture, or of a text and its translation is seen.

Beyond the paper, and switchable: embeddings of the multilingual encoder are centred by language before they are used
(``cacara.model.parts.centring.LanguageCentring``). The paper's batch normalisation sees a head's two inputs one after
the other or together, it does not say which; here it is together, so that training normalises as inference will. On
several processes it normalises each process's share.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara import sources
from cacara.benchmark.dataset import benchmark_file
from cacara.encoders import text
from cacara.encoders import use as use_text
from cacara.encoders.text import TextTower
from cacara.galleries.manifest import Clip
from cacara.model import checkpoint, training_facts
from cacara.model.config import ModelConfig, ProjectorsConfig, TextConfig
from cacara.model.model import Cacara
from cacara.model.parts.centring import LanguageCentring
from cacara.model.parts.projectors import Projectors
from cacara.model.towers import TowerUpdates
from cacara.model.training_facts import TrainingFacts
from training import loop, losses, run_folder
from training.data import cached_arrays, text_statistics, translations
from training.data.benchmarks import seen
from training.data.translations import Translation
from training.loop import LoopOptions
from training.run_folder import RunError
from training.uclip import banks as uclip_banks
from training.uclip import card as uclip_card
from training.uclip import media as uclip_media
from training.uclip.banks import Bank, BankOptions, Sentences
from training.uclip.media import MediaOptions

FORMAT = 1
QUERIES_AT_ONCE = 512

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ObjectiveOptions:
    """The loss.

    Attributes:
        temperature: Of the contrastive losses.
        retrieval_temperature: Of the soft retrieval from the banks.
        noise_variance: Of the Gaussian noise on each number of the four features, in training alone; 0 for none.
        intra_weight: Weight of the distances between the two outputs of each head; 0 for none.
        text_weight: Weight of the contrastive loss between the two text encoders' views of the sentence.
        media_weight: Weight of the one between retrieved texts and retrieved sounds or pictures; 0 for text alone.
    """

    temperature: float = 0.01
    retrieval_temperature: float = 0.01
    noise_variance: float = 0.004
    intra_weight: float = 0.1
    text_weight: float = 1.0
    media_weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("temperature", "retrieval_temperature"):
            if getattr(self, name) <= 0:
                raise RunError(f"objective.{name} is {getattr(self, name)}; wanted more than 0")
        for name in ("noise_variance", "intra_weight", "text_weight", "media_weight"):
            if getattr(self, name) < 0:
                raise RunError(f"objective.{name} is {getattr(self, name)}; wanted 0 or more")


@dataclasses.dataclass(frozen=True)
class UclipOptions:
    """One model.

    Attributes:
        name: The model's name.
        version: The version of its weights.
        licence: Of the weights.
        licence_reason: Reason for that licence, for the card.
        recipe: The recipe's file, named in the card.
        text: The frozen multilingual text tower.
        shared: Width of the shared space.
        centred: Whether the multilingual tower's embeddings are centred by language, also where the model is used.
        banks: Contents of the banks.
        media: Where the sounds and pictures are from.
        objective: The loss.
        loop: Steps, batch size and learning rate.
    """

    name: str
    version: str
    licence: str
    licence_reason: str
    recipe: str
    text: TextConfig = dataclasses.field(default_factory=lambda: TextConfig("multilingual-e5-small", "query: ", 128))
    shared: int = 512
    centred: bool = True
    banks: BankOptions = dataclasses.field(default_factory=BankOptions)
    media: MediaOptions = dataclasses.field(default_factory=MediaOptions)
    objective: ObjectiveOptions = dataclasses.field(default_factory=ObjectiveOptions)
    loop: LoopOptions = dataclasses.field(default_factory=lambda: LoopOptions(batch_size=512))

    def __post_init__(self) -> None:
        if self.shared < 1:
            raise RunError(f"shared is {self.shared}; wanted 1 or more")


def retrieve(queries: Tensor, bank: Tensor, temperature: float) -> Tensor:
    """Return soft retrievals: for each query the bank's mean, weighted by a softmax of cosines, L2-normalised.

    Args:
        queries: float32 [queries, dimension], L2-normalised.
        bank: float32 [items, dimension], L2-normalised.
        temperature: Divides the cosines.

    Returns:
        float32 [queries, dimension], without gradient.
    """
    with torch.no_grad():
        parts = [(part @ bank.T / temperature).softmax(-1) @ bank for part in queries.split(QUERIES_AT_ONCE)]
        return functional.normalize(torch.cat(parts), dim=-1)


class SoftRetrieval:
    """English sentences, each with what it retrieves from the two banks: all that training sees.

    The encoders are frozen and so are the banks, so that a sentence retrieves the same in every epoch: it does so once.
    Only the noise is new in every step; all processes draw the same.
    """

    def __init__(self, items: Sentences, media: Bank, texts: Bank, options: ObjectiveOptions) -> None:
        """Retrieve from both banks.

        Args:
            items: The sentences.
            media: Sounds and pictures, as the dual encoder embeds them.
            texts: Texts of other languages, as the multilingual encoder embeds them.
            options: The loss.
        """
        self._noise = options.noise_variance**0.5
        self._features = {
            "english": torch.from_numpy(items.multilingual),
            "dual": torch.from_numpy(items.dual),
            "others": _retrieved(items.multilingual, texts.embeddings, options.retrieval_temperature),
            "media": _retrieved(items.dual, media.embeddings, options.retrieval_temperature),
        }

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self._features["english"])

    def batch(self, indices: Sequence[int], step: int, seed: int) -> dict[str, Tensor]:
        """Return sentences ``indices`` with this step's noise.

        Returns:
            All float32, L2-normalised: of each sentence ``english`` [N, width of the multilingual encoder] and ``dual``
            [N, width of the dual encoder], and what they retrieve: ``others`` by the first, ``media`` by the second.
        """
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        rows = torch.tensor(list(indices))
        batch = {}
        for name, values in self._features.items():
            chosen = values[rows]
            noise = self._noise * torch.randn(chosen.shape, generator=generator)
            batch[name] = functional.normalize(chosen + noise, dim=-1)
        return batch


def _retrieved(queries: np.ndarray, bank: np.ndarray, temperature: float) -> Tensor:
    digests = [hashlib.sha256(np.ascontiguousarray(array).data).hexdigest() for array in (queries, bank)]

    def compute() -> dict[str, np.ndarray]:
        log.info("retrieving for %d sentences from a bank of %d", len(queries), len(bank))
        return {"retrieved": retrieve(torch.from_numpy(queries), torch.from_numpy(bank), temperature).numpy()}

    arrays = cached_arrays.get("uclip-retrieved", [FORMAT, *digests, temperature], compute)
    return torch.from_numpy(arrays["retrieved"])


class Uclip(nn.Module):
    """The two heads and their loss."""

    def __init__(self, projectors: Projectors, options: ObjectiveOptions) -> None:
        """Put the parts together.

        Args:
            projectors: The heads.
            options: The loss.
        """
        super().__init__()
        self.projectors = projectors
        self.options = options

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of one batch of ``SoftRetrieval``, or of this process's share of it."""
        count = len(batch["english"])
        english, others = self.projectors.text(torch.cat([batch["english"], batch["others"]])).split(count)
        dual, media = self.projectors.dual(torch.cat([batch["dual"], batch["media"]])).split(count)
        texts = self._contrastive(english, dual)
        across = self._contrastive(others, media)
        # Of this process's rows alone: the mean over processes, which DDP takes, is then the mean over the batch.
        apart = (others - english).norm(dim=-1) + (dual - media).norm(dim=-1)
        intra = 0.5 * apart.mean()
        weights = self.options
        total = weights.text_weight * texts + weights.media_weight * across + weights.intra_weight * intra
        return {"loss": total, "text": texts, "media": across, "intra": intra}

    def _contrastive(self, first: Tensor, second: Tensor) -> Tensor:
        whole = losses.gather(first)
        same = torch.eye(len(whole), dtype=torch.bool, device=whole.device)
        return losses.contrastive(whole, losses.gather(second), same, self.options.temperature)


@dataclasses.dataclass(frozen=True)
class Material:
    """Data shared by trainings on one base, which takes minutes to compute and seconds to train on.

    Attributes:
        base: The dual encoder's folder.
        dual: The dual encoder.
        benchmark: The frozen benchmark of sounds.
        rows: What is in it.
        pairs: Pairs that the policy allows; ``uclip_banks`` takes its two sides apart.
        clips: Training sounds.
        stamps: Training pictures.
        tower: The multilingual text tower.
        centring: Its languages' means.
    """

    base: Path
    dual: Cacara
    benchmark: Path
    rows: benchmark_file.Rows
    pairs: Sequence[Translation]
    clips: Sequence[Clip]
    stamps: Sequence[Clip]
    tower: TextTower
    centring: LanguageCentring


def gather_material(options: UclipOptions, base: str | Path, benchmark: Path, pictures: Path) -> Material:
    """Return what to train on.

    Args:
        options: The model.
        base: The dual encoder: a model's name or folder.
        benchmark: The frozen benchmark of sounds, whose sounds and texts are kept out.
        pictures: The frozen benchmark of pictures, of which only the train split is used.

    Raises:
        SourceError: A package cannot be fetched.
        ManifestError: A benchmark cannot be read, or something of it would be trained on.
        CheckpointError: ``base`` cannot be loaded.
        RunError: ``base`` has a text side of other languages.
    """
    rows = benchmark_file.read(benchmark)
    folder = checkpoint.find(base)
    dual = checkpoint.load(folder, "cpu", report=lambda progress: log.info("%s", progress))
    if dual.config.projectors is not None or dual.config.acquirers is not None:
        raise RunError(f"{base} has a text side of other languages already; wanted a plain dual encoder")
    if dual.config.profile is not None:
        raise RunError(f"{base} has class profiles, which projectors would not keep; wanted a dual encoder without")
    folders = sources.fetch_all(translations.ALL_SOURCES, lambda progress: log.info("%s", progress))
    pairs = translations.allowed(translations.collect(folders), options.banks.policy, benchmark)
    clips, stamps = uclip_media.collect(options.media, dual, benchmark, pictures)
    tower, centring = multilingual(options.text, rows)
    return Material(folder, dual, benchmark, rows, pairs, clips, stamps, tower, centring)


def multilingual(config: TextConfig, rows: benchmark_file.Rows) -> tuple[TextTower, LanguageCentring]:
    """Return a multilingual text tower and its languages' means, measured on no text of the benchmark.

    A tower of few languages has means of those alone.

    Raises:
        SourceError: A package cannot be fetched.
        CheckpointError: The tower cannot be loaded.
    """
    tower = text.load(config)
    names = text_statistics.cldr_names(sources.fetch("cldr"))
    if config.backbone == use_text.NAME:
        names = {code: named for code, named in names.items() if code.split("-")[0] in use_text.LANGUAGES}
    return tower, text_statistics.cached_centres(tower, names, {row.sha256_16 for row in rows.texts})


def train(options: UclipOptions, base: str | Path, output: Path, benchmark: Path, pictures: Path) -> Path:
    """Train the heads and write the model to ``output / "final"``; run again to go on.

    Args:
        options: The model.
        base: The dual encoder: a model's name or folder.
        output: The run's folder.
        benchmark: The frozen benchmark of sounds, whose sounds and texts are kept out.
        pictures: The frozen benchmark of pictures, of which only the train split is used.

    Returns:
        The checkpoint's folder.

    Raises:
        SourceError: A package cannot be fetched.
        ManifestError: A benchmark cannot be read, or something of it would be trained on.
        CheckpointError: ``base`` cannot be loaded.
        RunError: Options do not fit, or ``output`` holds another run.
    """
    with loop.start(options.loop).main_process_first():  # what the first computes the others find in the cache
        material = gather_material(options, base, benchmark, pictures)
    return train_on(material, options, output)


def train_on(material: Material, options: UclipOptions, output: Path) -> Path:
    """Train the heads on what has been gathered; see ``train``.

    Args:
        material: What to train on; ``options`` may differ from what it was gathered for in banks and objective.
        options: The model.
        output: The run's folder.

    Returns:
        The checkpoint's folder.

    Raises:
        RunError: Options do not fit, or ``output`` holds another run.
    """
    watch, accelerator = run_folder.Watch(output), loop.start(options.loop)
    clips, rows = [*material.clips, *material.stamps], material.rows
    with accelerator.main_process_first():
        record = run_folder.describe(dataclasses.asdict(options), rows.hash, clips)
        run_folder.claim(output, record | {"base": material.dual.fingerprint})
        used = material.centring if options.centred else None
        captions = [caption for clip in clips for caption in clip.captions["en"]]
        found = uclip_banks.english_texts(material.pairs, captions, rows, options.banks)
        others = uclip_banks.other_texts(material.pairs, options.banks)
        items = uclip_banks.sentences(found, material.dual, material.tower, used)
        texts = uclip_banks.text_bank(others, material.tower, used)
        media = uclip_media.bank(material.clips, material.stamps, material.dual, options.media, options.banks)
        data = SoftRetrieval(items, media, texts, options.objective)
    torch.manual_seed(options.loop.seed)
    widths = ProjectorsConfig(material.tower.dimension, material.dual.dimension)
    method = Uclip(Projectors(widths, options.shared), options.objective)
    loop.train(method, data, options.loop, output, decay="linear")
    final = output / "final"
    if accelerator.is_main_process:
        config = _config(options, material, widths)
        told = uclip_card.TrainingCounts(
            items.origins, texts.origins, media.origins, len({code for _, code, _ in others})
        )
        card = uclip_card.render(config, options, material, told, method.projectors)
        own = TrainingFacts(unpaired_texts=len(items.texts) + len(others), minutes=watch.minutes())
        begun_with = training_facts.of_card((material.base / checkpoint.CARD).read_text(encoding="utf-8"))
        card = training_facts.into_card(card, begun_with.plus(own))
        saw = seen.seen_in_training(material.benchmark, clips, {*items.texts, *(row[0] for row in others)})
        parts, frozen = [method.projectors, material.centring], TowerUpdates(text_lora={})
        checkpoint.save(final, config, parts, card, base=material.base, updates=frozen, seen=saw, storage="compact")
    return final


def _config(options: UclipOptions, material: Material, widths: ProjectorsConfig) -> ModelConfig:
    return ModelConfig(
        name=options.name,
        version=options.version,
        dimension=options.shared,
        text=options.text,
        audio=material.dual.config.audio,
        centring=options.centred,
        languages=material.centring.languages,
        licence=options.licence,
        image=material.dual.config.image,
        projectors=widths,
    )
