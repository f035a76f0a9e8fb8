"""Pictures beside texts and sounds: an image head for a model that exists, on English descriptions only.

The emergent third edge of "CACARA" (arXiv 2512.00496): the text tower is frozen, pictures are aligned to it as sounds
were, and pictures and sounds then find each other though no picture was ever trained with a sound. Nothing of the
model that exists changes: its tensors are copied bit by bit (``checkpoint.save`` with a base).

The head is that of the sounds: a class anchor, here of ImageNet's classes, beside a projection that is trained with a
contrastive loss against the descriptions and pulled towards the anchor (``EmergentAlignment``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from cacara.benchmark.dataset import benchmark_file, rules, splits
from cacara.encoders import image
from cacara.encoders.image import ImageTower
from cacara.errors import ManifestError
from cacara.galleries.manifest import Clip
from cacara.model import checkpoint, training_facts
from cacara.model.config import ImageConfig
from cacara.model.model import Cacara
from cacara.model.parts.head import ImageHead
from cacara.model.training_facts import TrainingFacts
from cacara.sources.converters import efficientnet
from training import loop, run_folder
from training.data import cached_arrays, class_names
from training.data.batches import CaptionedFeatures, require_english
from training.images import card as image_card
from training.images import features
from training.images.features import ImageViewOptions
from training.loop import LoopOptions
from training.run_folder import RunError
from training.sounds.alignment import EmergentAlignment, ObjectiveOptions

FORMAT = 1

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ImageHeadOptions:
    """The image head; each field is told in ``cacara.model.config.ImageConfig``.

    Attributes:
        backbone: A name of ``cacara.encoders.image.BACKBONES``.
        hidden: Width of the projection's hidden layer.
        projection_weight: Share of the projection.
        anchor_weight: Share of the class anchor.
        anchor_top: Classes in the anchor.
        anchor_power: Exponent on class probabilities.
        damping: Strength by which classes that are probable everywhere are damped, 0 to 1.
    """

    backbone: str = "efficientnet-lite0"
    hidden: int = 512
    projection_weight: float = 0.5
    anchor_weight: float = 0.5
    anchor_top: int = 10
    anchor_power: float = 1.0
    damping: float = 0.5

    def __post_init__(self) -> None:
        if self.backbone not in image.BACKBONES:
            raise RunError(f"head.backbone is {self.backbone!r}; wanted one of {', '.join(image.BACKBONES)}")
        if self.hidden < 1 or self.anchor_top < 1:
            raise RunError(f"head.hidden is {self.hidden}, head.anchor_top {self.anchor_top}; wanted 1 or more")
        if not 0 <= self.damping <= 1:
            raise RunError(f"head.damping is {self.damping}; wanted 0 to 1")

    def config(self) -> ImageConfig:
        """Return what the checkpoint says of the image part."""
        return ImageConfig(
            backbone=self.backbone,
            hidden=self.hidden,
            projection_weight=self.projection_weight,
            anchor_weight=self.anchor_weight,
            anchor_top=self.anchor_top,
            anchor_power=self.anchor_power,
        )


@dataclasses.dataclass(frozen=True)
class ImageAlignmentOptions:
    """One image head.

    Attributes:
        recipe: The recipe's file, named in the card.
        head: The image head.
        objective: The loss, as for the sounds.
        views: Augmentation of the pictures.
        loop: Steps, batch size and learning rate.
    """

    recipe: str
    head: ImageHeadOptions = dataclasses.field(default_factory=ImageHeadOptions)
    objective: ObjectiveOptions = dataclasses.field(default_factory=ObjectiveOptions)
    views: ImageViewOptions = dataclasses.field(default_factory=ImageViewOptions)
    loop: LoopOptions = dataclasses.field(default_factory=LoopOptions)


def train(options: ImageAlignmentOptions, base: str, output: Path, benchmark: Path, sounds: Path) -> Path:
    """Train an image head and write the model with it to ``output / "final"``; run again to go on.

    Args:
        options: The image head.
        base: The model that gets it: a bundled model's name or a model folder.
        output: The run's folder.
        benchmark: The frozen benchmark of pictures, whose train split is trained on.
        sounds: The frozen benchmark of sounds, whose concepts are kept out.

    Returns:
        The checkpoint's folder.

    Raises:
        SourceError: A package cannot be fetched.
        CheckpointError: ``base`` cannot be loaded.
        ManifestError: The benchmark breaks its rules, or its files are not the pinned ones.
        RunError: Options do not fit, or ``output`` holds another run.
    """
    watch, accelerator = run_folder.Watch(output), loop.start(options.loop)
    with accelerator.main_process_first():  # what the first computes the others find in the cache
        folder = checkpoint.find(base)
        rows = benchmark_file.read(benchmark)
        pictures = train_pictures(rows, benchmark, sounds)
        model = checkpoint.load(folder, "cpu", report=lambda progress: log.info("%s", progress))
        described = {**dataclasses.asdict(options), "base": _text_space(model)}
        run_folder.claim(output, run_folder.describe(described, rows.hash, pictures))
        tower = image.load(options.head.backbone, lambda progress: log.info("%s", progress))
        data = CaptionedFeatures(
            pictures, features.compute(pictures, tower, options.views), _caption_embeddings(pictures, model)
        )
        head = _head(options, data, tower, model)
    loop.train(EmergentAlignment(head, options.objective), data, options.loop, output)
    final = output / "final"
    if accelerator.is_main_process:
        card = image_card.add(
            (folder / checkpoint.CARD).read_text(encoding="utf-8"), options, pictures, rows, head, model.name
        )
        facts = TrainingFacts(pictures=len(pictures), minutes=watch.minutes())
        card = training_facts.into_card(card, training_facts.of_card(card).plus(facts))
        config = dataclasses.replace(checkpoint.read_config(folder), image=options.head.config())
        checkpoint.save(final, config, [head], card, base=folder)
    return final


def train_pictures(rows: benchmark_file.Rows, benchmark: Path, sounds: Path) -> list[Clip]:
    """Return the pictures of the train split with their English descriptions alone.

    Args:
        rows: The benchmark of pictures, read.
        benchmark: Its file.
        sounds: The benchmark of sounds.

    Raises:
        ManifestError: A rule that keeps test and dev out is broken, or files are missing or differ.
        SourceError: A package cannot be fetched.
    """
    if problems := rules.find_problems_of_pictures(rows, benchmark_file.read(sounds)):
        raise ManifestError(f"{rows.name}: {len(problems)} problems, first: {problems[0]}")
    resolved = splits.fetch(benchmark, "train", lambda progress: log.info("%s", progress))
    pictures = [
        dataclasses.replace(picture, captions={"en": (*picture.captions["en"], f"A {picture.concept}.")})
        for picture in resolved.clips
    ]
    require_english(pictures)
    return pictures


def _text_space(model: Cacara) -> str:
    """Return a hash of all that decides a text's embedding: models that share it can share an image head."""
    config = json.dumps(dataclasses.asdict(model.config.text), sort_keys=True)
    parts = [config, cached_arrays.weights_hash(model.text), cached_arrays.weights_hash(model.centring)]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:12]


