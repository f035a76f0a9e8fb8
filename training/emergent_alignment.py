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
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara import benchmark_file, checkpoint, sources
from cacara.adapters import AudioHead, LanguageCentring
from cacara.backbones import audio, text, yamnet_weights
from cacara.backbones.text import TextTower
from cacara.config import AudioConfig, ModelConfig, TextConfig
from cacara.manifest import Clip
from training import class_names, corpora, features, loop, losses, model_card, text_statistics
from training.data import CaptionedFeatures, require_english
from training.features import ViewOptions
from training.loop import LoopOptions

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
    patch_pooling: str = "mean"
    damping: float = 0.5


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


@dataclasses.dataclass(frozen=True)
class EmergentAlignmentOptions:
    """One model.

    Attributes:
        name: The model's name.
        version: The version of its weights.
        licence: Of the weights; the card gives the reason.
        recipe: The recipe's file, named in the card.
        packages: Keys of ``cacara.sources`` whose sounds are trained on.
        head: The audio head.
        objective: The loss.
        views: How clips are augmented.
        loop: How long and how fast.
    """

    name: str
    version: str
    licence: str
    recipe: str
    packages: tuple[str, ...]
    head: HeadOptions = dataclasses.field(default_factory=HeadOptions)
    objective: ObjectiveOptions = dataclasses.field(default_factory=ObjectiveOptions)
    views: ViewOptions = dataclasses.field(default_factory=ViewOptions)
    loop: LoopOptions = dataclasses.field(default_factory=LoopOptions)


class EmergentAlignment(nn.Module):
    """The audio head and its losses; the frozen towers' outputs come in as features."""

    def __init__(self, head: AudioHead, options: ObjectiveOptions) -> None:
        super().__init__()
        self.head = head
        self.options = options

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of one batch of ``training.data.CaptionedFeatures``."""
        projected = functional.normalize(self.head.projection(batch["features"]), dim=-1)
        anchors = self.head.anchor(batch["probabilities"])
        weights = self.head.config
        both = functional.normalize(weights.projection_weight * projected + weights.anchor_weight * anchors, dim=-1)
        texts, positives = batch["texts"], batch["positives"]
        whole = losses.contrastive(both, texts, positives, self.options.temperature)
        alone = losses.contrastive(projected, texts, positives, self.options.temperature)
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
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / "options.json").write_text(json.dumps(dataclasses.asdict(options), indent=1), encoding="utf-8")
    needed = {*options.packages, "cldr", *benchmark_file.read(benchmark).sources}
    folders = sources.fetch_all(sorted(needed), lambda progress: log.info("%s", progress))
    clips = corpora.train_clips({key: folders[key] for key in options.packages}, benchmark, folders)
    require_english(clips)
    text_tower = text.load(TextConfig("multilingual-e5-small", "query: ", 128))
    config, centring = _text_side(options, text_tower, folders["cldr"], benchmark)
    data, head = _audio_side(options, config, clips, text_tower, centring)
    torch.manual_seed(options.loop.seed)
    head.projection.apply(_reset)
    loop.train(EmergentAlignment(head, options.objective), data, options.loop, output)
    final = output / "final"
    trained = sum(parameter.numel() for parameter in head.projection.parameters())
    benchmark_hash = benchmark_file.rows_hash(benchmark_file.read(benchmark))
    card = model_card.render(config, options, clips, benchmark_hash, trained, len(head.class_weights))
    checkpoint.save(final, config, head, centring, card)
    return final


def _text_side(
    options: EmergentAlignmentOptions, tower: TextTower, cldr: Path, benchmark: Path
) -> tuple[ModelConfig, LanguageCentring]:
    """Return the config and the languages' centres."""
    names = text_statistics.cldr_names(cldr)
    hashes = {row.sha256_16 for row in benchmark_file.read(benchmark).texts}
    centring = text_statistics.cached_centres(tower, names, hashes)
    audio_config = AudioConfig(
        "yamnet",
        options.head.hidden,
        options.head.projection_weight,
        options.head.anchor_weight,
        options.head.anchor_top,
        options.head.anchor_power,
        options.head.patch_pooling,
    )
    config = ModelConfig(
        options.name,
        options.version,
        tower.dimension,
        tower.config,
        audio_config,
        True,
        centring.languages,
        options.licence,
    )
    return config, centring


def _audio_side(
    options: EmergentAlignmentOptions,
    config: ModelConfig,
    clips: Sequence[Clip],
    text_tower: TextTower,
    centring: LanguageCentring,
) -> tuple[CaptionedFeatures, AudioHead]:
    tower = audio.load("yamnet", options.head.patch_pooling)
    viewed = features.compute(clips, tower, options.views)
    captions = sorted({caption for clip in clips for caption in clip.captions["en"]})
    embedded = centring(torch.from_numpy(text_statistics.embed(text_tower, captions)), ["en"] * len(captions))
    data = CaptionedFeatures(clips, viewed, dict(zip(captions, embedded.numpy(), strict=True)))
    head = AudioHead(config.audio, tower.features, tower.classes, config.dimension)
    names = yamnet_weights.class_names(yamnet_weights.prepare())
    head.class_embeddings.copy_(torch.from_numpy(class_names.class_embeddings(names, text_tower, centring)))
    head.class_weights.copy_(torch.from_numpy(class_names.class_weights(data.probabilities, options.head.damping)))
    return data, head


def _reset(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.LayerNorm):
        module.reset_parameters()
