"""Benchmark texts seen in a training, as the checkpoint states them (``cacara.model.seen_texts``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cacara.benchmark.dataset import benchmark_file
from cacara.galleries.manifest import Clip
from cacara.model.seen_texts import SeenTexts
from training.data.translations import concept_names, names_any


def seen_in_training(benchmark: Path, clips: Sequence[Clip], texts: Iterable[str] = ()) -> SeenTexts:
    """Return which benchmark concepts and strings a training met.

    Args:
        benchmark: The frozen benchmark.
        clips: What the audio side was trained on; a concept is seen when a caption, or the clip's own concept, holds
            one of its names as words.
        texts: Every text that the text side was trained on, in all languages; none for a frozen text side.

    Raises:
        ManifestError: The benchmark cannot be read.
    """
    rows = benchmark_file.read(benchmark)
    concepts = sorted({row.concept for row in rows.sounds})
    said = {caption for clip in clips for several in clip.captions.values() for caption in several}
    said |= {clip.concept for clip in clips if clip.concept}
    every_name = concept_names(set(concepts))
    naming = [caption for caption in sorted(said) if names_any(caption, every_name)]  # most name none
    seen = []
    for concept in concepts:
        names = concept_names({concept})
        if any(names_any(caption, names) for caption in naming):
            seen.append(concept)
    return benchmark_file.seen_of(rows, texts, seen)
