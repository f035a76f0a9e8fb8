from __future__ import annotations

import numpy as np
import pytest
import torch

from training.data import cached_arrays


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path))
    return tmp_path / "training"


def never():
    raise AssertionError("computed though it was in the cache")


def test_the_same_key_is_computed_once():
    first = cached_arrays.get("numbers", [1, {"a": "ä"}], lambda: {"x": np.arange(3), "y": np.ones(2, np.float32)})
    second = cached_arrays.get("numbers", [1, {"a": "ä"}], never)
    assert {name: value.tolist() for name, value in first.items()} == {"x": [0, 1, 2], "y": [1, 1]}
    assert all(np.array_equal(first[name], second[name]) for name in ("x", "y"))


def test_another_key_or_kind_is_computed_anew(cache):
    for number, (kind, key) in enumerate([("a", [1]), ("a", [2]), ("b", [1])]):
        assert cached_arrays.get(kind, key, lambda number=number: {"x": np.array([number])})["x"] == [number]
    assert len(list(cache.iterdir())) == 3


def test_a_failed_computation_leaves_nothing_behind(cache):
    with pytest.raises(AssertionError):
        cached_arrays.get("a", [1], never)
    with pytest.raises(ValueError, match="[Oo]bject"):
        cached_arrays.get("a", [1], lambda: {"x": np.array([{}], dtype=object)})
    assert list(cache.iterdir()) == []


def test_the_hash_of_weights_changes_with_any_of_them():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    hashes = {cached_arrays.weights_hash(module)}
    assert cached_arrays.weights_hash(module.train(False)) in hashes
    with torch.no_grad():
        module[0].bias[1] += 1e-6
        hashes.add(cached_arrays.weights_hash(module))
        module[1].num_batches_tracked += 1
        hashes.add(cached_arrays.weights_hash(module))
    assert len(hashes) == 3
