"""The sounds and pictures of uCLIP's bank: train splits through the base's frozen towers, every view an item."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from cacara import sources
from cacara.benchmark.dataset import benchmark_file
from cacara.galleries.manifest import Clip
from cacara.model.model import Cacara
from training.data import corpora, features
from training.data.batches import refuse_measuring_only, require_english
from training.data.features import Features, ViewOptions
from training.images import alignment
from training.images import features as image_features
from training.images.features import ImageViewOptions
from training.run_folder import RunError
from training.uclip.banks import Bank, BankOptions

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class MediaOptions:
    """Origin of the sounds and pictures.

    Attributes:
        packages: Keys of ``cacara.sources`` whose sounds are used; none for no sounds.
        pictures: Whether the train split of the benchmark of pictures is used, if the base sees.
        views: Views of the sounds.
        image_views: Views of the pictures.
    """

    packages: tuple[str, ...] = ()
    pictures: bool = True
    views: ViewOptions = dataclasses.field(default_factory=ViewOptions)
    image_views: ImageViewOptions = dataclasses.field(default_factory=ImageViewOptions)


def collect(options: MediaOptions, base: Cacara, benchmark: Path, pictures: Path) -> tuple[list[Clip], list[Clip]]:
    """Return the training sounds and the training pictures, with what they are said to be in English.

    Args:
        options: Origin of the sounds and pictures.
        base: The dual encoder; pictures are left out when it does not see.
        benchmark: The frozen benchmark of sounds.
        pictures: The frozen benchmark of pictures.

    Raises:
        SourceError: A package cannot be fetched.
        ManifestError: A benchmark sound or picture would be used.
    """
    rows = benchmark_file.read(benchmark)
    keys = sorted({*options.packages, *rows.sources, *corpora.held_out_sources(benchmark)})
    folders = sources.fetch_all(keys, lambda progress: log.info("%s", progress))
    clips = corpora.train_clips({key: folders[key] for key in options.packages}, benchmark, folders)
    if clips:
        require_english(clips)
        refuse_measuring_only(clips)
        corpora.check_leakage(clips, benchmark, folders)
    if not (options.pictures and base.sees):
        return clips, []
    return clips, alignment.train_pictures(benchmark_file.read(pictures), pictures, benchmark)


def bank(
    clips: Sequence[Clip], stamps: Sequence[Clip], base: Cacara, options: MediaOptions, banks: BankOptions
) -> Bank:
    """Return the bank: what the dual encoder makes of every view; what a clip is called stays behind.

    Args:
        clips: Training sounds.
        stamps: Training pictures.
        base: The dual encoder.
        options: Options of the views.
        banks: Which kinds, and how many of them.

    Raises:
        RunError: There is nothing of the wanted kind.
    """
    parts: dict[str, np.ndarray] = {}
    if clips and banks.media in ("audio", "both"):
        parts["audio"] = _placed(features.compute(clips, base.audio, options.views), base.head, banks)
    if stamps and base.image is not None and base.image_head is not None and banks.media in ("image", "both"):
        viewed = image_features.compute(stamps, base.image, options.image_views)
        parts["image"] = _placed(viewed, base.image_head, banks)
    if not parts:
        raise RunError(f"banks.media is {banks.media!r}, but there are no such data; name packages, or take pictures")
    return Bank(np.concatenate(list(parts.values())), {kind: len(rows) for kind, rows in parts.items()})


def _placed(views: Features, head: torch.nn.Module, banks: BankOptions) -> np.ndarray:
    """Return embeddings, float32 [items kept × views, dimension], in an order drawn at random."""
    rng = np.random.default_rng([banks.seed, 1])
    kept = rng.permutation(len(views.features))[: max(1, round(banks.media_share * len(views.features)))]
    with torch.inference_mode():
        placed = [head(torch.from_numpy(views.features[i]), torch.from_numpy(views.probabilities[i])) for i in kept]
    embeddings = torch.cat(placed).numpy()
    return embeddings[rng.permutation(len(embeddings))]
