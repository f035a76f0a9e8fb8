from __future__ import annotations

import copy
import os

import numpy as np
import pytest
import torch

from cacara import sources
from cacara.benchmark import text_cache


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "cache_folder", lambda: tmp_path)
    return tmp_path / "embeddings"


@pytest.fixture
def model(tiny_model):
    """The tiny model with nothing remembered."""
    fresh = tiny_model.variant("untrained")
    fresh._remembered = {}
    return fresh


def again(model):
    other = model.variant("untrained")
    other._remembered = {}
    return other


def test_a_later_model_with_the_same_tower_need_not_read_a_text_again(model, cache, monkeypatch):
    embedded = model.encode_text(["a dog", "Hund"], ["en", "de"])
    text_cache.keep(model, ["a dog", "Hund", "never asked"])
    later = again(model)
    monkeypatch.setattr(later, "text", copy.deepcopy(model.text))
    text_cache.recall(later, ["a dog", "Hund", "rain"])
    assert set(later.known_texts()) == {"a dog", "Hund"}
    monkeypatch.setattr(later.text, "tokenize", lambda texts: pytest.fail(f"read again: {texts}"))
    assert np.array_equal(later.encode_text(["a dog", "Hund"], ["en", "de"]), embedded)


def test_another_tower_has_another_memory(model, cache):
    model.encode_text(["dog"], "en")
    text_cache.keep(model, ["dog"])
    other = again(model)
    other.text = copy.deepcopy(model.text)
    with torch.no_grad():
        next(other.text.parameters()).view(-1)[0] += 1.0
    text_cache.recall(other, ["dog"])
    assert other.known_texts() == {}


def test_texts_are_added_and_a_damaged_file_is_made_anew(model, cache, caplog):
    for text in ("dog", "cat"):
        model.encode_text([text], "en")
        text_cache.keep(model, [text])
    (path,) = cache.iterdir()
    later = again(model)
    text_cache.recall(later, ["dog", "cat"])
    assert set(later.known_texts()) == {"dog", "cat"}
    path.write_bytes(path.read_bytes()[:100])
    damaged = again(model)
    text_cache.recall(damaged, ["dog"])
    assert damaged.known_texts() == {} and "unreadable and made anew" in caplog.text
    text_cache.keep(model, ["dog"])
    text_cache.recall(damaged, ["dog"])
    assert set(damaged.known_texts()) == {"dog"}


def test_only_the_towers_used_last_are_kept(model, cache):
    cache.mkdir()
    for number in range(text_cache.MAX_FILES + 3):
        (cache / f"texts-{number:02d}.npz").write_bytes(b"")
        os.utime(cache / f"texts-{number:02d}.npz", (number, number))
    (cache / "cacara-abc.npz").write_bytes(b"")
    model.encode_text(["dog"], "en")
    text_cache.keep(model, ["dog"])
    names = {path.name for path in cache.iterdir()}
    assert len(names) == text_cache.MAX_FILES + 1 and "cacara-abc.npz" in names
    assert "texts-00.npz" not in names and "texts-14.npz" in names
