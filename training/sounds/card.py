"""The model card that a checkpoint carries: what it is, what it saw, how to make it again."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cacara import sources
from cacara.benchmark.benchmark_file import Rows, rows_hash
from cacara.model.config import ModelConfig
from cacara.model.parts.centring import LanguageCentring
from cacara.model.parts.head import AudioHead
from cacara.model.parts.part import Part
from cacara.model.parts.text_map import TextMap
from cacara.search.manifest import Clip
from cacara.sources.converters import minilm

if TYPE_CHECKING:
    from training.sounds.alignment import EmergentAlignmentOptions
    from training.sounds.linear_map import LinearMapOptions

_TEXT = """\
---
license: {licence_tag}
library_name: cacara-studio
tags: [audio, text-to-audio-retrieval, multilingual, cross-lingual]
---

# {name} {version}

{about}

- **Text tower**: {text}, frozen and not in this folder.
- **Audio tower**: {audio}, {tuned}.
- **In this folder**: {held}.

The licences of the packaged towers stand in the project's NOTICE.

## Made by

`python -m training {command} --recipe {recipe} --output runs/{name}` with seed {seed}.

## Data

{clips} clips with {captions} English captions{others}
({benchmark}), was trained on.

| source | package | clips | licences of the clips |
|---|---|---|---|
{table}

## Licence of these weights

{licence_reason}

## Metrics

`python -m cacara evaluate --split dev --model {name}` and `--split test`; the figures stand in the project's README.

## Limits

{limits} The text encoder knows bare nouns of small languages badly. A score is a cosine, not
a probability.
"""


_GAME_LIMITS = """\
The class anchor knows {classes} classes of AudioSet, and the training sounds are mostly effects of games: rare sounds
and long scenes are found badly."""
_OTHER_LIMITS = "Sounds unlike those it was trained on are found badly."


_ENGLISH_ALONE = "; no other language, and no sound of the benchmark"
_OTHERS_TOO = ", and other languages as told above; no sound of the benchmark"
_EMERGENT = """\
Sounds in the space of a frozen multilingual text encoder, aligned on English captions only (method: emergent
alignment after CACARA, arXiv 2512.00496). Texts of the encoder's other languages retrieve sounds without having
been trained."""
_ENGLISH_TEXT = """\
A baseline: sounds in the space of a frozen text encoder that knows English only, aligned as in CACARA
(arXiv 2512.00496). What other languages find they find by words that are spelled as in English."""


@dataclasses.dataclass(frozen=True)
class Method:
    """How a model was made, as its card tells it.

    Attributes:
        about: What it is, in a paragraph.
        command: Of ``python -m training``.
        english_alone: Whether nothing but the clips' English captions was trained on.
    """

    about: str
    command: str = "emergent_alignment"
    english_alone: bool = True


def render(
    config: ModelConfig,
    options: EmergentAlignmentOptions | LinearMapOptions,
    clips: Sequence[Clip],
    benchmark: Rows,
    parts: Sequence[Part],
    tower_parameters: int = 0,
    method: Method | None = None,
) -> str:
    """Return the card as Markdown.

    Args:
        config: The model's config.
        options: What it was trained with.
        clips: What it was trained on.
        benchmark: What was kept out.
        parts: The model's parts, the audio head among them.
        tower_parameters: How many parameters of the audio tower were trained too.
        method: How the model was made, where it is not emergent alignment.
    """
    method = method or Method(_ENGLISH_TEXT if config.text.backbone == minilm.NAME else _EMERGENT)
    (head,) = (part for part in parts if isinstance(part, AudioHead))
    anchored = bool(config.audio.anchor_weight)
    return _TEXT.format(
        name=config.name,
        version=config.version,
        licence_tag=config.licence.lower(),
        licence_reason=options.licence_reason,
        about=method.about,
        others=_ENGLISH_ALONE if method.english_alone else _OTHERS_TOO,
        command=method.command,
        text=config.text.backbone,
        audio=config.audio.backbone,
        tuned=f"of which {tower_parameters:,} parameters were trained ({options.trainable}): these are in this folder"
        if tower_parameters
        else "frozen and not in this folder",
        held=_held(head, parts),
        limits=_GAME_LIMITS.format(classes=len(head.class_weights)) if options.packages and anchored else _OTHER_LIMITS,
        recipe=options.recipe,
        seed=options.loop.seed,
        clips=len(clips),
        captions=len({caption for clip in clips for caption in clip.captions["en"]}),
        benchmark=f"{benchmark.name}, hash {rows_hash(benchmark)}",
        table="\n".join(_table(clips)),
    )


def _held(head: AudioHead, parts: Sequence[Part]) -> str:
    """Return what lies in the folder: the head, what stands beside it, and the languages' centres."""
    maps = sum(value.numel() for part in parts if isinstance(part, TextMap) for value in part.parameters())
    first = head.card()
    if maps:  # trained as one with the head
        first = f"the trained layers ({head.trained_parameters() + maps:,} parameters)"
    (centres,) = (part.card() for part in parts if isinstance(part, LanguageCentring))
    others = [part.card() for part in parts if not isinstance(part, AudioHead | LanguageCentring) and part.card()]
    return f"{first} and {centres}" if not others else ",\n  ".join([first, *others, f"and {centres}"])


def _table(clips: Sequence[Clip]) -> Iterator[str]:
    """Yield a line of Markdown for every source of the clips."""
    for key, count in sorted(Counter(clip.source for clip in clips).items()):
        row = sources.SOURCES.get(key)
        package = f"{row.package} {row.version} ({row.client})" if row else "a folder of the user's"
        licences = ", ".join(sorted({clip.licence for clip in clips if clip.source == key}))
        yield f"| {key} | {package} | {count} | {licences} |"
