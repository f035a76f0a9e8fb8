"""The section of a model's card on the alignment of its sounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cacara.benchmark.dataset.benchmark_file import Rows
from cacara.galleries.manifest import Clip
from cacara.model.config import ModelConfig
from cacara.model.parts.centring import LanguageCentring
from cacara.model.parts.head import AudioHead
from cacara.model.parts.part import Part
from cacara.model.parts.text_map import TextMap
from cacara.sources.converters import minilm
from training import card as model_card

if TYPE_CHECKING:
    from training.sounds.alignment import EmergentAlignmentOptions
    from training.sounds.linear_map import LinearMapOptions

_EMERGENT = """\
Sounds in the space of a frozen multilingual text encoder, aligned on English captions only (method: emergent
alignment after CACARA, arXiv 2512.00496). Texts of the encoder's other languages retrieve sounds without having
been trained."""
_ENGLISH_TEXT = """\
A baseline: sounds in the space of a frozen text encoder that knows English only, aligned as in CACARA
(arXiv 2512.00496). What other languages find they find by words that are spelled as in English."""
_DATA = """\
{clips} clips with {captions} English captions{others}
({benchmark}), was trained on."""
_ENGLISH_ALONE = "; no other language, and no sound of the benchmark"
_OTHERS_TOO = ", and other languages as told above; no sound of the benchmark"
_METRICS = """\
`python -m cacara evaluate --split dev --model {name}` and `--split test`; the figures stand in the project's README."""
_LIMITS = """\
{limits} The text encoder knows bare nouns of small languages badly. A score is a cosine, not
a probability."""
_GAME_LIMITS = """\
The class anchor knows {classes} classes of AudioSet, and the training sounds are mostly effects of games: rare sounds
and long scenes are found badly."""
_OTHER_LIMITS = "Sounds unlike those it was trained on are found badly."


@dataclasses.dataclass(frozen=True)
class Method:
    """Facts about a model's training for its card.

    Attributes:
        about: Description in a paragraph.
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
        options: Options of the training.
        clips: Training data.
        benchmark: Benchmark whose recordings were kept out.
        parts: The model's parts, the audio head among them.
        tower_parameters: How many parameters of the audio tower were trained too.
        method: How the model was made, where it is not emergent alignment.
    """
    method = method or Method(_ENGLISH_TEXT if config.text.backbone == minilm.NAME else _EMERGENT)
    (head,) = (part for part in parts if isinstance(part, AudioHead))
    of_games = options.packages and config.audio.anchor_weight
    tuned = (
        f"of which {tower_parameters:,} parameters were trained ({options.trainable}): these are in this folder"
        if tower_parameters
        else "frozen and not in this folder"
    )
    lines = model_card.Lines(
        about=method.about,
        listed=(
            f"**Text tower**: {config.text.backbone}, frozen and not in this folder.",
            f"**Audio tower**: {config.audio.backbone}, {tuned}.",
            f"**In this folder**: {_held(head, parts)}.",
        ),
        command=method.command,
        recipe=options.recipe,
        seed=options.loop.seed,
        licence_reason=options.licence_reason,
        data=_DATA.format(
            clips=len(clips),
            captions=model_card.captions_of(clips),
            others=_ENGLISH_ALONE if method.english_alone else _OTHERS_TOO,
            benchmark=f"{benchmark.name}, hash {benchmark.hash}",
        ),
        metrics=_METRICS.format(name=config.name),
        limits=_LIMITS.format(
            limits=_GAME_LIMITS.format(classes=len(head.class_weights)) if of_games else _OTHER_LIMITS
        ),
    )
    return model_card.render(config, lines, clips)


def _held(head: AudioHead, parts: Sequence[Part]) -> str:
    """Return what lies in the folder: the head, what stands beside it, and the languages' centres."""
    maps = sum(value.numel() for part in parts if isinstance(part, TextMap) for value in part.parameters())
    first = head.card()
    if maps:  # trained as one with the head
        first = f"the trained layers ({head.trained_parameters() + maps:,} parameters)"
    (centres,) = (part.card() for part in parts if isinstance(part, LanguageCentring))
    others = [part.card() for part in parts if not isinstance(part, AudioHead | LanguageCentring) and part.card()]
    return f"{first} and {centres}" if not others else ",\n  ".join([first, *others, f"and {centres}"])
