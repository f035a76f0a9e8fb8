"""CACARA: a new modality aligned to a frozen multilingual text space, on English captions only.

After "CACARA: Cross-Modal Alignment Leveraging a Text-Centric Approach for Cost-Effective Multimodal and
Multilingual Learning" (arXiv 2512.00496): the text tower does not change by a bit; the audio side learns a
projection into its space with a symmetric contrastive loss against English captions; every other language
that the text tower knows then retrieves sounds without having been trained.

Here the projection works beside a class anchor that needs no training (``cacara.adapters.AudioHead``), since
a few thousand clips cannot teach what AudioSet's two million have taught the audio encoder already.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara import benchmark_file, checkpoint, sources
from cacara.adapters import AudioHead, LanguageCentring
from cacara.backbones import audio, text
from cacara.backbones.audio import AudioTower
from cacara.backbones.text import TextTower
from cacara.config import AudioConfig, ModelConfig, TextConfig
from cacara.manifest import Clip
from training import class_names, corpora, features, loop, losses, model_card, run_folder, text_statistics
from training.data import CaptionedFeatures, require_english
from training.features import ViewOptions
from training.loop import LoopOptions
from training.run_folder import RunError

Trainable = Literal["projection"]

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class HeadOptions:
    """The audio head; each field is told in ``cacara.config.AudioConfig``.

    Attributes:
        hidden: Width of the projection's hidden layer.
        projection_weight: Share of the projection.
        anchor_weight: Share of the class anchor.
        anchor_top: Classes in the anchor.
        anchor_power: Exponent on class probabilities.
        patch_pooling: ``mean`` or ``max`` over a clip's patches.
        damping: How strongly classes that are probable everywhere are damped, 0 to 1.
    """

    hidden: int = 512
    projection_weight: float = 0.5
    anchor_weight: float = 0.5
    anchor_top: int = 10
    anchor_power: float = 1.0
    patch_pooling: Literal["mean", "max"] = "mean"
    damping: float = 0.5

    def __post_init__(self) -> None:
        if self.hidden < 1 or self.anchor_top < 1:
            raise RunError(f"head.hidden is {self.hidden}, head.anchor_top {self.anchor_top}; wanted 1 or more")
        if not 0 <= self.damping <= 1:
            raise RunError(f"head.damping is {self.damping}; wanted 0 to 1")


@dataclasses.dataclass(frozen=True)
class ObjectiveOptions:
    """The loss.

    Attributes:
        temperature: Of the contrastive losses.
        projection_share: Weight of the contrastive loss on the projection alone, beside the one on the whole head.
        distillation: Weight of the pull of the projection towards the class anchor.
    """

    temperature: float = 0.05
    projection_share: float = 0.5
    distillation: float = 1.0

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise RunError(f"objective.temperature is {self.temperature}; wanted more than 0")


@dataclasses.dataclass(frozen=True)
class EmergentAlignmentOptions:
    """One model.

    Attributes:
        name: The model's name.
        version: The version of its weights.
        licence: Of the weights.
        licence_reason: Why that licence, for the card.
        recipe: The recipe's file, named in the card.
        packages: Keys of ``cacara.sources`` whose sounds are trained on.
        text: The frozen text tower.
        audio_backbone: The audio tower, a name of ``cacara.backbones.audio.BACKBONES``.
        trainable: The part that learns.
        head: The audio head.
        objective: The loss.
        views: How clips are augmented.
        loop: How long and how fast.
    """

    name: str
    version: str
    licence: str
    licence_reason: str
    recipe: str
    packages: tuple[str, ...]
    text: TextConfig = dataclasses.field(default_factory=lambda: TextConfig("multilingual-e5-small", "query: ", 128))
    audio_backbone: str = "yamnet"
    trainable: Trainable = "projection"
    head: HeadOptions = dataclasses.field(default_factory=HeadOptions)
    objective: ObjectiveOptions = dataclasses.field(default_factory=ObjectiveOptions)
    views: ViewOptions = dataclasses.field(default_factory=ViewOptions)
    loop: LoopOptions = dataclasses.field(default_factory=LoopOptions)

    def __post_init__(self) -> None:
        if self.trainable not in get_args(Trainable):
            raise RunError(f"trainable is {self.trainable!r}; wanted one of {', '.join(get_args(Trainable))}")
        if self.audio_backbone not in class_names.CLASS_NAMES:
            raise RunError(
                f"audio_backbone is {self.audio_backbone!r}; wanted one whose class names are known: "
                f"{', '.join(class_names.CLASS_NAMES)}"
            )
        if not self.packages:
            raise RunError("packages is empty; wanted one key of cacara.sources or more")


class EmergentAlignment(nn.Module):
    """The audio head and its losses; the frozen towers' outputs come in as features."""

    def __init__(self, head: AudioHead, options: ObjectiveOptions) -> None:
        super().__init__()
        self.head = head
        self.options = options

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of one batch of ``training.data.CaptionedFeatures``, or of this process's share of it."""
        projected = functional.normalize(self.head.projection(batch["features"]).float(), dim=-1)
        anchors = self.head.anchor(batch["probabilities"])
        weights = self.head.config
        both = functional.normalize(weights.projection_weight * projected + weights.anchor_weight * anchors, dim=-1)
        labels = losses.gather(batch["labels"])
        texts, positives = losses.gather(batch["texts"]), labels[:, None] == labels[None, :]
        whole = losses.contrastive(losses.gather(both), texts, positives, self.options.temperature)
        alone = losses.contrastive(losses.gather(projected), texts, positives, self.options.temperature)
        pull = losses.distillation(projected, anchors)
        total = whole + self.options.projection_share * alone + self.options.distillation * pull
        return {"loss": total, "contrastive": whole, "projection": alone, "distillation": pull}


