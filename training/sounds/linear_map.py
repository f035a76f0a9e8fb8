"""M2M's way as a baseline: two linear layers between a frozen audio tower and a frozen multilingual text tower.

M2M joins a frozen CLAP and a frozen multilingual sentence encoder by one linear layer on each side, trained on English
captions only: the fair rival of emergent alignment, as it too sees one language. Here the audio tower is the project's
own, so that the way of joining alone differs: no class anchor, no hidden layer.
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from cacara import sources
from cacara.benchmark.dataset import benchmark_file
from cacara.encoders import audio, text
from cacara.model import checkpoint
from cacara.model.config import AudioConfig, ModelConfig, TextConfig
from cacara.model.parts.head import AudioHead
from cacara.model.parts.text_map import TextMap
from training import loop, losses, run_folder
from training.data import corpora, features, text_statistics
from training.data.batches import CaptionedFeatures, require_english
from training.data.features import ViewOptions
from training.loop import LoopOptions
from training.run_folder import RunError
from training.sounds import card as model_card
from training.sounds.alignment import caption_embeddings

log = logging.getLogger(__name__)

_ABOUT = """\
A baseline in the manner of M2M: a frozen audio tower and a frozen multilingual text tower, joined by one linear layer
on each side. Both layers were trained on English captions only; the text layer comes after the centring."""


@dataclasses.dataclass(frozen=True)
class LinearMapOptions:
    """One model.

    Attributes:
        name: The model's name.
        version: The version of its weights.
        licence: Of the weights.
        licence_reason: Reason for that licence, for the card.
        recipe: The recipe's file, named in the card.
        packages: Keys of ``cacara.sources`` whose sounds are trained on.
        text: The frozen text tower.
        audio_backbone: The audio tower, a name of ``cacara.encoders.audio.BACKBONES``.
        text_start: What the text layer starts from: ``identity`` or ``random``.
        temperature: Of the contrastive loss.
        views: Augmentation of the clips.
        loop: Steps, batch size and learning rate.
    """

    name: str
    version: str
    licence: str
    licence_reason: str
    recipe: str
    packages: tuple[str, ...]
    text: TextConfig = dataclasses.field(default_factory=lambda: TextConfig("multilingual-e5-small", "query: ", 128))
    audio_backbone: str = "yamnet"
    text_start: Literal["identity", "random"] = "identity"
    temperature: float = 0.05
    views: ViewOptions = dataclasses.field(default_factory=ViewOptions)
    loop: LoopOptions = dataclasses.field(default_factory=LoopOptions)

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise RunError(f"temperature is {self.temperature}; wanted more than 0")
        if not self.packages:
            raise RunError("packages is empty; wanted one key of cacara.sources or more")

    @property
    def trainable(self) -> str:
        """Trainable part of the audio side."""
        return "projection"


class LinearMap(nn.Module):
    """Both layers and their loss; the frozen towers' outputs come in as features."""

    def __init__(self, sounds: AudioHead, texts: TextMap, temperature: float) -> None:
        super().__init__()
        self.sounds = sounds
        self.texts = texts
        self.temperature = temperature

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss of a batch of ``training.data.batches.CaptionedFeatures``, or of this process's share."""
        sounds, texts = self.sounds.project(batch["features"]), self.texts(batch["texts"])
        labels = losses.gather(batch["labels"])
        positives = labels[:, None] == labels[None, :]
        loss = losses.contrastive(losses.gather(sounds), losses.gather(texts), positives, self.temperature)
        return {"loss": loss}


def train(options: LinearMapOptions, output: Path, benchmark: Path) -> Path:
    """Train both layers and write the checkpoint to ``output / "final"``; run again after an interruption to go on.

    Args:
        options: The model.
        output: The run's folder.
        benchmark: The frozen benchmark, whose sounds and texts are kept out.

    Returns:
        The checkpoint's folder.

    Raises:
        SourceError: A package cannot be fetched.
        ManifestError: A training clip is a benchmark sound, or a caption is not declared English.
        RunError: ``output`` holds another run.
        CheckpointError: A tower cannot be loaded.
    """
    accelerator = loop.start(options.loop)
    with accelerator.main_process_first():  # what the first computes the others find in the cache
        rows = benchmark_file.read(benchmark)
        folders = sources.fetch_all(
            sorted({*options.packages, "cldr", *rows.sources, *corpora.held_out_sources(benchmark)}),
            lambda progress: log.info("%s", progress),
        )
        clips = corpora.train_clips({key: folders[key] for key in options.packages}, benchmark, folders)
        require_english(clips)
        corpora.check_leakage(clips, benchmark, folders)
        record = run_folder.describe(dataclasses.asdict(options), rows.hash, clips)
        run_folder.claim(output, record)
        tower = text.load(options.text)
        names = text_statistics.cldr_names(folders["cldr"])
        centring = text_statistics.cached_centres(tower, names, {row.sha256_16 for row in rows.texts})
        heard = audio.load(options.audio_backbone, "mean")
        config = _config(options, tower.dimension, centring.languages)
        data = CaptionedFeatures(
            clips, features.compute(clips, heard, options.views), caption_embeddings(clips, tower, centring)
        )
        torch.manual_seed(options.loop.seed)
        head = AudioHead(config.audio, heard.features, heard.classes, config.dimension)
        text_map = TextMap(config.dimension)
        if options.text_start == "identity":
            nn.init.eye_(text_map.weight)
            nn.init.zeros_(text_map.bias)
    loop.train(LinearMap(head, text_map, options.temperature), data, options.loop, output)
    final = output / "final"
    if accelerator.is_main_process:
        method = model_card.Method(_ABOUT, "linear_map")
        parts = [head, centring, text_map]
        card = model_card.render(config, options, clips, rows, parts, method=method)
        checkpoint.save(final, config, parts, card)
    return final


def _config(options: LinearMapOptions, dimension: int, languages: tuple[str, ...]) -> ModelConfig:
    return ModelConfig(
        name=options.name,
        version=options.version,
        dimension=dimension,
        text=options.text,
        audio=AudioConfig(options.audio_backbone, 0, 1.0, 0.0, 1, 1.0, "mean"),
        centring=True,
        languages=languages,
        licence=options.licence,
        text_map=True,
    )