def _caption_embeddings(pictures: Sequence[Clip], model: Cacara) -> dict[str, np.ndarray]:
    captions = sorted({caption for picture in pictures for caption in picture.captions["en"]})
    return dict(zip(captions, model.encode_text(captions, "en", space="text"), strict=True))


def _head(options: ImageAlignmentOptions, data: CaptionedFeatures, tower: ImageTower, model: Cacara) -> ImageHead:
    """Return the image head, its anchor ready and its projection random from the run's seed."""
    classes = efficientnet.class_names()
    key = [FORMAT, _text_space(model), classes]
    embedded = cached_arrays.get("image-classes", key, lambda: {"classes": class_embeddings(classes, model)})["classes"]
    weights = class_names.class_weights(data.probabilities, options.head.damping)
    torch.manual_seed(options.loop.seed)
    head = ImageHead(options.head.config(), tower.features, tower.classes, model.config.media_width)
    head.class_embeddings.copy_(torch.from_numpy(embedded))
    head.class_weights.copy_(torch.from_numpy(weights))
    return head


def class_embeddings(classes: Sequence[tuple[str, str]], model: Cacara) -> np.ndarray:
    """Return the embeddings of picture classes, the mean of their phrasings', centred as English.

    Args:
        classes: Names, several joined with commas, and gloss.
        model: Its text tower embeds them.

    Returns:
        float32 [classes, dimension], L2-normalised.
    """
    texts = [phrasings(names, gloss) for names, gloss in classes]
    flat = sorted({text for group in texts for text in group})
    embedded = dict(zip(flat, model.encode_text(flat, "en", space="text"), strict=True))
    means = np.stack([np.mean([embedded[text] for text in group], axis=0) for group in texts])
    return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


def phrasings(names: str, gloss: str) -> list[str]:
    """Return the texts of one class: its names apart, the first two as pictures, and what it is, with a name and alone.

    The gloss says what a breed or a kind is one of, which its names do not.

    >>> phrasings("tabby, tabby cat", "a cat with a grey coat")[2:]
    ['a picture of tabby', 'a picture of tabby cat', 'tabby: a cat with a grey coat', 'a cat with a grey coat']
    """
    parts = [part.strip().lower() for part in names.split(",") if part.strip()]
    return [*parts, *(f"a picture of {part}" for part in parts[:2]), f"{parts[0]}: {gloss}", gloss]
