"""Weights that ``transformers`` reads, all of them or none: it would fill gaps up with random ones and only warn."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from cacara.errors import CheckpointError


def read_strictly(kind: Any, place: str, unused: str = "") -> nn.Module:  # noqa: ANN401
    """Return ``kind.from_pretrained(place)`` in float32, refusing a checkpoint that does not hold all weights.

    Args:
        kind: A model class of ``transformers``.
        place: A folder or hub id.
        unused: A part, a direct child, that is not used: where its weights are missing it is taken out.

    Raises:
        CheckpointError: Weights are missing or of another shape.
        OSError: Nothing can be read there.
    """
    with quiet():
        model, told = kind.from_pretrained(place, dtype=torch.float32, output_loading_info=True)
    missing = sorted(map(str, [*told["missing_keys"], *told["mismatched_keys"]]))
    wrong = [name for name in missing if not (unused and name.startswith(f"{unused}."))]
    if wrong:
        raise CheckpointError(f"{len(wrong)} weights are missing or of another shape, first {wrong[0]}")
    if missing:
        setattr(model, unused, None)
    return model


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep ``transformers``' progress bars and reports of missing weights off the screen: we look at them ourselves."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
