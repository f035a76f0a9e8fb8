"""CACARA: a new modality aligned to a frozen multilingual text space, on English captions only.

After "CACARA: Cross-Modal Alignment Leveraging a Text-Centric Approach for Cost-Effective Multimodal and
Multilingual Learning" (arXiv 2512.00496): the text tower does not change by a bit; the audio side learns a
projection into its space with a symmetric contrastive loss against English captions; every other language
that the text tower knows then retrieves sounds without having been trained.

Here the projection works beside a class anchor that needs no training (``cacara.model.parts.head.AudioHead``), since
a few thousand clips cannot teach what AudioSet's two million have taught the audio encoder already.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch
from torch import Tensor, nn

from cacara import sources
from cacara.benchmark.dataset import benchmark_file
from cacara.encoders import audio, text
from cacara.encoders.audio import AudioTower
from cacara.encoders.class_names import names_of
from cacara.encoders.text import TextTower
from cacara.errors import CheckpointError
from cacara.galleries.manifest import Clip
from cacara.model import checkpoint, training_facts
from cacara.model.config import AudioConfig, ModelConfig, ProfileConfig, TextConfig
from cacara.model.parts.centring import LanguageCentring
from cacara.model.parts.head import AnchoredHead, AudioHead
from cacara.model.parts.profile import ClassProfile
from cacara.model.towers import TowerUpdates
from cacara.model.training_facts import TrainingFacts
from training import loop, losses, run_folder
from training.data import class_names, corpora, features, text_statistics
from training.data.batches import CaptionedFeatures, refuse_measuring_only, require_english, with_licences
from training.data.benchmarks.seen import seen_in_training
from training.data.corpora import captioned_folders
from training.data.corpora.captioned_folders import CaptionedFolder
from training.data.features import ViewOptions
from training.loop import Batches, LoopOptions
from training.run_folder import RunError
from training.sounds import card as model_card
from training.sounds import tower_batches
from training.sounds.trainable import Trainable, TrainablePart, TuningOptions, frozen_stages, open_part

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class HeadOptions:
    """The audio head; each field is told in ``cacara.model.config.AudioConfig``.

    Attributes:
        hidden: Width of the projection's hidden layer.
        projection_weight: Share of the projection.
        anchor_weight: Share of the class anchor.
        anchor_top: Classes in the anchor.
        anchor_power: Exponent on class probabilities.
        patch_pooling: ``mean`` or ``max`` over a clip's patches.
        damping: Strength by which classes that are probable everywhere are damped, 0 to 1.
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
        hardness: How much more a negative counts the nearer it is; 0 counts all alike. See ``losses.contrastive``.
    """

    temperature: float = 0.05
    projection_share: float = 0.5
    distillation: float = 1.0
    hardness: float = 0.0

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise RunError(f"objective.temperature is {self.temperature}; wanted more than 0")
        if self.hardness < 0:
            raise RunError(f"objective.hardness is {self.hardness}; wanted 0 or more")


@dataclasses.dataclass(frozen=True)
class EmergentAlignmentOptions:
    """One model.

    Attributes:
        name: The model's name.
        version: The version of its weights.
        licence: Of the weights.
        licence_reason: Reason for that licence, for the card.
        recipe: The recipe's file, named in the card.
        packages: Keys of ``cacara.sources`` whose sounds are trained on.
        folders: Folders of captioned sounds on this machine that are trained on too.
        licences: When given, only clips under exactly one of these licences are trained on, e.g. ``[CC0-1.0]`` for a
            model that nobody need ask about.
        text: The frozen text tower.
        audio_backbone: The audio tower: a name of ``cacara.encoders.audio.BACKBONES``, a folder, or a hub id.
        trainable: The part that learns: ``projection``, ``last_n``, ``all`` or ``lora``.
        tuning: How the audio tower learns, unless it is frozen.
        head: The audio head.
        objective: The loss.
        views: Augmentation of the clips.
        loop: Steps, batch size and learning rate.
        profile: The class profiles beside the text space, which need no training but the sounds' class posteriors; none
            if not given.
    """

    name: str
    version: str
    licence: str
    licence_reason: str
    recipe: str
    packages: tuple[str, ...] = ()
    folders: tuple[CaptionedFolder, ...] = ()
    licences: tuple[str, ...] = ()
    text: TextConfig = dataclasses.field(default_factory=lambda: TextConfig("multilingual-e5-small", "query: ", 128))
    audio_backbone: str = "yamnet"
    trainable: Trainable = "projection"
    tuning: TuningOptions = dataclasses.field(default_factory=TuningOptions)
    head: HeadOptions = dataclasses.field(default_factory=HeadOptions)
    objective: ObjectiveOptions = dataclasses.field(default_factory=ObjectiveOptions)
    views: ViewOptions = dataclasses.field(default_factory=ViewOptions)
    loop: LoopOptions = dataclasses.field(default_factory=LoopOptions)
    profile: ProfileConfig | None = None

    def __post_init__(self) -> None:
        if self.profile and not self.head.anchor_weight:
            raise RunError("there is a profile, but head.anchor_weight is 0; wanted classes in use, or no profile")
        if self.trainable not in get_args(Trainable):
            raise RunError(f"trainable is {self.trainable!r}; wanted one of {', '.join(get_args(Trainable))}")
        try:
            audio.check_name(self.audio_backbone)
        except CheckpointError as error:
            raise RunError(f"audio_backbone: {error}") from error
        if not self.packages and not self.folders:
            raise RunError("packages and folders are empty; wanted one key of cacara.sources, or one folder, or more")


class EmergentAlignment(nn.Module):
    """The audio head and its losses; a tower that learns is part of it, a frozen one's outputs come in as features."""

    def __init__(
        self, head: AnchoredHead, options: ObjectiveOptions, tower: AudioTower | None = None, begin: int = 0
    ) -> None:
        """Put the parts together.

        Args:
            head: The audio head, or another of its kind.
            options: The loss.
            tower: The audio tower, if the batches hold patches.
            begin: How many of its stages the patches have been through.
        """
        super().__init__()
        self.head = head
        self.options = options
        self.tower = tower
        self.begin = begin

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of one batch, or of this process's share of it.

        Args:
            batch: Of ``training.sounds.tower_batches.CaptionedSounds`` with a tower, of
                ``training.data.batches.CaptionedFeatures`` without.
        """
        heard, probabilities = self._hear(batch)
        projected = self.head.project(heard)
        # Without classes there is no anchor, and nothing to be pulled to.
        anchors = self.head.anchor(probabilities) if probabilities.shape[1] else projected
        both = self.head.combine(projected, anchors)
        labels = losses.gather(batch["labels"])
        texts, positives = losses.gather(batch["texts"]), labels[:, None] == labels[None, :]
        how = (self.options.temperature, self.options.hardness)
        whole = losses.contrastive(losses.gather(both), texts, positives, *how)
        alone = losses.contrastive(losses.gather(projected), texts, positives, *how)
        pull = losses.distillation(projected, anchors)
        total = whole + self.options.projection_share * alone + self.options.distillation * pull
        return {"loss": total, "contrastive": whole, "projection": alone, "distillation": pull}

    def _hear(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        if self.tower is None:
            return batch["features"], batch["probabilities"]
        counts = batch["counts"]
        own = torch.arange(batch["patches"].shape[1], device=counts.device) < counts[:, None]
        return self.tower.encode(batch["patches"][own], counts.tolist(), self.begin)


class OtherCaptions(Protocol):
    """Captions that are not the clips' own English ones; ``training.sounds.translated_captions`` has such."""

    def record(self, clips: Sequence[Clip]) -> dict[str, Any]:
        """Return what they are, for the record of the run."""

    def method(self, clips: Sequence[Clip]) -> model_card.Method:
        """Return what the card says of them."""

    def batches(
        self, clips: Sequence[Clip], heard: features.Features, tower: TextTower, centring: LanguageCentring
    ) -> Batches:
        """Return the clips with these captions, for a frozen audio tower."""


