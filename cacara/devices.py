"""Devices and precision of computation."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from cacara.errors import DeviceError

if TYPE_CHECKING:
    import torch

PRECISIONS = ("float32", "bfloat16", "float16")
DEVICES = ("auto", "cpu", "cuda", "mps")


def resolve(device: str = "auto") -> torch.device:
    """Return the torch device for ``auto``, ``cpu``, ``cuda`` (also ``cuda:1``) or ``mps``.

    Raises:
        DeviceError: Unknown name, or this machine has no such device.
    """
    import torch

    kind = device.split(":")[0]
    if kind not in DEVICES:
        raise DeviceError(f"unknown device {device!r}; wanted one of {', '.join(DEVICES)}")
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind == "auto":
        kind = device = next(name for name in ("cuda", "mps", "cpu") if available[name])
    if not available[kind]:
        raise DeviceError(f"device {device!r} is not available here; use --device auto or cpu")
    return torch.device(device)


def precision(name: str, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Return the autocast context of a precision; ``float32`` is no autocast at all.

    Raises:
        DeviceError: Unknown precision.
    """
    import torch

    if name not in PRECISIONS:
        raise DeviceError(f"unknown precision {name!r}; wanted one of {', '.join(PRECISIONS)}")
    if name == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, name))


def keep_compiler_out(device: str) -> None:
    """Never import Triton in a program that computes on its CPU: it compiles for GPUs alone.

    ``transformers`` imports it with its generation code, wanted or not: 80 MB and half a second. To be called before
    ``transformers`` is imported; later it changes nothing.

    Args:
        device: As for ``resolve``; for other devices than a CPU nothing is done.
    """
    if device == "cpu" or (device == "auto" and resolve().type == "cpu"):
        # How Python is told that there is no such module.
        sys.modules.setdefault("triton", None)  # type: ignore[arg-type]
