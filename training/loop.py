"""The one training loop; a method is a module whose ``forward(batch)`` returns named losses.

On several processes (``torchrun --nproc-per-node 2 -m training …``) every process prepares the same batch and computes
its share of the rows. What a loss compares over the whole batch the method gathers itself: ``losses.gather``.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from cacara import devices
from cacara_files import atomic
from training.run_folder import DEADLINE, METRICS, STATES, RunError

if TYPE_CHECKING:
    from accelerate import Accelerator

GRADIENT_NORM = 1.0
BETAS = (0.9, 0.98)
PARTIAL = ".partial"

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class LoopOptions:
    """Length and learning rate of a training.

    Attributes:
        steps: Optimiser steps.
        batch_size: Items a step, over all processes.
        learning_rate: Peak of a cosine schedule with linear warm-up.
        weight_decay: AdamW's.
        warmup_share: Share of the steps in which the learning rate rises.
        seed: Of everything random.
        checkpoint_every: Steps between two resumable states.
        precision: ``no``, ``bf16`` or ``fp16``, as accelerate calls them; ``bf16`` is ``no`` on a processor that has no
            hardware for it.
    """

    steps: int = 400
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    seed: int = 0
    checkpoint_every: int = 200
    precision: Literal["no", "bf16", "fp16"] = "no"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate", "checkpoint_every"):
            if getattr(self, name) <= 0:
                raise RunError(f"loop.{name} is {getattr(self, name)}; wanted more than 0")
        if not 0 <= self.warmup_share <= 1:
            raise RunError(f"loop.warmup_share is {self.warmup_share}; wanted 0 to 1")


class Batches(Protocol):
    """Training data: batches that depend on nothing but the step, so that resuming is exact."""

    def batch(self, indices: Sequence[int], step: int, seed: int) -> dict[str, Tensor]:
        """Return the items ``indices`` as one batch, a row of every tensor each, the same on every process."""

    def __len__(self) -> int:
        """Return the number of items, 1 or more."""


@runtime_checkable
class SharedBatches(Batches, Protocol):
    """Batches so costly that a process wants its own rows alone."""

    def share(self, indices: Sequence[int], step: int, seed: int, rows: slice) -> dict[str, Tensor]:
        """Return the rows ``rows`` of what ``batch`` returns."""


def start(options: LoopOptions) -> Accelerator:
    """Return the accelerator of this process, all random generators seeded.

    Args:
        options: Steps, batch size and learning rate.

    Raises:
        RunError: The batch cannot be split evenly, or the device knows no such precision.
    """
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    device = devices.resolve()
    try:
        accelerator = Accelerator(
            mixed_precision=precision_on(device, options.precision),
            cpu=device.type == "cpu",  # else two processes of torchrun would not know of each other
            step_scheduler_with_optimizer=False,  # accelerate would move the schedule once a process
        )
    except ValueError as error:
        raise RunError(f"loop.precision {options.precision!r} does not work here: {error}") from error
    if options.batch_size % accelerator.num_processes:
        raise RunError(
            f"loop.batch_size is {options.batch_size}; wanted a multiple of the {accelerator.num_processes} processes"
        )
    set_seed(options.seed, device_specific=True)
    return accelerator


def precision_on(device: torch.device, wanted: str) -> str:
    """Return the precision of ``LoopOptions`` that a device computes in where another was wanted."""
    if wanted != "bf16" or devices.fast_bfloat16(device):
        return wanted
    log.warning("this processor is slow in bfloat16: the training computes in float32")
    return "no"


def train(
    method: nn.Module,
    data: Batches,
    options: LoopOptions,
    output: Path,
    rates: Mapping[str, float] | None = None,
    decay: Literal["cosine", "linear"] = "cosine",
) -> None:
    """Train ``method`` on ``data``; continues from the last state in ``output`` when there is one.

    Args:
        method: ``forward(batch)`` returns a dict of scalars, of which ``loss`` is minimised.
        data: The batches.
        options: Steps, batch size and learning rate.
        output: Folder for ``metrics.jsonl`` and the states.
        rates: Shares of the learning rate for parameters whose names begin so; the others have the whole rate.
        decay: Course of the learning rate after the warm-up.

    Raises:
        RunError: As ``start`` raises it, the loss is no longer a number, or ``DEADLINE`` has come; run again to go on.
    """
    accelerator = start(options)
    trained = [parameter for parameter in method.parameters() if parameter.requires_grad]
    groups = _groups(method, options, rates or {})
    optimizer = torch.optim.AdamW(groups, lr=options.learning_rate, weight_decay=options.weight_decay, betas=BETAS)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, options, decay))
    wrapped, optimizer, schedule = accelerator.prepare(method, optimizer, schedule)
    output.mkdir(parents=True, exist_ok=True)
    begin = _resume(accelerator, output)
    wrapped.train()
    size = options.batch_size // accelerator.num_processes
    share = slice(accelerator.process_index * size, (accelerator.process_index + 1) * size)
    for step in range(begin, options.steps):
        batch = _share(data, _indices(len(data), options, step), step, options.seed, share)
        losses = wrapped({name: value.to(accelerator.device) for name, value in batch.items()})
        values = _values(accelerator, losses, step)
        accelerator.backward(losses["loss"])
        accelerator.clip_grad_norm_(trained, GRADIENT_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if accelerator.is_main_process:
            _record(output, step, values, options)
        late = _is_late(accelerator)
        if (late or (step + 1) % options.checkpoint_every == 0) and step + 1 < options.steps:
            _save_state(accelerator, output, step + 1)
            if late:
                raise RunError(f"the time is up after step {step + 1} of {options.steps}; run again to go on")
    accelerator.wait_for_everyone()


def _is_late(accelerator: Accelerator) -> bool:
    """Return whether ``DEADLINE`` has come, on all processes alike."""
    deadline = os.environ.get(DEADLINE)
    if not deadline:
        return False
    late = torch.tensor(float(time.time() >= float(deadline)), device=accelerator.device)
    return bool(accelerator.reduce(late, "sum") > 0)


def _groups(method: nn.Module, options: LoopOptions, rates: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the parameters that learn as AdamW's groups, one a rate."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in method.named_parameters():
        if parameter.requires_grad:
            rate = next((rate for prefix, rate in rates.items() if name.startswith(prefix)), 1.0)
            groups.setdefault(rate, []).append(parameter)
    return [{"params": group, "lr": rate * options.learning_rate} for rate, group in groups.items()]


def _share(data: Batches, indices: Sequence[int], step: int, seed: int, rows: slice) -> dict[str, Tensor]:
    if isinstance(data, SharedBatches):
        return data.share(indices, step, seed, rows)
    return {name: value[rows] for name, value in data.batch(indices, step, seed).items()}


def _indices(items: int, options: LoopOptions, step: int) -> list[int]:
    """Return the step's items: a shuffled pass over the data, then another, whatever happened before."""
    first = step * options.batch_size
    chosen: list[int] = []
    while len(chosen) < options.batch_size:
        epoch, offset = divmod(first + len(chosen), items)
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + epoch)
        order = torch.randperm(items, generator=generator)[offset:].tolist()
        chosen += order[: options.batch_size - len(chosen)]
    return chosen