def train(
    options: EmergentAlignmentOptions, output: Path, benchmark: Path, captions: OtherCaptions | None = None
) -> Path:
    """Train a model and write its checkpoint to ``output / "final"``; run again after an interruption to go on.

    Args:
        options: The model.
        output: The run's folder.
        benchmark: The frozen benchmark, whose sounds and texts are kept out.
        captions: For a baseline that is not emergent alignment; None trains on the English captions.

    Returns:
        The checkpoint's folder.

    Raises:
        SourceError: A package cannot be fetched.
        ManifestError: A training clip is a benchmark sound, or a caption is not declared English.
        RunError: Options do not fit each other or the tower, or ``output`` holds another run.
        CheckpointError: A tower cannot be loaded.
    """
    watch, accelerator = run_folder.Watch(output), loop.start(options.loop)
    with accelerator.main_process_first():  # what the first computes the others find in the cache
        rows = benchmark_file.read(benchmark)
        folders = sources.fetch_all(
            sorted({*options.packages, "cldr", *rows.sources, *corpora.held_out_sources(benchmark)}),
            lambda progress: log.info("%s", progress),
        )
        clips = _clips(options, benchmark, folders)
        record = run_folder.describe(dataclasses.asdict(options), rows.hash, clips)
        run_folder.claim(output, record | ({"captions": captions.record(clips)} if captions else {}))
        text_tower = text.load(options.text).to(accelerator.device)
        centring = text_statistics.cached_centres(
            text_tower, text_statistics.cldr_names(folders["cldr"]), {row.sha256_16 for row in rows.texts}
        )
        audio_tower = audio.load(options.audio_backbone, options.head.patch_pooling).to(accelerator.device)
        config = _config(options, text_tower.dimension, centring.languages)
        head = _head(options, config, clips, text_tower, audio_tower, centring)
        profile = _profile(options, clips, head, audio_tower)
        embeddings = caption_embeddings(clips, text_tower, centring)
        if options.trainable == "projection":
            opened = None
            heard = features.compute(clips, audio_tower, options.views)
            data: Batches = CaptionedFeatures(clips, heard, embeddings)
            if captions is not None:
                data = captions.batches(clips, heard, text_tower, centring)
            method = EmergentAlignment(head, options.objective)
        else:
            opened, data, method = _with_tower(options, clips, audio_tower, head, embeddings)
    loop.train(method, data, options.loop, output, {"tower.": options.tuning.rate})
    if profile is not None and profile.config.centred:
        _centre(profile, options, clips, head, audio_tower)
    final = output / "final"
    if accelerator.is_main_process:
        method_told = captions.method(clips) if captions else None
        parts = [head, centring] if profile is None else [head, centring, profile]
        card = model_card.render(config, options, clips, rows, parts, opened.parameters if opened else 0, method_told)
        card = training_facts.into_card(card, TrainingFacts(sounds=len(clips), minutes=watch.minutes()))
        updates = TowerUpdates(opened.changed_weights(), opened.changed_updates()) if opened else None
        saw = seen_in_training(benchmark, clips)
        checkpoint.save(final, config, parts, card, updates=updates, seen=saw)
    return final


