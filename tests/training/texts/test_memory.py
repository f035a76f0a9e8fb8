"""Giving a model a lexical memory: what is written, what stays byte by byte, and that it answers with its words."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import yaml

from cacara.encoders import audio
from cacara.errors import QueryError
from cacara.lexicon import table as lexicon_table
from cacara.model import checkpoint
from cacara.model.checkpoint import CARD, CONFIG, WEIGHTS
from training.__main__ import main
from training.data.lexicon.table import Sense, agreement, build


@pytest.fixture
def given(tiny_model, tmp_path, monkeypatch):
    """A base and the same model with a memory, by the command."""
    monkeypatch.setattr(audio, "load", lambda *arguments, **named: tiny_model.audio)
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    base = tmp_path / "base"
    checkpoint.save(base, tiny_model.config, tiny_model.parts, "---\nlicense: x\n---\n\n# tiny 1\n\nText.\n")
    table = build([Sense("dog", "sw", "mbwa", 3, True), Sense("cat", "sw", "paka", 3, False)], least=1)
    lexicon_table.write(tmp_path / "lexicon", table)
    memory = {"lexicon": str(tmp_path / "lexicon"), "policy": "strict", "share": 0.8, "doubt": 1.0}
    options = {"name": "worded", "version": "1", "recipe": "r.yaml", "memory": memory | {"reach": 4, "decay": 0.5}}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({"options": options}), encoding="utf-8")
    output = tmp_path / "run"
    arguments = ["lexical_memory", "--recipe", str(tmp_path / "r.yaml"), "--base", str(base)]
    assert main([*arguments, "--output", str(output)]) == 0
    return base, output / "final"


def test_weights_stay_and_config_and_card_tell_the_memory(given):
    base, folder = given
    assert (folder / WEIGHTS).read_bytes() == (base / WEIGHTS).read_bytes()
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    assert config["name"] == "worded" and config["memory"]["policy"] == "strict"
    card = (folder / CARD).read_text(encoding="utf-8")
    told = " ".join(card.split())
    assert "\n# worded 1\n" in card
    assert "2 words and phrases of 1 languages" in told and "names a concept" in told


def test_known_words_move_and_everything_else_stays_bit_by_bit(given):
    base, folder = given
    without, model = checkpoint.load(base, "cpu"), checkpoint.load(folder, "cpu")
    texts, languages = ["mbwa", "paka", "dog", "a word"], ["sw", "sw", "en", None]
    before, after = without.encode_text(texts, languages), model.encode_text(texts, languages)
    same = [bool(np.array_equal(*pair)) for pair in zip(before, after, strict=True)]
    assert same == [False, True, True, True], "strict does not know the cat"
    assert np.array_equal(model.variant("unlexical").encode_text(texts, languages), before)
    assert [found.surface for found in model.look_up("mbwa", "sw")] == ["mbwa"]
    assert without.look_up("mbwa", "sw") == () and model.detect("mbwa").confidence > 0.5
    with pytest.raises(QueryError, match="no lexical memories"):
        without.variant("unlexical")


def test_prepared_senses_give_the_same_embeddings(given):
    _, folder = given
    model = checkpoint.load(folder, "cpu")
    before = model.encode_text(["mbwa"], "sw")
    model.prepare()
    again = checkpoint.load(folder, "cpu").encode_text(["mbwa"], "sw")
    assert torch.allclose(torch.from_numpy(before), torch.from_numpy(again), atol=1e-3)


def test_sources_that_name_things_agree_more():
    assert agreement(["wiktionary"]) < agreement(["cldr"]) < agreement(["cldr", "wiktionary"])
