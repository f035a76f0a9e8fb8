from __future__ import annotations

import copy
import dataclasses
import json

import numpy as np
import pytest
import torch

from cacara.benchmark import entries
from cacara.benchmark.entries import grouped, load, parse, seen_by
from cacara.benchmark.systems import SharedModel, SharedTowers
from cacara.encoders import audio as audio_towers
from cacara.encoders import text as text_towers
from cacara.errors import CheckpointError
from cacara.model import checkpoint
from cacara.model.seen_texts import SEEN
from cacara.model.towers import TowerUpdates


@pytest.fixture
def folder_of(tiny_model, tmp_path, monkeypatch):
    """A function that saves the tiny model as a folder, with other weights and name if wanted."""
    monkeypatch.setattr(audio_towers, "load", lambda *_: _fresh_tower(tiny_model))

    def save(folder, name="tiny", shift=0.0, seen=None):
        head = copy.deepcopy(tiny_model.head)
        with torch.no_grad():
            head.projection[1].weight += shift
        config = dataclasses.replace(tiny_model.config, name=name)
        checkpoint.save(tmp_path / folder, config, [head, tiny_model.centring], "# card")
        if seen is not None:
            content = {"format_version": 1, "benchmark": "x", "concepts": seen, "texts": []}
            (tmp_path / folder / SEEN).write_text(json.dumps(content))
        return str(tmp_path / folder)

    return save


def _fresh_tower(tiny_model):
    return copy.deepcopy(tiny_model.audio)


def test_names_labels_and_variants_are_told_apart(folder_of):
    one, two = folder_of("one"), folder_of("two", shift=1.0)
    entries = parse([one, two, f"{one}:untrained", f"mine={two}:projection"])
    assert [(entry.name, entry.variant) for entry in entries] == [
        ("tiny", None),
        ("tiny", None),
        ("tiny:untrained", "untrained"),
        ("mine", "projection"),
    ]
    assert grouped(entries) == {"tiny": [0, 1], "tiny:untrained": [2], "mine": [3]}
    assert parse(["cacara:untrained"])[0].name == "cacara:untrained"


def test_a_folder_whose_name_holds_a_colon_or_an_equals_sign_is_found(folder_of):
    assert parse([folder_of("lr=1:untrained")])[0].variant is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["absent"], "no model 'absent'"),
        (
            ["cacara:best"],
            "no variant 'best'; wanted one of native, unlexical, untrained, anchor, projection, unprofiled",
        ),
        (["cacara", "cacara"], "'cacara' is the same model as 'cacara'"),
        (["cacara", "again=cacara"], "'again=cacara' is the same model as 'cacara'"),
        (["a|b=cacara"], "label 'a|b' is unfit"),
        ([], "no model to compare"),
    ],
)
def test_what_cannot_be_compared_is_told(given, message):
    with pytest.raises(CheckpointError) as caught:
        parse(given)
    assert message in str(caught.value)


def test_towers_of_equal_weights_are_shared_and_give_the_same_embeddings(folder_of, noise):
    given = [folder_of("one"), folder_of("two", shift=1.0)]
    models = load(parse([*given, f"{given[0]}:untrained"]), "cpu")
    assert models[0].text is models[1].text is models[2].text
    assert models[0].audio is models[1].audio is models[2].audio
    towers = SharedTowers()
    shared = [SharedModel(model, towers) for model in models]
    waveforms = [noise, noise[:20_000], *[noise[: 16_000 + n] for n in range(20)]]
    together = [model.encode_audio(waveforms) for model in shared]
    for model, embeddings, place in zip(models, together, given, strict=False):
        alone = checkpoint.load(place, "cpu")
        assert np.array_equal(embeddings, model.encode_audio(waveforms))
        assert np.array_equal(embeddings, alone.encode_audio(waveforms))
        assert np.array_equal(
            model.encode_text(["a dog", "hund"], ["en", "de"]), alone.encode_text(["a dog", "hund"], ["en", "de"])
        )
    assert not np.array_equal(together[0], together[1])


def test_a_text_goes_once_through_a_shared_tower(folder_of, monkeypatch):
    models = load(parse([folder_of("one"), folder_of("two", shift=1.0)]), "cpu")
    tokenized = []
    tokenize = text_towers.TextTower.tokenize
    monkeypatch.setattr(
        text_towers.TextTower, "tokenize", lambda tower, texts: tokenized.append(list(texts)) or tokenize(tower, texts)
    )
    for model in models:
        model.encode_text(["dog", "cat"], "en")
    assert tokenized == [["cat", "dog"]]


def test_a_tower_with_one_other_weight_is_not_shared(tiny_model, folder_of):
    given = [folder_of("one"), folder_of("two", shift=1.0)]
    changed = {name: value.clone() for name, value in tiny_model.audio.state_dict().items()}
    first = next(name for name, value in changed.items() if value.is_floating_point())
    changed[first].view(-1)[0] += 1.0
    checkpoint.save(
        checkpoint.find(given[1]), tiny_model.config, tiny_model.parts, "# card", updates=TowerUpdates(audio=changed)
    )
    models = load(parse(given), "cpu")
    assert models[0].audio is not models[1].audio and models[0].text is models[1].text


def test_seeds_saw_what_any_of_them_saw_and_the_untrained_nothing(folder_of):
    one, two, silent = folder_of("one", seen=["dog"]), folder_of("two", seen=["cat"]), folder_of("three")
    assert seen_by(parse([one, two])).concepts == {"dog", "cat"}
    assert seen_by(parse([one, silent])) is None
    assert seen_by(parse([f"{one}:untrained"])).concepts == frozenset()


def test_the_module_names_the_variants_that_a_model_has(tiny_model):
    for name in set(entries.VARIANTS) - {
        "native",
        "unlexical",
        "unprofiled",
    }:  # these take parts of their own
        assert tiny_model.variant(name).fingerprint == f"tiny-{name}"