def train(options: EmergentAlignmentOptions, output: Path, benchmark: Path) -> Path:
    """Train a model and write its checkpoint to ``output / "final"``; run again after an interruption to go on.

    Args:
        options: The model.
        output: The run's folder.
        benchmark: The frozen benchmark, whose sounds and texts are kept out.

    Returns:
        The checkpoint's folder.

    Raises:
        SourceError: A package cannot be fetched.
        ManifestError: A training clip is a benchmark sound, or a caption is not declared English.
        RunError: Options do not fit, or ``output`` holds another run.
        CheckpointError: A tower cannot be loaded.
    """
    accelerator = loop.start(options.loop)
    with accelerator.main_process_first():  # what the first computes the others find in the cache
        rows = benchmark_file.read(benchmark)
        folders = sources.fetch_all(
            sorted({*options.packages, "cldr", *rows.sources}), lambda progress: log.info("%s", progress)
        )
        clips = _clips(options, benchmark, folders)
        run_folder.claim(
            output, run_folder.describe(dataclasses.asdict(options), benchmark_file.rows_hash(rows), clips)
        )
        text_tower = text.load(options.text)
        centring = text_statistics.cached_centres(
            text_tower, text_statistics.cldr_names(folders["cldr"]), {row.sha256_16 for row in rows.texts}
        )
        audio_tower = audio.load(options.audio_backbone, options.head.patch_pooling)
        data = _data(options, clips, text_tower, audio_tower, centring)
        config = _config(options, text_tower.dimension, centring.languages)
        head = _head(options, config, data, text_tower, audio_tower, centring)
    loop.train(EmergentAlignment(head, options.objective), data, options.loop, output)
    final = output / "final"
    if accelerator.is_main_process:
        checkpoint.save(final, config, head, centring, model_card.render(config, options, clips, rows, head))
    return final


def _clips(options: EmergentAlignmentOptions, benchmark: Path, folders: Mapping[str, Path]) -> list[Clip]:
    """Return what to train on, checked once more by itself: a filter's bug must not let a model hear the benchmark."""
    clips = corpora.train_clips({key: folders[key] for key in options.packages}, benchmark, folders)
    require_english(clips)
    corpora.check_leakage(clips, benchmark, folders)
    return clips


def _config(options: EmergentAlignmentOptions, dimension: int, languages: tuple[str, ...]) -> ModelConfig:
    head = options.head
    return ModelConfig(
        name=options.name,
        version=options.version,
        dimension=dimension,
        text=options.text,
        audio=AudioConfig(
            backbone=options.audio_backbone,
            hidden=head.hidden,
            projection_weight=head.projection_weight,
            anchor_weight=head.anchor_weight,
            anchor_top=head.anchor_top,
            anchor_power=head.anchor_power,
            patch_pooling=head.patch_pooling,
        ),
        centring=True,
        languages=languages,
        licence=options.licence,
    )


def _data(
    options: EmergentAlignmentOptions,
    clips: Sequence[Clip],
    text_tower: TextTower,
    audio_tower: AudioTower,
    centring: LanguageCentring,
) -> CaptionedFeatures:
    """Return the clips as both frozen towers see them."""
    viewed = features.compute(clips, audio_tower, options.views)
    captions = sorted({caption for clip in clips for caption in clip.captions["en"]})
    embedded = centring(torch.from_numpy(text_statistics.embed(text_tower, captions)), ["en"] * len(captions))
    return CaptionedFeatures(clips, viewed, dict(zip(captions, embedded.numpy(), strict=True)))


def _head(
    options: EmergentAlignmentOptions,
    config: ModelConfig,
    data: CaptionedFeatures,
    text_tower: TextTower,
    audio_tower: AudioTower,
    centring: LanguageCentring,
) -> AudioHead:
    """Return the audio head, its anchor ready and its projection random from the run's seed."""
    names = class_names.CLASS_NAMES[options.audio_backbone]()
    embedded = class_names.class_embeddings(names, text_tower, centring)
    weights = class_names.class_weights(data.probabilities, options.head.damping)
    torch.manual_seed(options.loop.seed)
    head = AudioHead(config.audio, audio_tower.features, audio_tower.classes, config.dimension)
    head.class_embeddings.copy_(torch.from_numpy(embedded))
    head.class_weights.copy_(torch.from_numpy(weights))
    return head