def _with_tower(
    options: EmergentAlignmentOptions,
    clips: Sequence[Clip],
    tower: AudioTower,
    head: AudioHead,
    embeddings: Mapping[str, np.ndarray],
) -> tuple[TrainablePart, Batches, EmergentAlignment]:
    """Return what training takes when a part of the audio tower learns, that part opened from the run's seed."""
    begin = 0
    if options.tuning.cached:
        begin = tower.network.split(frozen_stages(tower, options.trainable, options.tuning))
        views: tower_batches.Views = tower_batches.keep_views(clips, tower, begin, options.views)
    else:
        views = tower_batches.fresh_views(clips, tower, options.views)
    torch.manual_seed(options.loop.seed + 1)
    opened = open_part(tower, options.trainable, options.tuning)
    return (
        opened,
        tower_batches.CaptionedSounds(clips, views, embeddings),
        EmergentAlignment(head, options.objective, tower, begin),
    )


def _clips(options: EmergentAlignmentOptions, benchmark: Path, folders: Mapping[str, Path]) -> list[Clip]:
    """Return what to train on, checked once more by itself: a filter's bug must not let a model hear the benchmark."""
    own = captioned_folders.read_all(options.folders)
    clips = corpora.train_clips({key: folders[key] for key in options.packages}, benchmark, folders)
    clips += corpora.without_held_out(own, benchmark, folders) if own else []
    clips = with_licences(clips, options.licences)
    require_english(clips)
    refuse_measuring_only(clips)
    corpora.check_leakage(clips, benchmark, folders)
    return clips


