"""Low-rank updates of linear layers and 1×1 convolutions: trained small, stored small, merged for use."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional


class LoraLinear(nn.Module):
    """A frozen linear layer plus a trainable update of low rank.

    ``y = W x + b + U D x`` with ``D`` [rank, in] and ``U`` [out, rank]. ``U`` begins at zero, so that training begins
    at the frozen layer. After "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685), section 4.1,
    with the scale α / r taken into the learning rate.
    """

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.empty(rank, base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [..., out] of [..., in]."""
        return self.base(inputs) + functional.linear(functional.linear(inputs, self.down), self.up)


class LoraPointwise(nn.Module):
    """The same for a 1×1 convolution, which is a linear layer at every place of its input."""

    def __init__(self, base: nn.Conv2d, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.empty(rank, base.in_channels))
        self.up = nn.Parameter(torch.zeros(base.out_channels, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [N, out, ...] of [N, in, ...]."""
        low = functional.conv2d(inputs, self.down[..., None, None])
        return self.base(inputs) + functional.conv2d(low, self.up[..., None, None])


Update = LoraLinear | LoraPointwise


def _fits(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d):
        return layer.kernel_size == layer.stride == (1, 1) and layer.padding == (0, 0) and layer.groups == 1
    return isinstance(layer, nn.Linear)


def attach(module: nn.Module, rank: int, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, Update]:
    """Replace linear layers and 1×1 convolutions inside ``module`` by updated ones; return these by the layers' names.

    Args:
        module: Changed in place; all its own parameters are frozen.
        rank: Of every update, 1 or more.
        wanted: Says of a layer's dotted name whether it gets an update.
    """
    module.requires_grad_(False)
    names = [name for name, layer in module.named_modules() if _fits(layer) and wanted(name)]
    attached: dict[str, Update] = {}
    for name in names:
        parent, _, child = name.rpartition(".")
        layer = module.get_submodule(name)
        kind = LoraPointwise if isinstance(layer, nn.Conv2d) else LoraLinear
        attached[name] = kind(layer, rank)  # type: ignore[arg-type]
        setattr(module.get_submodule(parent), child, attached[name])
    return attached


def state(attached: Mapping[str, Update]) -> dict[str, Tensor]:
    """Return the updates' tensors: ``NAME.down`` and ``NAME.up``."""
    return {
        f"{name}.{part}": getattr(layer, part).detach() for name, layer in attached.items() for part in ("down", "up")
    }


def merge(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Add the updates of ``state`` to the weights of a module that has none attached, in place.

    Raises:
        KeyError: An update's other half is missing, or the module has no such layer of its name.
        ValueError: An update's shape does not fit its layer.
    """
    for name in sorted({key.rpartition(".")[0] for key in tensors}):
        try:
            layer = module.get_submodule(name)
        except AttributeError as error:
            raise KeyError(f"{name}: no such layer") from error
        if not isinstance(layer, (nn.Linear, nn.Conv2d)) or not _fits(layer):
            raise KeyError(f"{name}: a {type(layer).__name__}, wanted a linear layer or a 1×1 convolution")
        down, up = tensors[f"{name}.down"], tensors[f"{name}.up"]
        if up.ndim != 2 or down.ndim != 2 or (up.shape[0], down.shape[1]) != tuple(layer.weight.shape[:2]):
            wanted = f"[{layer.weight.shape[0]}, rank] and [rank, {layer.weight.shape[1]}]"
            raise ValueError(f"{name}: an update of {list(up.shape)} and {list(down.shape)}; wanted {wanted}")
        with torch.no_grad():
            layer.weight += (up.float() @ down.float()).reshape(layer.weight.shape).to(layer.weight)
