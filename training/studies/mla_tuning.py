"""The paper's settings beyond zero-shot: acquirers after NLT, then fine-tuned with English texts alone, or with all.

What is fine-tuned are the projections of the sounds' and pictures' heads, and with all languages their acquirers too;
the English tower and ``W_e`` stay frozen. Its material is language exposure's: train sounds and train pictures.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara.encoders.text import TextTower
from cacara.model.model import Cacara
from training import losses
from training.data.features import Features
from training.mla import exposure
from training.mla.data import LanguageBatches
from training.mla.exposure import CaptionedItems
from training.studies import mla_probe
from training.studies import mla_ways as ways
from training.studies.mla_ways import StudyMaterial, TrainedAcquirers, TrainedWay

ROUNDS = 2
"""It is so many times as long as a second stage: sounds and pictures take turns."""


@dataclasses.dataclass(frozen=True, eq=False)
class Turn:
    """Texts of one language for things of one kind.

    Attributes:
        kind: ``sounds`` or ``pictures``.
        tower: Reads them.
        texts: Their labels count in the kind's things.
    """

    kind: str
    tower: TextTower
    texts: LanguageBatches


class TurnBatches:
    """A batch of one language and one kind of things, in turn."""

    def __init__(self, turns: Sequence[Turn], kinds: dict[str, Features], concepts: dict[str, Tensor]) -> None:
        """Put the parts together.

        Args:
            turns: At least one, each with texts.
            kinds: The things of each kind.
            concepts: The number of what each of them is, int64 [things].
        """
        self._turns, self._kinds, self._concepts = turns, kinds, concepts

    def __len__(self) -> int:
        """Return the number of texts."""
        return sum(len(turn.texts) for turn in self._turns)

    def batch(self, indices: Sequence[int], step: int, seed: int) -> dict[str, Tensor]:
        """Return texts as ``LanguageBatches`` does, with a view of each thing, its concept and the turn's number."""
        number = step % len(self._turns)
        turn = self._turns[number]
        batch = turn.texts.batch(indices, step, seed)
        things, chosen = self._kinds[turn.kind], batch.pop("labels").numpy()
        rng = np.random.default_rng([seed, step, 6])
        views = rng.integers(things.features.shape[1], size=len(chosen))
        return {
            "input_ids": batch["input_ids"],
            "attention_mask": batch["attention_mask"],
            "features": torch.from_numpy(things.features[chosen, views]),
            "probabilities": torch.from_numpy(things.probabilities[chosen, views]),
            "concepts": self._concepts[turn.kind][torch.from_numpy(chosen)],
            "turn": torch.full((len(chosen),), number),
        }


class Tuning(nn.Module):
    """Heads, and acquirers if they learn too, with the symmetric contrastive loss of language exposure."""

    def __init__(
        self, model: Cacara, turns: Sequence[Turn], sets: nn.ModuleDict, centre: Tensor, temperature: float
    ) -> None:
        """Put the parts together.

        Args:
            model: Its heads are copied.
            turns: As of the batches.
            sets: The acquirers that learn; the turns' towers share them.
            centre: Mean of English, float32 [dimension].
            temperature: Of the loss.
        """
        super().__init__()
        heads: dict[str, nn.Module] = {"sounds": copy.deepcopy(model.head)}
        if model.image_head is not None:
            heads["pictures"] = copy.deepcopy(model.image_head)
        self.heads = nn.ModuleDict(heads).requires_grad_(True)
        self.sets = sets
        self._turns, self._centre, self._temperature = tuple(turns), centre, temperature

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss of a batch of ``TurnBatches``."""
        turn = self._turns[int(batch["turn"][0])]
        read = turn.tower(batch["input_ids"], batch["attention_mask"]).float()
        texts = functional.normalize(read - self._centre, dim=-1)
        placed = self.heads[turn.kind](batch["features"], batch["probabilities"])
        same = batch["concepts"][:, None] == batch["concepts"][None, :]
        return {"loss": losses.contrastive(texts, placed, same, self._temperature)}


def tuned(world: StudyMaterial, folder: Path, everything: bool) -> TrainedWay:
    """Fine-tune after NLT.

    Args:
        world: The material.
        folder: Of all trainings; NLT is taken over from the variant of that name.
        everything: Whether with all languages, else with English alone.
    """
    trained = ways.train_acquirers(world, folder, "plain", ("nlt",), {}, False)
    trained.method.projection.requires_grad_(False)
    options = world.options
    flat = [pair for own in world.pairs.values() for pair in own]
    all_languages = ("en", *options.languages)
    things = exposure.things(world.model, options.packages, flat, all_languages, world.sounds, world.pictures)
    data = batches(world, trained, things, all_languages if everything else ("en",))
    sets = trained.method.sets if everything else nn.ModuleDict()
    method = Tuning(world.model, data.turns, sets, world.centre, options.temperature)
    length = dataclasses.replace(options.stages[1].loop, steps=ROUNDS * options.stages[1].loop.steps)
    place = folder / f"tuned-{'all' if everything else 'en'}"
    record = world.record(options, everything=everything)
    seconds = trained.seconds + ways.timed(
        place, functools.partial(ways.train_kept, method, data.batches, length, place, record)
    )
    sides = mla_probe.dev_sides(with_heads(world.model, method), options.languages, world.sounds, world.pictures)
    material = f"{world.count:,} pairs, {len(data.batches):,} texts with sounds or pictures"
    parameters = ways.learning(method.heads) + trained.parameters
    return TrainedWay(ways.reader(trained, world), parameters, seconds, material, sides)


@dataclasses.dataclass(frozen=True, eq=False)
class Material:
    """Turns, and the batches of them."""

    turns: tuple[Turn, ...]
    batches: TurnBatches


def batches(
    world: StudyMaterial, trained: TrainedAcquirers, things: CaptionedItems, languages: Sequence[str]
) -> Material:
    """Return a turn for each language and kind that has texts.

    Args:
        world: Its model reads English.
        trained: Reads the other languages.
        things: What is heard and seen.
        languages: BCP-47 codes, English among them.
    """
    count = len(things.sounds.features)
    kinds = {"sounds": things.sounds, **({"pictures": things.pictures} if things.pictures is not None else {})}
    concepts = torch.tensor(things.concepts)
    parts = {"sounds": concepts[:count], "pictures": concepts[count:]}
    turns = []
    for code in languages:
        own = things.texts.get(code, ())
        english = code == "en"
        tower = world.model.text if english else trained.tower(code)
        tokenizer = world.model.text.tokenizer if english else trained.acquirers.tokenizer
        for kind in kinds:
            kept = [(text, place) for text, place in own if (place < count) == (kind == "sounds")]
            texts = LanguageBatches(tokenizer, 4 * world.options.max_tokens)
            prefix = world.model.config.text.prefix if english else ""
            labels = [place if kind == "sounds" else place - count for _, place in kept]
            if texts.add([prefix + text for text, _ in kept], labels, [1.0] * len(kept)):
                turns.append(Turn(kind, tower, texts))
    return Material(tuple(turns), TurnBatches(turns, kinds, parts))


def with_heads(model: Cacara, method: Tuning) -> Cacara:
    """Return a model with the heads that were tuned; the one given stays as it is."""
    return model.with_parts(*method.heads.values())  # type: ignore[arg-type]
