"""The model card that a checkpoint carries: what it is, what it saw, how to make it again."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cacara import sources
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

- **Text tower**: multilingual-e5-small (MIT), frozen and not in this folder.
- **Audio tower**: YAMNet (Apache-2.0), frozen and not in this folder.
- **In this folder**: the audio head ({parameters:,} trained parameters and the embeddings of {classes} AudioSet class
  names) and the centres of {languages} languages, measured on CLDR emoji names outside the benchmark.

## Made by

`python -m training emergent_alignment --recipe {recipe} --output runs/{name}` with seed {seed}.

## Data

{clips} clips with {captions} English captions; no other language, and no sound of the benchmark
(sounds-v1, hash {benchmark}), was trained on.

| source | package | clips | licences of the clips |
|---|---|---|---|
{table}

## Licence of these weights

{licence_reason}

## Metrics

`python -m cacara evaluate --split dev --model {name}` and `--split test`; the figures stand in the project's README.

## Limits

The class anchor knows AudioSet's 521 classes, and the training sounds are mostly effects of games: rare sounds and
long scenes are found badly. The text encoder knows bare nouns of small languages badly. A score is a cosine,
not a probability.
"""

_REASON = (
    "Whether weights are a derivative work of the sounds they were trained on is not settled. {licence} is a licence "
    "under which a work may combine all the sources above (GPL-2+, GPL-3+, LGPL, MPL-2.0, CC0, and CC-BY-SA-3.0 by way "
    "of 4.0), so nobody has to rely on an answer; packages under GPL-2 alone and Artistic-1.0, which do not combine "
    "with it, were left out of the training."
)


def render(
    config: ModelConfig,
    options: EmergentAlignmentOptions,
    clips: Sequence[Clip],
    benchmark_hash: str,
    parameters: int,
    classes: int,
) -> str:
    """Return the card as Markdown.

    Args:
        config: The model's config.
        options: What it was trained with.
        clips: What it was trained on.
        benchmark_hash: Of the benchmark that was kept out.
        parameters: Number of trained parameters.
        classes: Number of classes of the anchor.
    """
    counts = Counter(clip.source for clip in clips)
    rows = []
    for key, count in sorted(counts.items()):
        row = sources.source(key)
        licences = ", ".join(sorted({clip.licence for clip in clips if clip.source == key}))
        rows.append(f"| {key} | {row.package} {row.version} ({row.client}) | {count} | {licences} |")
    return _TEXT.format(
        **{
            field.name: getattr(config, field.name) for field in dataclasses.fields(config) if field.name != "languages"
        },
        licence_tag=config.licence.lower(),
        languages=len(config.languages),
        parameters=parameters,
        classes=classes,
        recipe=options.recipe,
        seed=options.loop.seed,
        clips=len(clips),
        captions=len({caption for clip in clips for caption in clip.captions["en"]}),
        benchmark=benchmark_hash,
        table="\n".join(rows),
        licence_reason=_REASON.format(licence=config.licence),
    )
