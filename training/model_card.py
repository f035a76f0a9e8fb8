"""The model card that a checkpoint carries: what it is, what it saw, how to make it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cacara import sources
from cacara.adapters import AudioHead
from cacara.benchmark_file import Rows, rows_hash
from cacara.config import ModelConfig
from cacara.manifest import Clip

if TYPE_CHECKING:
    from training.emergent_alignment import EmergentAlignmentOptions

_TEXT = """\
---
license: {licence_tag}
library_name: cacara-studio
tags: [audio, text-to-audio-retrieval, multilingual, cross-lingual]
---

# {name} {version}

Sounds in the space of a frozen multilingual text encoder, aligned on English captions only (method: emergent
alignment after CACARA, arXiv 2512.00496). Texts of the encoder's other languages retrieve sounds without having
been trained.

- **Text tower**: {text}, frozen and not in this folder.
- **Audio tower**: {audio}, frozen and not in this folder.
- **In this folder**: the audio head ({parameters:,} trained parameters and the embeddings of {classes} AudioSet class
  names) and the centres of {languages} languages, measured on CLDR emoji names outside the benchmark.

The licences of the packaged towers stand in the project's NOTICE.

## Made by

`python -m training emergent_alignment --recipe {recipe} --output runs/{name}` with seed {seed}.

## Data

{clips} clips with {captions} English captions; no other language, and no sound of the benchmark
({benchmark}), was trained on.

| source | package | clips | licences of the clips |
|---|---|---|---|
{table}

## Licence of these weights

{licence_reason}

## Metrics

`python -m cacara evaluate --split dev --model {name}` and `--split test`; the figures stand in the project's README.

## Limits

The class anchor knows {classes} classes of AudioSet, and the training sounds are mostly effects of games: rare sounds
and long scenes are found badly. The text encoder knows bare nouns of small languages badly. A score is a cosine, not
a probability.
"""


def render(
    config: ModelConfig,
    options: EmergentAlignmentOptions,
    clips: Sequence[Clip],
    benchmark: Rows,
    head: AudioHead,
) -> str:
    """Return the card as Markdown.

    Args:
        config: The model's config.
        options: What it was trained with.
        clips: What it was trained on.
        benchmark: What was kept out.
        head: The trained part.
    """
    return _TEXT.format(
        name=config.name,
        version=config.version,
        licence_tag=config.licence.lower(),
        licence_reason=options.licence_reason,
        text=config.text.backbone,
        audio=config.audio.backbone,
        parameters=sum(parameter.numel() for parameter in head.projection.parameters()),
        classes=len(head.class_weights),
        languages=len(config.languages),
        recipe=options.recipe,
        seed=options.loop.seed,
        clips=len(clips),
        captions=len({caption for clip in clips for caption in clip.captions["en"]}),
        benchmark=f"{benchmark.name}, hash {rows_hash(benchmark)}",
        table="\n".join(_table(clips)),
    )


def _table(clips: Sequence[Clip]) -> Iterator[str]:
    """Yield a line of Markdown for every source of the clips."""
    for key, count in sorted(Counter(clip.source for clip in clips).items()):
        row = sources.source(key)
        licences = ", ".join(sorted({clip.licence for clip in clips if clip.source == key}))
        yield f"| {key} | {row.package} {row.version} ({row.client}) | {count} | {licences} |"
