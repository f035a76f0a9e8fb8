"""Sounds and stamps of the training split with texts of other languages, for language exposure."""

from __future__ import annotations

import dataclasses
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cacara import sources
from cacara.benchmark.dataset import benchmark_file
from cacara.galleries.manifest import Clip
from cacara.model.model import Cacara
from cacara.sources import texts as source_texts
from cacara.sources.texts import text_hash
from training.data import corpora, features, translations
from training.data.features import Features, ViewOptions
from training.data.translations import Translation
from training.images import features as image_features
from training.images.alignment import train_pictures
from training.images.features import ImageViewOptions
from training.mla.data import owner_of
from training.sounds.translated_captions import translate

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Exposure:
    """Sounds and pictures as the frozen towers embed them, with texts.

    Attributes:
        views: Of each thing, float32 [views, dimension], L2-normalised.
        concepts: Of each, the number of what it is.
        texts: Language to (text, thing's position).
        heard: The sounds among them.
    """

    views: tuple[Tensor, ...]
    concepts: tuple[int, ...]
    texts: Mapping[str, tuple[tuple[str, int], ...]]
    heard: tuple[Clip, ...] = ()

    def count(self) -> dict[str, int]:
        """Return the number of texts by language."""
        return {language: len(own) for language, own in sorted(self.texts.items())}


@dataclasses.dataclass(frozen=True, eq=False)
class CaptionedItems:
    """Sounds, then pictures, as the frozen towers alone make them, with texts.

    Attributes:
        sounds: Of the sounds.
        pictures: Of the pictures; None for a model that knows none.
        concepts: Of each thing, the number of what it is.
        texts: Language to (text, thing's position).
        heard: The sounds.
    """

    sounds: Features
    pictures: Features | None
    concepts: tuple[int, ...]
    texts: Mapping[str, tuple[tuple[str, int], ...]]
    heard: tuple[Clip, ...]


def gather(
    model: Cacara,
    packages: Sequence[str],
    pairs: Sequence[Translation],
    languages: Collection[str],
    benchmark: Path,
    images: Path,
) -> Exposure:
    """Return what ``things`` returns, as the model's heads place it."""
    found = things(model, packages, pairs, languages, benchmark, images)
    views = _embedded(found.sounds, model.head)
    if model.image_head is not None and found.pictures is not None:
        views += _embedded(found.pictures, model.image_head)
    return Exposure(tuple(views), found.concepts, found.texts, found.heard)


def things(
    model: Cacara,
    packages: Sequence[str],
    pairs: Sequence[Translation],
    languages: Collection[str],
    benchmark: Path,
    images: Path,
) -> CaptionedItems:
    """Return the train sounds and train stamps with texts of the languages; nothing of test or dev is among them.

    A stamp brings its own descriptions. Sounds have English captions alone; lexicons translate them, or the name of
    what sounds, where they can.

    Args:
        model: Its audio and image sides embed them; one without pictures brings sounds alone.
        packages: Keys of the sounds' sources.
        pairs: Translations that may be looked up, of the policy.
        languages: Whose texts are wanted.
        benchmark: The frozen benchmark of sounds, kept out.
        images: The frozen benchmark of pictures, whose train split is used.

    Raises:
        SourceError: A package cannot be fetched.
        ManifestError: A benchmark cannot be read, or a clip is one of its.
    """
    rows = benchmark_file.read(benchmark)
    folders = sources.fetch_all(
        sorted({*packages, *rows.sources, *corpora.held_out_sources(benchmark)}),
        lambda progress: log.info("%s", progress),
    )
    clips = corpora.train_clips({key: folders[key] for key in packages}, benchmark, folders)
    corpora.check_leakage(clips, benchmark, folders)
    heard = features.compute(clips, model.audio, ViewOptions())
    said = translate(clips, [pair for pair in pairs if pair.language in languages])
    things = [(clips[position].concept or clips[position].clip_id, said[position]) for position in heard.kept]
    seen = None
    if model.image is not None:
        pictures = train_pictures(benchmark_file.read(images), images, benchmark)
        seen = image_features.compute(pictures, model.image, ImageViewOptions())
        described = _descriptions(images, benchmark)
        things += [(picture.concept or picture.clip_id, described[picture.clip_id]) for picture in pictures]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(name for name, _ in things))}
    texts: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for position, (_, own) in enumerate(things):
        for code, several in sorted(own.items()):
            if language := owner_of(code, languages):
                texts[language] += [(text, position) for text in several]
    return CaptionedItems(
        heard,
        seen,
        tuple(numbers[name] for name, _ in things),
        {language: tuple(own) for language, own in sorted(texts.items())},
        tuple(clips[position] for position in heard.kept),
    )


def _descriptions(images: Path, benchmark: Path) -> dict[str, Mapping[str, tuple[str, ...]]]:
    """Return each train stamp's descriptions by language, without those that name or are a benchmark text."""
    rows = benchmark_file.read(images)
    held_out = benchmark_file.read(benchmark)
    hashes = {row.sha256_16 for row in held_out.texts}
    names = translations.concept_names({row.concept for row in held_out.sounds})
    found: dict[str, Mapping[str, tuple[str, ...]]] = {}
    train = rows.of_split("train")
    folders = {key: sources.fetch(key) for key in train.sources}
    for row in train.images:
        root = source_texts.content_folder(row.source, folders[row.source])
        captions = source_texts.stamp_captions(root / row.texts)
        clean = not any(translations.names_any(text, names) for text in captions.get("en", ()))
        kept = {
            language: own
            for language, texts in captions.items()
            if (own := tuple(text for text in texts if text_hash(text) not in hashes))
        }
        found[row.image_id] = kept if clean else {}
    return found


def _embedded(found: Features, head: torch.nn.Module) -> list[Tensor]:
    """Return each thing's views as the frozen head places them, float32 [views, dimension]."""
    placed = []
    head.eval()
    device = next(head.parameters()).device
    with torch.inference_mode():
        for own, classes in zip(found.features, found.probabilities, strict=True):
            inputs = (torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in (own, classes))
            placed.append(head(*inputs).float().cpu())
    return [view.clone() for view in placed]