def audio_config(options: EmergentAlignmentOptions) -> AudioConfig:
    """Return what the checkpoint says of the audio side."""
    head = options.head
    return AudioConfig(
        backbone=options.audio_backbone,
        hidden=head.hidden,
        projection_weight=head.projection_weight,
        anchor_weight=head.anchor_weight,
        anchor_top=head.anchor_top,
        anchor_power=head.anchor_power,
        patch_pooling=head.patch_pooling,
    )


def _config(options: EmergentAlignmentOptions, dimension: int, languages: tuple[str, ...]) -> ModelConfig:
    return ModelConfig(
        name=options.name,
        version=options.version,
        dimension=dimension + (options.profile.size if options.profile else 0),
        text=options.text,
        audio=audio_config(options),
        centring=True,
        languages=languages,
        licence=options.licence,
        profile=options.profile,
    )


def caption_embeddings(
    clips: Sequence[Clip], text_tower: TextTower, centring: LanguageCentring
) -> dict[str, np.ndarray]:
    """Return every caption's embedding as the frozen text tower gives it, centred, float32 [dimension]."""
    captions = sorted({caption for clip in clips for caption in clip.captions["en"]})
    embedded = centring(torch.from_numpy(text_statistics.embed(text_tower, captions)), ["en"] * len(captions))
    return dict(zip(captions, embedded.numpy(), strict=True))


def _head(
    options: EmergentAlignmentOptions,
    config: ModelConfig,
    clips: Sequence[Clip],
    text_tower: TextTower,
    audio_tower: AudioTower,
    centring: LanguageCentring,
) -> AudioHead:
    """Return the audio head, its anchor ready if there are classes, and its projection random from the run's seed."""
    names = names_of(options.audio_backbone, audio_tower)
    if config.audio.anchor_weight and not names:
        given = f"head.anchor_weight is {config.audio.anchor_weight}"
        raise RunError(f"{given}, but {options.audio_backbone} names no classes; wanted 0")
    if names:
        embedded = class_names.class_embeddings(names, text_tower, centring)
        heard = features.compute(clips, audio_tower, options.views)
        weights = class_names.class_weights(heard.probabilities[:, 0], options.head.damping)
    torch.manual_seed(options.loop.seed)
    head = AudioHead(config.audio, audio_tower.features, audio_tower.classes, config.media_width)
    if names:
        head.class_embeddings.copy_(torch.from_numpy(embedded))
        head.class_weights.copy_(torch.from_numpy(weights))
    return head


def _profile(
    options: EmergentAlignmentOptions, clips: Sequence[Clip], head: AudioHead, audio_tower: AudioTower
) -> ClassProfile | None:
    """Return the class profiles, made of the anchor's class names and of what the audio tower hears in the clips.

    A tower that learns is asked before it has.
    """
    if options.profile is None:
        return None
    heard = features.compute(clips, audio_tower, options.views).probabilities[:, 0]
    if options.profile.size > min(heard.shape):
        raise RunError(
            f"profile.size is {options.profile.size}; wanted at most {min(heard.shape)}, as there are {heard.shape[0]} "
            f"sounds and {heard.shape[1]} classes"
        )
    profile = ClassProfile(options.profile, *head.class_embeddings.shape)
    profile.fit(head.class_embeddings, torch.from_numpy(heard))
    return profile


def _centre(
    profile: ClassProfile, options: EmergentAlignmentOptions, clips: Sequence[Clip], head: AudioHead, tower: AudioTower
) -> None:
    """Tell the profiles where the trained head puts the clips; a tower that has learnt hears them anew."""
    heard = features.compute(clips, tower, options.views)
    with torch.inference_mode():
        first = (torch.from_numpy(values[:, 0]) for values in (heard.features, heard.probabilities))
        profile.fit_centre(head.cpu().eval()(*first).cpu())