def _rate(step: int, options: LoopOptions, decay: str = "cosine") -> float:
    warmup = max(1, round(options.steps * options.warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, options.steps - warmup)
    return 1 - done if decay == "linear" else 0.5 * (1 + math.cos(math.pi * done))


def _values(accelerator: Accelerator, losses: Mapping[str, Tensor], step: int) -> dict[str, float]:
    """Return the losses' means over all processes; stop before a bad one spoils the weights."""
    means = accelerator.reduce({name: value.detach().float() for name, value in losses.items()}, "mean")
    values = {name: float(value) for name, value in means.items()}
    if not math.isfinite(values["loss"]):
        raise RunError(f"the loss of step {step + 1} is {values['loss']}; lower the learning rate or the precision")
    return values


def _record(output: Path, step: int, values: Mapping[str, float], options: LoopOptions) -> None:
    row = {"step": step + 1, **{name: round(value, 6) for name, value in values.items()}}
    with (output / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    if (step + 1) % max(1, options.steps // 20) == 0:
        log.info("step %d of %d: loss %.4f", step + 1, options.steps, values["loss"])


def _save_state(accelerator: Accelerator, output: Path, step: int) -> None:
    """Write a resumable state beside its place, then put it there; only the newest is kept."""
    folder = output / f"step-{step:06d}"
    partial = folder.with_suffix(PARTIAL)
    if accelerator.is_main_process:
        shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed while writing it
    accelerator.wait_for_everyone()
    accelerator.save_state(str(partial))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        partial.replace(folder)
        for older in _states(output)[:-1]:
            shutil.rmtree(older)
    accelerator.wait_for_everyone()


def _states(output: Path) -> list[Path]:
    return sorted((path for path in output.glob(STATES) if path.suffix != PARTIAL), key=_step_of)


def _step_of(state: Path) -> int:
    return int(state.name.split("-")[1])


def _resume(accelerator: Accelerator, output: Path) -> int:
    """Load the newest state and cut the metrics back to it; return the step to go on with."""
    states = _states(output)
    metrics = output / METRICS
    begin = 0
    if states:
        accelerator.load_state(str(states[-1]))
        begin = _step_of(states[-1])
        log.info("resuming at step %d", begin)
    if accelerator.is_main_process and metrics.exists():
        atomic.write_text(metrics, "".join(metrics.read_text(encoding="utf-8").splitlines(True)[:begin]))
    return begin
