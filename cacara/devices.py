"""Devices and precision of computation."""

from __future__ import annotations

import contextlib
import ctypes
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


def fast_bfloat16(device: torch.device) -> bool:
    """Return whether a device computes faster in bfloat16 than in float32: a CPU without AVX-512 is far slower in it.

    It is read from the processor, not measured, so that all processes of a training choose alike.
    """
    import torch

    return device.type != "cpu" or torch.backends.cpu.get_cpu_capability() == "AVX512"


def release_memory() -> None:
    """Give memory that was freed back to the system, where the C library keeps it: after a model was loaded, 60 MB."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None  # glibc's own
    if trim is not None:
        trim(0)
