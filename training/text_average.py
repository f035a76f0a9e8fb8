"""A text side that is the mean of several, each trained in its own way.

A text side that learnt words alone finds the words of small languages best and forgets how sentences work; one that
learnt sentences too is the other way round. The mean of their weights keeps most of both and answers as fast as one,
as in "Model soups: averaging weights of multiple fine-tuned models" (arXiv 2203.05482), section 2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from cacara import checkpoint, seen_texts, weights_file
from cacara.checkpoint import TEXT_LORA
from cacara.seen_texts import SeenTexts
from training import text_alignment, text_card
from training.run_folder import RunError
from training.text_alignment import TextAlignmentOptions


@dataclasses.dataclass(frozen=True)
class TextAverageOptions:
    """One model.

    Attributes:
        name: The model's name.
        version: The version of its weights.
        recipe: The recipe's file, named in the card.
        parts: The text sides that it is the mean of; their names are unlike.
    """

    name: str
    version: str
    recipe: str
    parts: tuple[TextAlignmentOptions, ...]

    def __post_init__(self) -> None:
        names = [part.name for part in self.parts]
        if len(names) < 2 or len(set(names)) < len(names):
            raise RunError(f"parts are named {', '.join(names) or 'nothing'}; wanted two or more, unlike")
        if wrong := [name for name in names if Path(name).name != name or name == "final"]:
            raise RunError(f"a part is named {wrong[0]!r}; wanted the name of a folder beside final")


def train(options: TextAverageOptions, base: str | Path, output: Path, benchmark: Path) -> Path:
    """Train the parts, each in a folder of its name in ``output``, and write their mean to ``output / "final"``.

    Args:
        options: The model.
        base: A model's name or folder; its audio and image sides are copied bit by bit.
        output: The run's folder; run again to go on.
        benchmark: The frozen benchmark, whose texts are kept out as the parts' policies say.

    Returns:
        The checkpoint's folder.

    Raises:
        As ``text_alignment.train``.
    """
    command = f"python -m training text_average --recipe {options.recipe} --base {base} --output runs/{options.name}"
    finals = [text_alignment.train(part, base, output / part.name, benchmark, command) for part in options.parts]
    write(output / "final", checkpoint.find(base), options, finals)
    return output / "final"


def write(folder: Path, base: Path, options: TextAverageOptions, finals: Sequence[Path]) -> None:
    """Write the model: ``base`` with the mean of the parts' updates, card and statement of what they saw.

    Args:
        folder: Target.
        base: The folder of the model whose text side was trained.
        options: The model.
        finals: The parts' checkpoints, in the order of ``options.parts``.
    """
    config = dataclasses.replace(checkpoint.read_config(base), name=options.name, version=options.version)
    said = [statement for final in finals if (statement := seen_texts.read(final)) is not None]
    seen = SeenTexts(
        said[0].benchmark,
        frozenset().union(*(each.concepts for each in said)),
        frozenset().union(*(each.texts for each in said)),
    )
    updates = mean([_updates(final) for final in finals])
    sections = {part.name: text_card.section_of(final) for part, final in zip(options.parts, finals, strict=True)}
    checkpoint.add_text(base, folder, config, updates, text_card.render_average(base, config, sections), seen)


def mean(updates: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return updates whose products are the mean of the parts' products: ranks add up.

    Args:
        updates: As ``lora.state`` returns them, without the prefix, of the same layers.
    """
    return {
        name: torch.cat([each[name] for each in updates])
        if name.endswith(".down")
        else torch.cat([each[name] / len(updates) for each in updates], dim=1)
        for name in updates[0]
    }


def _updates(folder: Path) -> dict[str, Tensor]:
    _, tensors = weights_file.read(folder / weights_file.NAME)
    return {name.removeprefix(TEXT_LORA): value for name, value in tensors.items() if name.startswith(TEXT_LORA)}
