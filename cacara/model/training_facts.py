"""Training costs of a model: its trained parameters, and its card's front matter on data and time.

The head of ``README.md`` is YAML between two lines of ``---``; training writes there, for example::

    training:
      sounds: 556
      pictures: 389
      translations: 67358
      minutes: 42
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cacara.errors import CheckpointError
from cacara.model import checkpoint, towers, weights_file
from cacara.model.parts import table
from cacara.model.parts.part import with_prefix

KEY = "training"


@dataclasses.dataclass(frozen=True)
class TrainingFacts:
    """Training data of a model and of the base it began with; None where the card does not state it.

    Attributes:
        sounds: Sounds with English captions.
        pictures: Pictures with English descriptions.
        translations: Pairs of an English text and its translation.
        unpaired_texts: Texts that nothing is said of but their language.
        minutes: Wall time of all trainings on the machine that did them, what was in its cache not counted.
    """

    sounds: int | None = None
    pictures: int | None = None
    translations: int | None = None
    unpaired_texts: int | None = None
    minutes: float | None = None

    def plus(self, other: TrainingFacts) -> TrainingFacts:
        """Return the sums: what one does not tell of its data counts nothing, but a time must be told by both."""
        found: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            both = [getattr(self, field.name), getattr(other, field.name)]
            told = [value for value in both if value is not None]
            known = len(told) == 2 if field.name == "minutes" else bool(told)
            found[field.name] = sum(told) if known else None
        return TrainingFacts(**found)

    def data(self) -> str:
        """Return the data in words, such as ``556 sounds, 389 pictures, 67,358 translations``; empty if not told."""
        told = (field.name for field in dataclasses.fields(self) if field.name != "minutes")
        return ", ".join(f"{value:,} {name.replace('_', ' ')}" for name in told if (value := getattr(self, name)))


def of_card(card: str) -> TrainingFacts:
    """Return what a card's head says; nothing where it has no head or does not say.

    Raises:
        CheckpointError: The head is no YAML, or what it says are no numbers of at least 0.
    """
    import yaml

    try:
        head = yaml.safe_load(card.split("\n---\n", 1)[0]) if card.startswith("---\n") else None
    except yaml.YAMLError as error:
        raise CheckpointError(f"the head of a model's card is no YAML: {' '.join(str(error).split())[:200]}") from error
    told = head.get(KEY) if isinstance(head, Mapping) else None
    if told is None:
        return TrainingFacts()
    known = {field.name for field in dataclasses.fields(TrainingFacts)}
    if not isinstance(told, Mapping) or not set(told) <= known:
        raise CheckpointError(f"{KEY} in a model's card is {told!r:.80}; wanted numbers of {', '.join(sorted(known))}")
    for name, value in told.items():
        wanted = (int, float) if name == "minutes" else (int,)
        if isinstance(value, bool) or not isinstance(value, wanted) or not 0 <= value < math.inf:
            raise CheckpointError(f"{KEY}.{name} in a model's card is {value!r:.40}; wanted a number of at least 0")
    return TrainingFacts(**told)


def into_card(card: str, facts: TrainingFacts) -> str:
    """Return a card whose head says so, in place of what it said; a card without a head gets one."""
    lines = [f"  {name}: {value}" for name, value in dataclasses.asdict(facts).items() if value is not None]
    head, body = ("---", f"---\n\n{card}")
    if card.startswith("---\n") and "\n---\n" in card:
        head, body = card.split("\n---\n", 1)
        body = f"---\n{body}"
    kept, inside = [], False
    for line in head.split("\n"):
        inside = line == f"{KEY}:" or (inside and line.startswith(" "))
        if not inside:
            kept.append(line)
    return "\n".join([*kept, *([f"{KEY}:", *lines] if lines else []), body])


def trained_parameters(folder: Path) -> dict[str, int]:
    """Return how many parameters of a model folder training set: ``sounds``, ``pictures``, ``texts`` and ``all``.

    uCLIP's heads count as ``texts``: they were trained to bring texts to what was there.

    Raises:
        CheckpointError: The folder cannot be read.
    """
    config = checkpoint.read_config(folder)
    _, tensors = weights_file.read(folder / checkpoint.WEIGHTS)
    found = dict.fromkeys(("sounds", "pictures", "texts"), 0)
    for kind in table.parts_of(config):
        if kind.trained_for:
            found[kind.trained_for] += kind.count_trained(config, with_prefix(tensors, kind.prefix), folder)
    for prefix, side in towers.TRAINED_FOR.items():
        found[side] += sum(value.numel() for value in with_prefix(tensors, prefix).values())
    return {**found, "all": sum(found.values())}
