"""Training costs of a model: trained parameters, and the card's front matter."""

from __future__ import annotations

import pytest
import torch

from cacara.errors import CheckpointError
from cacara.model import checkpoint, training_facts
from cacara.model.config import ProjectorsConfig
from cacara.model.parts.projectors import Projectors
from cacara.model.training_facts import TrainingFacts

CARD = "---\nlicense: mit\ntags: [a]\n---\n\n# model 1\n\n---\n\ntext\n"


def test_what_is_written_into_a_card_is_read_again_and_the_rest_stays():
    facts = TrainingFacts(sounds=556, translations=67_358, minutes=1.5)
    told = training_facts.into_card(CARD, facts)
    assert training_facts.of_card(told) == facts
    assert told.startswith("---\nlicense: mit\ntags: [a]\ntraining:\n  sounds: 556\n") and told.endswith("\n\ntext\n")
    assert training_facts.into_card(told, facts) == told  # in place of what it said
    assert training_facts.into_card(told, TrainingFacts()) == CARD
    bare = training_facts.into_card("# model\n", facts)
    assert training_facts.of_card(bare) == facts and bare.endswith("---\n\n# model\n")


def test_a_card_that_does_not_say_says_nothing():
    assert training_facts.of_card(CARD) == training_facts.of_card("# no head\n") == TrainingFacts()
    assert TrainingFacts().data() == ""


def test_the_data_are_told_in_words():
    assert TrainingFacts(556, 0, 67_358, 12, 9).data() == "556 sounds, 67,358 translations, 12 unpaired texts"


def test_a_training_adds_to_what_its_base_took_and_a_time_must_be_known_of_both():
    base = TrainingFacts(sounds=5, minutes=10)
    assert base.plus(TrainingFacts(pictures=3, minutes=1.5)) == TrainingFacts(5, 3, minutes=11.5)
    assert base.plus(TrainingFacts(sounds=1)) == TrainingFacts(sounds=6)


@pytest.mark.parametrize(
    "head",
    ["training: 5", "training:\n  sounds: many", "training:\n  sounds: -1", "training:\n  sounds: 1.5",
     "training:\n  songs: 1", "training:\n  minutes: .inf", "training:\n  sounds: true", "training: [", "a: b: c"],
)  # fmt: skip
def test_a_head_that_makes_no_sense_is_told(head):
    with pytest.raises(CheckpointError, match="model's card"):
        training_facts.of_card(f"---\n{head}\n---\n\n# model\n")


def test_trained_parameters_are_those_of_the_heads_and_no_statistics(tiny_model, tmp_path):
    head = tiny_model.head
    checkpoint.save(tmp_path / "base", tiny_model.config, [head, tiny_model.centring], "# card")
    projection = sum(parameter.numel() for parameter in head.projection.parameters())
    found = training_facts.trained_parameters(tmp_path / "base")
    assert found == {"sounds": projection, "pictures": 0, "texts": 0, "all": projection}


@pytest.mark.parametrize(
    ("name", "texts", "sounds"),
    [
        ("cacara", 0, 1573),
        ("cacara-studio", 0, 1573),
        ("mla", 147_456 + 20 * 294_912, 556),
        ("uclip", 1_381_888, 556),
    ],
)
def test_bundled_models_have_the_parameters_of_their_cards_and_tell_what_they_cost(name, texts, sounds):
    folder = checkpoint.find(name)
    found = training_facts.trained_parameters(folder)
    assert found == {"sounds": 723_840, "pictures": 855_424, "texts": texts, "all": 1_579_264 + texts}
    facts = training_facts.of_card((folder / checkpoint.CARD).read_text(encoding="utf-8"))
    assert (facts.sounds, facts.pictures) == (sounds, 389) and facts.minutes


def test_the_papers_heads_count_without_the_statistics_of_batches():
    heads = Projectors(ProjectorsConfig(384, 512), 512)
    stored = sum(value.numel() for value in heads.state_dict().values())
    assert stored > sum(parameter.numel() for parameter in heads.parameters()) == 1_743_104
    assert all(isinstance(value, torch.Tensor) for value in heads.state_dict().values())
