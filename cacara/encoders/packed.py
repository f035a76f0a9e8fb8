"""Layers whose weights lie as the processor reads them fastest, for inference on CPU in full precision.

oneDNN multiplies by weights in blocks. A plain layer makes those blocks anew in every call, which costs more than a
short text's arithmetic; here they are made once. Results differ from the plain layers' by rounding alone. The
operators are those that ``torch.compile`` itself puts into frozen CPU graphs; no public name leads to them, so what
uses them asks ``available`` first and keeps the plain layers otherwise.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Layer = Callable[[Tensor], Tensor]

log = logging.getLogger(__name__)

_OPERATORS = (
    "_linear_pointwise",
    "_reorder_linear_weight",
    "_convolution_pointwise",
    "_reorder_convolution_weight",
)


def available(module: nn.Module) -> bool:
    """Whether a module's weights can be packed: all float32 on a CPU where the operators do what plain layers do."""
    if not works():
        return False
    # Inference tensors count no versions: a later change could not be seen.
    return all(
        value.device.type == "cpu" and value.dtype == torch.float32 and not value.is_inference()
        for value in module.parameters()
    )


@functools.cache
def works() -> bool:
    """Whether packed layers give what plain ones give on this machine: tried once, as no release promises it."""
    if not torch.backends.mkldnn.is_available() or not all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS):
        return False
    made = torch.Generator().manual_seed(0)
    wide, kernel, bias = (torch.randn(*shape, generator=made) for shape in ((8, 8), (8, 1, 3, 3), (8,)))
    rows, maps = torch.randn(3, 8, generator=made), torch.randn(1, 8, 5, 5, generator=made)
    try:
        with torch.inference_mode(False), torch.no_grad():
            found = (
                linear(wide, bias, 3, "relu")(rows),
                linear(wide, bias, 3, "gelu")(rows),
                depthwise(kernel, bias, 1, 1, (1, 5, 5))(maps),
            )
    except (RuntimeError, AttributeError) as error:  # what an operator lacks or refuses
        log.warning("weights are not packed, which costs time alone: %s", error)
        return False
    straight = functional.linear(rows, wide, bias)
    mapped = functional.conv2d(maps, kernel, bias, 1, 1, 1, 8).relu()
    plain = straight.relu(), functional.gelu(straight), mapped
    return all(torch.allclose(ours, theirs, atol=1e-5) for ours, theirs in zip(found, plain, strict=True))


class StandIn:
    """A module's packed stand-in: made at its first use, and anew when a weight has been changed in place since."""

    def __init__(self, fits: Callable[[nn.Module], bool], pack: Callable[[Any], nn.Module]) -> None:
        """Make nothing yet.

        Args:
            fits: Whether a module can be packed.
            pack: Makes the stand-in of one that can.
        """
        self._fits, self._pack = fits, pack
        self._kept: tuple[list[tuple[int, int]], nn.Module] | None = None

    def of(self, module: nn.Module) -> nn.Module:
        """Return the stand-in, or the module itself where it cannot be packed."""
        kept = self._kept
        if kept is not None and kept[0] == _state(module):
            return kept[1]
        if not self._fits(module):
            return module
        state, made = _state(module), self._pack(module)
        self._kept = (state, made)
        return made


def _state(module: nn.Module) -> list[tuple[int, int]]:
    """Return where each weight lies and how often it has been changed in place; layers that come or go show in it."""
    return [(value.data_ptr(), -1 if value.is_inference() else value._version) for value in module.parameters()]


def linear(weight: Tensor, bias: Tensor, rows: int, activation: str = "none") -> Layer:
    """Return ``activation(x weightᵀ + bias)`` for x float32 [any rows, inputs].

    Args:
        weight: [outputs, inputs].
        bias: [outputs].
        rows: How many rows are usual; other counts work as well.
        activation: ``none``, ``relu`` or ``gelu``, the exact one.
    """
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), rows)
    kept = bias.detach().clone()
    variant = "none" if activation == "gelu" else ""

    def run(inputs: Tensor) -> Tensor:
        made: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, packed, kept, activation, [], variant)
        return made

    return run


def depthwise(weight: Tensor, bias: Tensor, padding: int, stride: int, size: tuple[int, int, int]) -> Layer:
    """Return a convolution of each channel by itself and ReLU, for x float32 [N, channels, height, width].

    Args:
        weight: [channels, 1, kernel, kernel].
        bias: [channels].
        padding: On all sides.
        stride: Along both axes.
        size: The usual N, height and width; others work as well.
    """
    channels = len(weight)
    steps, sides, dense = [stride, stride], [padding, padding], [1, 1]
    usual = [size[0], channels, size[1], size[2]]
    plain = weight.detach().contiguous(memory_format=torch.channels_last)
    packed = torch.ops.mkldnn._reorder_convolution_weight(plain, sides, steps, dense, channels, usual)
    kept = bias.detach().clone()

    def run(inputs: Tensor) -> Tensor:
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(
            inputs, packed, kept, sides, steps, dense, channels, "relu", [], ""
        )
        return made

    return run
