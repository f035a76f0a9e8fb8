from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from cacara.model.parts import lora


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 4, 3), nn.Conv2d(4, 4, 1, groups=2), nn.Flatten(), nn.Linear(16, 5)
    return nn.Sequential(*layers).eval()


def stirred(attached) -> None:
    """Let the updates change something: as they begin, they do not."""
    for layer in attached.values():
        nn.init.normal_(layer.up)


def test_linear_layers_and_pointwise_convolutions_get_updates_that_change_nothing_at_first(network):
    inputs = torch.randn(2, 3, 4, 4)
    before = network(inputs)
    attached = lora.attach(network, 2)
    assert set(attached) == {"0", "4"}
    assert torch.equal(network(inputs), before)
    learning = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert learning == {"0.down", "0.up", "4.down", "4.up"}
    stirred(attached)
    assert not torch.allclose(network(inputs), before)


def test_merged_updates_do_what_attached_ones_did(network):
    whole, inputs = copy.deepcopy(network), torch.randn(2, 3, 4, 4)
    attached = lora.attach(network, 2)
    stirred(attached)
    tensors = lora.state(attached)
    assert {name: tuple(value.shape) for name, value in tensors.items()} == {
        "0.down": (2, 3),
        "0.up": (6, 2),
        "4.down": (2, 16),
        "4.up": (5, 2),
    }
    lora.merge(whole, tensors)
    torch.testing.assert_close(whole(inputs), network(inputs), atol=1e-5, rtol=1e-5)


def test_only_wanted_layers_are_updated(network):
    assert set(lora.attach(network, 1, lambda name: name == "4")) == {"4"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"9.down": torch.zeros(1, 3), "9.up": torch.zeros(6, 1)}, "9: no such layer"),
        ({"1.down": torch.zeros(1, 6), "1.up": torch.zeros(4, 1)}, "1: a Conv2d, wanted a linear layer or a 1×1"),
        ({"0.down": torch.zeros(1, 3)}, "0.up"),
        ({"0.down": torch.zeros(1, 4), "0.up": torch.zeros(6, 1)}, r"wanted \[6, rank\] and \[rank, 3\]"),
    ],
)
def test_updates_that_fit_no_layer_are_refused(network, changes, complaint):
    with pytest.raises((KeyError, ValueError), match=complaint):
        lora.merge(network, changes)
