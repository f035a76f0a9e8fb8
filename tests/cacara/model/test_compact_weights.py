"""Matrices as int8 and back: how far off, what stays, what is refused."""

from __future__ import annotations

import pytest
import torch

from cacara.model import compact_weights


def test_a_matrix_comes_back_within_half_a_step_of_its_row():
    torch.manual_seed(0)
    matrix = torch.randn(80, 64) * torch.logspace(-3, 3, 80)[:, None]
    stored = compact_weights.shrunk({"layer.weight": matrix})
    assert stored["layer.weight:int8"].dtype == torch.int8 and set(stored) == {
        "layer.weight:int8",
        "layer.weight:scale",
    }
    back = compact_weights.restored(stored)["layer.weight"]
    step = matrix.abs().amax(1, keepdim=True) / 127
    assert ((back - matrix).abs() <= 0.5001 * step).all()


def test_vectors_small_matrices_whole_numbers_and_named_ones_stay_as_they_are():
    tensors = {
        "bias": torch.randn(9000),
        "small": torch.randn(8, 8),
        "count": torch.tensor(3),
        "named": torch.randn(80, 64),
    }
    stored = compact_weights.shrunk(tensors, kept=("named",))
    assert stored.keys() == tensors.keys() and all(stored[name] is value for name, value in tensors.items())
    assert compact_weights.restored(stored).keys() == tensors.keys()


def test_a_row_of_zeros_stays_zero():
    back = compact_weights.restored(compact_weights.shrunk({"w": torch.zeros(80, 64)}))["w"]
    assert torch.equal(back, torch.zeros(80, 64))


def test_a_matrix_without_its_scale_is_refused():
    with pytest.raises(LookupError):
        compact_weights.restored({"w:int8": torch.zeros(4, 4, dtype=torch.int8)})
