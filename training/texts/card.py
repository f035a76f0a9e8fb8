"""The section of a model's card on its trained text side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from cacara import sources
from cacara.model.config import ModelConfig
from training import card as model_card
from training.data.translations import COMPOSED, Translation

if TYPE_CHECKING:
    from training.texts.alignment import TextAlignmentOptions

HEADING = "Text side"

_HELD = """\
**In this folder**: low-rank updates (rank {rank}, {parameters:,} parameters, half precision) of the text encoder,
  merged when the model is loaded. Sounds and pictures are those of `{base}`, bit by bit; what is said of its frozen
  text tower and of its languages' centres above does not hold here: all languages share the centre of English."""
_MADE = """\
`{command}` with seed {seed}, on {pairs}
translations in {languages} languages of {english} English texts. The target of each is where the frozen encoder puts
its English text{captions}; no sound or picture took part."""


def render(
    base: Path,
    config: ModelConfig,
    options: TextAlignmentOptions,
    pairs: Sequence[Translation],
    captions: int,
    updates: Mapping[str, Tensor],
) -> str:
    """Return the base's card under the new name, with a section on the text side at its end.

    Args:
        base: The folder of the model whose text side was trained.
        config: The new model's config.
        options: What it was trained with.
        pairs: What it was trained on.
        captions: How many English captions of sounds had to stay where they are.
        updates: The trained part.
    """
    card, base_name = model_card.of_base(base, config)
    run = f"--recipe {options.recipe} --base {base_name} --output runs/{options.name}"
    parameters = sum(value.numel() for value in updates.values())
    listed = (
        _HELD.format(rank=options.rank, parameters=parameters, base=base_name),
        f"**What text it saw** (policy `{options.policy}`): {model_card.POLICIES[options.policy]}",
    )
    made = _MADE.format(
        command=f"python -m training text_alignment {run}",
        seed=options.loop.seed,
        pairs=len(pairs),
        languages=len({pair.language for pair in pairs}),
        english=len({pair.english for pair in pairs}),
        captions=f", and {captions:,} of AudioCaps' English captions (MIT) stay where it puts them" if captions else "",
    )
    counts = sorted(Counter(pair.source for pair in pairs).items())
    rows = [(key, _licence(key), count) for key, count in counts]
    sources_table = model_card.table(("source", "licence of the package", "pairs"), rows)
    return model_card.with_section(card, HEADING, model_card.items(listed), made, sources_table)


def _licence(source: str) -> str:
    return "as the others: two of their words each" if source == COMPOSED else sources.source(source).licence
