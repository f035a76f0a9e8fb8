"""Weights in a quarter of their size: matrices as int8, a scale a row."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

INT8, SCALE = ":int8", ":scale"
"""Suffixes of the names of a matrix's two tensors."""
LEAST = 4096
"""Smaller tensors stay as they are."""


def shrunk(tensors: Mapping[str, Tensor], kept: Collection[str] = ()) -> dict[str, Tensor]:
    """Return tensors with every large matrix as int8 and a scale a row: off by at most 1/254 of the row's largest.

    Args:
        tensors: By name.
        kept: Names that stay as they are.
    """
    made: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if value.ndim != 2 or value.numel() < LEAST or not value.is_floating_point() or name in kept:
            made[name] = value
            continue
        rows = value.detach().float()
        scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
        made[name + INT8] = (rows / scale).round().to(torch.int8)
        made[name + SCALE] = scale
    return made


def restored(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what ``shrunk`` was given, float32 where it was shrunk.

    Raises:
        LookupError: A matrix lacks its scale.
    """
    made: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name.endswith(INT8):
            made[name.removesuffix(INT8)] = value.float() * tensors[name.removesuffix(INT8) + SCALE].float()
        elif not name.endswith(SCALE):
            made[name] = value
    return made
