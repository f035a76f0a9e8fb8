"""The section of a model's card on its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cacara import sources
from cacara.benchmark.dataset.benchmark_file import Rows
from cacara.galleries.manifest import Clip
from cacara.model.parts.head import ImageHead
from training import card as model_card

if TYPE_CHECKING:
    from training.images.alignment import ImageAlignmentOptions

HEADING = "Pictures"

_MADE = """\
`python -m training image_alignment --recipe {recipe} --base {base} --output runs/images` with seed {seed}, on
{pictures} pictures of {concepts} concepts with {captions} English captions; no other language, no concept of the test
or dev split of the sounds, and no sound with a picture was trained on. The benchmark of pictures is {benchmark}."""
_LICENCE = """\
The stamps' copyright file grants the GPL, version 2 or any later, which combines with the licence of these weights."""
_MEASURED = """\
`python -m cacara evaluate --modality image --split dev --model {base}`; the figures stand in the project's README.
Photographs of things that ImageNet does not name are found badly."""


def add(
    card: str,
    options: ImageAlignmentOptions,
    pictures: Sequence[Clip],
    benchmark: Rows,
    head: ImageHead,
    base: str,
) -> str:
    """Return a card with a section on pictures at its end; an older one is replaced.

    Args:
        card: The card of the model that gets the pictures, Markdown.
        options: Options of the training.
        pictures: Training data.
        benchmark: The benchmark of pictures.
        head: The trained part.
        base: The model's name.
    """
    listed = (
        f"**Image tower**: {options.head.backbone}, frozen and not in this folder.",
        f"**In this folder**: {head.card()}. Texts and sounds are those of the model without pictures, bit by bit.",
    )
    made = _MADE.format(
        recipe=options.recipe,
        base=base,
        seed=options.loop.seed,
        pictures=len(pictures),
        concepts=len({picture.concept for picture in pictures}),
        captions=model_card.captions_of(pictures),
        benchmark=f"{benchmark.name}, hash {benchmark.hash}",
    )
    counts = {key: sum(picture.source == key for picture in pictures) for key in sorted({p.source for p in pictures})}
    rows = [(key, model_card.package_of(key), count, sources.source(key).licence) for key, count in counts.items()]
    columns = ("source", "package", "pictures", "licence of the package")
    blocks = (model_card.items(listed), made, model_card.table(columns, rows), _LICENCE, _MEASURED.format(base=base))
    return model_card.with_section(card, HEADING, *blocks)
