"""The model card of uCLIP's models."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from cacara import sources
from cacara.benchmark.benchmark_file import rows_hash
from cacara.model.config import ModelConfig
from cacara.model.parts.projectors import Projectors
from cacara.search.manifest import Clip
from training.texts.card import POLICIES

if TYPE_CHECKING:
    from training.uclip.projectors import Material, UclipOptions

_TEXT = """\
---
license: {licence_tag}
library_name: cacara-studio
tags: [audio, text-to-audio-retrieval, multilingual, cross-lingual]
---

# {name} {version}

Sounds and pictures of a frozen dual encoder that knows English only, and texts of a frozen multilingual encoder,
brought together by two heads that were trained on unpaired data (method: uCLIP, arXiv 2511.13036).

- **Multilingual text tower**: {text}, frozen and not in this folder.
- **Dual encoder**: `{base}` {base_version}; its text tower ({base_text}) was needed in training alone. Its audio tower
  ({audio}){image} are frozen and not in this folder, its heads are.
- **In this folder**: {heads}, the base's heads as they were, and the centres
  of {languages} languages{centred}. Large matrices are stored as int8, a scale a row.

The licences of the packaged towers stand in the project's NOTICE.

## Made by

`python -m training uclip --recipe {recipe} --output runs/{name}` with seed {seed} and `--base` a model that
`training/recipes/stages/english-sounds.yaml` and then `training/recipes/stages/pictures.yaml` made.

## Texts

A training item is one English sentence: {sentences:,} of them. Two banks that nothing ties to the sentences or to each
other: {texts:,} texts in {text_languages} other languages, and {media:,} views of sounds and pictures. No pair was
seen: which text translates which, or what a sound or a picture is called, did not reach the training. The texts are of
the same lexicons as the sentences{disjoint}.

What texts it saw (policy `{policy}`): {seen}
English sentences were not compared with the benchmark's texts of other languages: a few are spelled the same, and
seen.json has their hashes.

| texts | licence of the package | sentences | texts in the bank |
|---|---|---|---|
{text_table}

## Data

The views are of {clips} clips with {captions} English captions and {stamps} pictures of tuxpaint's train stamps
(GPL, version 2 or any later); the captions are sentences like the others. No sound or picture of the benchmark's test
or dev split ({benchmark}) was trained on.

| source | package | clips | licences of the clips |
|---|---|---|---|
{table}

## Licence of these weights

{licence_reason}

## Metrics

`python -m cacara evaluate --split dev --model {name}`; the figures stand in the project's docs/uclip.md.

## Limits

The dual encoder sets the bound in English, and the text encoder, which knows bare nouns of small languages badly, that
of the other languages. The banks are small beside the paper's two million. A score is a cosine, not a probability.
"""


@dataclasses.dataclass(frozen=True)
class Told:
    """What was trained on, counted.

    Attributes:
        sentences: Source → English sentences.
        texts: Source → texts of the bank.
        media: ``audio`` or ``image`` → views.
        languages: How many languages the bank's texts are in.
    """

    sentences: Mapping[str, int]
    texts: Mapping[str, int]
    media: Mapping[str, int]
    languages: int


def render(
    config: ModelConfig,
    options: UclipOptions,
    material: Material,
    told: Told,
    heads: Projectors,
) -> str:
    """Return the card as Markdown.

    Args:
        config: The model's config.
        options: What it was trained with.
        material: What it was trained on.
        told: What was trained on, counted.
        heads: What was trained.
    """
    base, clips, stamps = material.dual, material.clips, material.stamps
    return _TEXT.format(
        name=config.name,
        version=config.version,
        licence_tag=config.licence.lower(),
        licence_reason=options.licence_reason,
        text=config.text.backbone,
        base=base.name,
        base_version=base.version,
        base_text=base.config.text.backbone,
        audio=config.audio.backbone,
        image=f" and its image tower ({config.image.backbone})" if config.image else "",
        heads=heads.card(),
        languages=len(config.languages),
        centred=", by which texts are centred first" if config.centring else ", which are not used",
        recipe=options.recipe,
        seed=options.loop.seed,
        sentences=sum(told.sentences.values()),
        texts=sum(told.texts.values()),
        text_languages=told.languages,
        media=sum(told.media.values()),
        disjoint=", but no translation of a sentence is in the bank"
        if options.banks.disjoint
        else ", so translations of a sentence may lie in the bank, unmarked",
        policy=options.banks.policy,
        seen=POLICIES[options.banks.policy],
        text_table="\n".join(_text_rows(told)),
        clips=len(clips),
        captions=len({caption for clip in clips for caption in clip.captions["en"]}),
        stamps=len(stamps),
        benchmark=f"{material.rows.name}, hash {rows_hash(material.rows)}",
        table="\n".join(_clip_rows(clips)),
    )


def _text_rows(told: Told) -> Iterator[str]:
    for key in sorted({*told.sentences, *told.texts}):
        row = sources.SOURCES.get(key)
        licence = row.licence if row else "descriptions of the sounds and pictures below"
        yield f"| {key} | {licence} | {told.sentences.get(key, 0)} | {told.texts.get(key, 0)} |"


def _clip_rows(clips: Sequence[Clip]) -> Iterator[str]:
    for key, count in sorted(Counter(clip.source for clip in clips).items()):
        row = sources.SOURCES.get(key)
        package = f"{row.package} {row.version} ({row.client})" if row else "a folder of the user's"
        licences = ", ".join(sorted({clip.licence for clip in clips if clip.source == key}))
        yield f"| {key} | {package} | {count} | {licences} |"
