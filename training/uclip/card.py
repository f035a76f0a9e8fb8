"""The card of uCLIP's models."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cacara import sources
from cacara.model.config import ModelConfig
from cacara.model.parts.projectors import Projectors
from training import card as model_card

if TYPE_CHECKING:
    from training.uclip.projectors import Material, UclipOptions

_ABOUT = """\
Sounds and pictures of a frozen dual encoder that knows English only, and texts of a frozen multilingual encoder,
brought together by two heads that were trained on unpaired data (method: uCLIP, arXiv 2511.13036)."""
_DUAL = """\
**Dual encoder**: `{base}` {version}; its text tower ({text}) was needed in training alone. Its audio tower
  ({audio}){image} are frozen and not in this folder, its heads are."""
_HELD = """\
**In this folder**: {heads}, the base's heads as they were, and the centres
  of {languages} languages{centred}. Large matrices are stored as int8, a scale a row."""
_MADE_WITH = """ and `--base` a model that
`training/recipes/stages/english-sounds.yaml` and then `training/recipes/stages/pictures.yaml` made"""
_TEXTS = """\
A training item is one English sentence: {sentences:,} of them. Two banks that nothing ties to the sentences or to each
other: {texts:,} texts in {text_languages} other languages, and {media:,} views of sounds and pictures. No pair was
seen: which text translates which, or what a sound or a picture is called, did not reach the training. The texts are of
the same lexicons as the sentences{disjoint}.

What texts it saw (policy `{policy}`): {seen}
English sentences were not compared with the benchmark's texts of other languages: a few are spelled the same, and
seen.json has their hashes.

{table}"""
_DATA = """\
The views are of {clips} clips with {captions} English captions and {stamps} pictures of tuxpaint's train stamps
(GPL, version 2 or any later); the captions are sentences like the others. No sound or picture of the benchmark's test
or dev split ({benchmark}) was trained on."""
_METRICS = """\
`python -m cacara evaluate --split dev --model {name}`; the figures stand in the project's docs/uclip.md."""
_LIMITS = """\
The dual encoder sets the bound in English, and the text encoder, which knows bare nouns of small languages badly, that
of the other languages. The banks are small beside the paper's two million. A score is a cosine, not a probability."""


@dataclasses.dataclass(frozen=True)
class TrainingCounts:
    """Counts of the training data.

    Attributes:
        sentences: Source → English sentences.
        texts: Source → texts of the bank.
        media: ``audio`` or ``image`` → views.
        languages: Number of languages of the bank's texts.
    """

    sentences: Mapping[str, int]
    texts: Mapping[str, int]
    media: Mapping[str, int]
    languages: int


def render(
    config: ModelConfig,
    options: UclipOptions,
    material: Material,
    told: TrainingCounts,
    heads: Projectors,
) -> str:
    """Return the card as Markdown.

    Args:
        config: The model's config.
        options: Options of the training.
        material: Training data.
        told: Counts of the training data.
        heads: Trained parts.
    """
    base, clips, stamps = material.dual, material.clips, material.stamps
    centred = ", by which texts are centred first" if config.centring else ", which are not used"
    lines = model_card.Lines(
        about=_ABOUT,
        listed=(
            f"**Multilingual text tower**: {config.text.backbone}, frozen and not in this folder.",
            _DUAL.format(
                base=base.name,
                version=base.version,
                text=base.config.text.backbone,
                audio=config.audio.backbone,
                image=f" and its image tower ({config.image.backbone})" if config.image else "",
            ),
            _HELD.format(heads=heads.card(), languages=len(config.languages), centred=centred),
        ),
        command="uclip",
        recipe=options.recipe,
        seed=options.loop.seed,
        licence_reason=options.licence_reason,
        made_with=_MADE_WITH,
        sections={"Texts": _texts(options, told)},
        data=_DATA.format(
            clips=len(clips),
            captions=model_card.captions_of(clips),
            stamps=len(stamps),
            benchmark=f"{material.rows.name}, hash {material.rows.hash}",
        ),
        metrics=_METRICS.format(name=config.name),
        limits=_LIMITS,
    )
    return model_card.render(config, lines, clips)


def _texts(options: UclipOptions, told: TrainingCounts) -> str:
    """Return what the section on texts says."""
    rows = []
    for key in sorted({*told.sentences, *told.texts}):
        row = sources.SOURCES.get(key)
        licence = row.licence if row else "descriptions of the sounds and pictures below"
        rows.append((key, licence, told.sentences.get(key, 0), told.texts.get(key, 0)))
    return _TEXTS.format(
        sentences=sum(told.sentences.values()),
        texts=sum(told.texts.values()),
        text_languages=told.languages,
        media=sum(told.media.values()),
        disjoint=", but no translation of a sentence is in the bank"
        if options.banks.disjoint
        else ", so translations of a sentence may lie in the bank, unmarked",
        policy=options.banks.policy,
        seen=model_card.POLICIES[options.banks.policy],
        table=model_card.table(("texts", "licence of the package", "sentences", "texts in the bank"), rows),
    )
