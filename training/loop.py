"""The one training loop; a method is a module whose ``forward(batch)`` returns named losses."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class LoopOptions:
    """How long and how fast.

    Attributes:
        steps: Optimiser steps.
        batch_size: Items a step, over all processes.
        learning_rate: Peak of a cosine schedule with linear warm-up.
        weight_decay: AdamW's.
        warmup_share: Share of the steps in which the learning rate rises.
        seed: Of everything random.
        checkpoint_every: Steps between two resumable states.
        precision: ``no``, ``bf16`` or ``fp16``, as accelerate calls them.
    """

    steps: int = 400
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    seed: int = 0
    checkpoint_every: int = 200
    precision: str = "no"


class Batches(Protocol):
    """Training data: batches that depend on nothing but the step, so that resuming is exact."""

    def batch(self, indices: Sequence[int], step: int, seed: int) -> dict[str, Any]:
        """Return the items ``indices`` as one batch."""

    def __len__(self) -> int:
        """Return the number of items."""


def train(method: nn.Module, data: Batches, options: LoopOptions, output: Path) -> None:
    """Train ``method`` on ``data``; continues from the last state in ``output`` when there is one.

    Args:
        method: ``forward(batch)`` returns a dict of scalars, of which ``loss`` is minimised.
        data: The batches.
        options: How long and how fast.
        output: Folder for ``metrics.jsonl`` and the states.
    """
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    set_seed(options.seed)
    accelerator = Accelerator(mixed_precision=options.precision)
    trained = [parameter for parameter in method.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        trained, lr=options.learning_rate, weight_decay=options.weight_decay, betas=(0.9, 0.98)
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, options))
    wrapped, optimizer, schedule = accelerator.prepare(method, optimizer, schedule)
    output.mkdir(parents=True, exist_ok=True)
    start = _resume(accelerator, output)
    wrapped.train()
    share = options.batch_size // accelerator.num_processes
    for step in range(start, options.steps):
        indices = _indices(len(data), options, step)
        mine = indices[accelerator.process_index * share : (accelerator.process_index + 1) * share]
        losses = wrapped(data.batch(mine, step, options.seed))
        accelerator.backward(losses["loss"])
        accelerator.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if accelerator.is_main_process:
            _record(output, step, losses, options)
        if (step + 1) % options.checkpoint_every == 0 and step + 1 < options.steps:
            _save_state(accelerator, output, step + 1)
    accelerator.wait_for_everyone()


def _indices(items: int, options: LoopOptions, step: int) -> list[int]:
    """Return the step's items: a shuffled pass over the data, then another, whatever happened before."""
    start = step * options.batch_size
    chosen: list[int] = []
    while len(chosen) < options.batch_size:
        epoch, offset = divmod(start + len(chosen), items)
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + epoch)
        order = torch.randperm(items, generator=generator)[offset:].tolist()
        chosen += order[: options.batch_size - len(chosen)]
    return chosen


def _rate(step: int, options: LoopOptions) -> float:
    warmup = max(1, round(options.steps * options.warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, options.steps - warmup)))


def _record(output: Path, step: int, losses: dict[str, Tensor], options: LoopOptions) -> None:
    row = {"step": step + 1, **{name: round(float(value.detach()), 6) for name, value in losses.items()}}
    with (output / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    if (step + 1) % max(1, options.steps // 20) == 0:
        log.info("step %d of %d: loss %.4f", step + 1, options.steps, row["loss"])


def _save_state(accelerator: Any, output: Path, step: int) -> None:  # noqa: ANN401
    """Write a resumable state beside its place, then put it there; only the newest is kept."""
    folder = output / f"step-{step:06d}"
    partial = output / f"step-{step:06d}.partial"
    accelerator.save_state(str(partial))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        partial.replace(folder)
        for older in _states(output)[:-1]:
            shutil.rmtree(older)
    accelerator.wait_for_everyone()


def _states(output: Path) -> list[Path]:
    return sorted(path for path in output.glob("step-*") if path.suffix != ".partial")


def _resume(accelerator: Any, output: Path) -> int:  # noqa: ANN401
    """Load the newest state and cut the metrics back to it; return the step to go on with."""
    states = _states(output)
    metrics = output / "metrics.jsonl"
    start = 0
    if states:
        accelerator.load_state(str(states[-1]))
        start = int(states[-1].name.split("-")[1])
        log.info("resuming at step %d", start)
    if accelerator.is_main_process and metrics.exists():
        metrics.write_text("".join(metrics.read_text(encoding="utf-8").splitlines(True)[:start]), encoding="utf-8")
    return start
