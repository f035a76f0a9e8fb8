"""Trainable parts of the audio tower, and what of them a checkpoint must keep."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Literal, get_args

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recomputed

from cacara.encoders.audio import AudioTower
from cacara.model.parts import lora
from training.run_folder import RunError

Trainable = Literal["projection", "last_n", "all", "lora"]
"""The audio head alone; the last stages too; the whole tower; or low-rank updates of it."""


@dataclasses.dataclass(frozen=True)
class TuningOptions:
    """Settings of the audio tower's training when ``trainable`` is more than ``projection``.

    Attributes:
        last_n: Stages that learn with ``last_n``: blocks of YAMNet, layers of AST, stages of CLAP.
        lora_rank: Rank of the updates of ``lora``.
        lora_stages: Last stages that get updates with ``lora``; 0 for all.
        rate: The tower's learning rate, as a share of the head's.
        cached: Keep what the frozen stages make of every view; else each step reads its clips anew.
        checkpoint_gradients: Compute the stages a second time on the way back instead of keeping what they gave.
    """

    last_n: int = 2
    lora_rank: int = 8
    lora_stages: int = 0
    rate: float = 0.1
    cached: bool = True
    checkpoint_gradients: bool = False

    def __post_init__(self) -> None:
        for name in ("last_n", "lora_rank", "rate"):
            if getattr(self, name) <= 0:
                raise RunError(f"tuning.{name} is {getattr(self, name)}; wanted more than 0")
        if self.lora_stages < 0:
            raise RunError(f"tuning.lora_stages is {self.lora_stages}; wanted 0 or more")


@dataclasses.dataclass(frozen=True)
class TrainablePart:
    """A tower whose wanted part learns.

    Attributes:
        tower: The tower, changed in place.
        updates: The low-rank updates by the names of their layers in the tower; empty without ``lora``.
    """

    tower: AudioTower
    updates: Mapping[str, lora.Update]

    @property
    def parameters(self) -> int:
        """Number of parameters of the tower that learn."""
        return sum(parameter.numel() for parameter in self.tower.parameters() if parameter.requires_grad)

    def changed_weights(self) -> dict[str, Tensor]:
        """Return the tensors that learnt under the tower's own names; none with ``lora``, whose tower is unchanged."""
        if self.updates:
            return {}
        return {name: value.detach() for name, value in self.tower.named_parameters() if value.requires_grad}

    def changed_updates(self) -> dict[str, Tensor]:
        """Return the low-rank updates as ``lora.merge`` takes them."""
        return lora.state(self.updates)


def open_part(tower: AudioTower, trainable: Trainable, options: TuningOptions) -> TrainablePart:
    """Freeze a tower but for the part that is to learn; batch norms keep their statistics, the classifier its weights.

    Args:
        tower: Changed in place.
        trainable: The part.
        options: How much of it.

    Raises:
        RunError: The tower has fewer stages than are wanted, or no layers for low-rank updates.
    """
    tower.requires_grad_(False)
    network = tower.network
    frozen = frozen_stages(tower, trainable, options)
    learning = [module for stage in network.stages()[frozen:] for module in stage]
    updates: Mapping[str, lora.Update] = {}
    if trainable == "lora":
        inside = {part for module in learning for part in module.modules()}
        wanted = {
            name
            for name, part in tower.named_modules()
            if part in inside and name.rpartition(".")[2] in network.lora_layers
        }
        if not wanted:
            raise RunError(f"these stages of a {type(network).__name__} have no layers for low-rank updates")
        updates = lora.attach(tower, options.lora_rank, wanted.__contains__)
    else:
        for module in learning:
            module.requires_grad_(True)
    if options.checkpoint_gradients:
        for module in learning:
            _recompute(module)
    return TrainablePart(tower, updates)


def frozen_stages(tower: AudioTower, trainable: Trainable, options: TuningOptions) -> int:
    """Return how many of the tower's first stages do not learn.

    Raises:
        RunError: The tower has fewer stages than are wanted.
    """
    if trainable not in get_args(Trainable):
        raise RunError(f"trainable is {trainable!r}; wanted one of {', '.join(get_args(Trainable))}")
    stages = len(tower.network.stages())
    wanted = {"projection": 0, "last_n": options.last_n, "all": stages, "lora": options.lora_stages or stages}[
        trainable
    ]
    if wanted > stages:
        name = "last_n" if trainable == "last_n" else "lora_stages"
        raise RunError(f"tuning.{name} is {wanted}; the audio tower has {stages} stages")
    return stages - wanted


def _recompute(module: nn.Module) -> None:
    """Let a module keep nothing but its input for the way back, where it is computed again."""
    forward = functools.partial(recomputed, module.forward, use_reentrant=False)
    module.forward = forward  # type: ignore[method-assign]
