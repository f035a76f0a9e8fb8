"""Requirements on every bundled checkpoint: whole, small, and honest in its card."""

from __future__ import annotations

import re
from pathlib import Path

import huggingface_hub
import pytest
import torch

from cacara import sources
from cacara.lexicon import LexiconReader
from cacara.lexicon import table as lexicon_table
from cacara.model import checkpoint, seen_texts, towers, weights_file
from cacara.model.checkpoint import CARD, FILES, OPTIONAL_FILES, WEIGHTS
from cacara.model.parts import table

REPOSITORY = Path(__file__).parents[3]
MAX_FILE_BYTES = 10_000_000
MAX_ALL_BYTES = 60_000_000
PREFIXES = (*(kind.prefix for kind in table.PARTS), *towers.PREFIXES.values())

each = pytest.mark.parametrize("name", list(checkpoint.bundled()))


def card(name: str) -> str:
    return (checkpoint.find(name) / CARD).read_text(encoding="utf-8")


def section(name: str, title: str) -> str:
    """Return what stands in the card under a heading."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", card(name), re.DOTALL | re.MULTILINE)
    assert found, f"the card of {name} has no section {title!r}"
    return found[1].strip()


def test_the_default_model_is_bundled():
    assert checkpoint.DEFAULT_MODEL in checkpoint.bundled()


def test_the_default_model_sees_pictures_as_the_search_tab_offers():
    assert checkpoint.read_config(checkpoint.find(checkpoint.DEFAULT_MODEL)).image is not None


def test_all_together_are_small_enough_for_a_repository():
    folders = [*checkpoint.bundled().values(), lexicon_table.BUNDLED]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert max(path.stat().st_size for path in files) <= MAX_FILE_BYTES
    assert sum(path.stat().st_size for path in files) <= MAX_ALL_BYTES


def test_the_lexicon_is_whole_and_each_model_sees_what_its_policy_allows():
    table = lexicon_table.read(lexicon_table.BUNDLED)
    assert len(table) > 2_000_000 and len(table.languages) > 400
    assert min(table.words("studio").values()) >= 50
    policies = {name: checkpoint.read_config(folder).memory for name, folder in checkpoint.bundled().items()}
    assert {name: memory and memory.policy for name, memory in policies.items()} == {
        "cacara": None,
        "cacara-plus": "strict",
        "cacara-studio": "studio",
        "mla": None,
        "uclip": None,
    }
    studio, strict = (LexiconReader(table.under(policy)) for policy in ("studio", "strict"))
    assert [studio.senses(word)[0][0] for word in studio.read("mbwa", "sw").words] == ["dog"]
    assert strict.read("mbwa", "sw").words == (), "dog is a concept of the benchmark"
    assert strict.read("mwalimu", "sw").words


@each
def test_a_folder_holds_its_files_and_reads_strictly(name):
    folder = checkpoint.find(name)
    names = {path.name for path in folder.iterdir()}
    assert set(FILES) <= names <= {*FILES, *OPTIONAL_FILES}
    seen_texts.read(folder)  # raises if it is malformed
    config = checkpoint.read_config(folder)
    assert config.name == name and config.version and len(set(config.languages)) == len(config.languages) > 0


@each
def test_the_tensors_are_finite_and_of_the_sizes_that_the_config_says(name):
    folder = checkpoint.find(name)
    config, (_, tensors) = checkpoint.read_config(folder), weights_file.read(folder / WEIGHTS)
    assert all(key.startswith(PREFIXES) for key in tensors)
    assert all(torch.isfinite(value).all() for value in tensors.values())
    assert tensors["centring.means"].shape == (len(config.languages), config.text_width)
    assert tensors["head.projection.1.weight"].shape[0] == config.audio.hidden
    norms = tensors["head.class_embeddings"].float().norm(dim=1)
    assert torch.allclose(norms, torch.ones_like(norms), atol=1e-2)
    assert (config.profile is not None) == ("profile.basis" in tensors) == name.startswith("cacara")
    if config.profile is not None:
        basis = tensors["profile.basis"].float()
        assert basis.shape == (521, config.profile.size)
        assert torch.allclose(basis.T @ basis, torch.eye(config.profile.size), atol=1e-2)


@each
def test_the_card_states_the_licence_that_the_config_states(name):
    (stated,) = re.findall(r"^license: (\S+)$", card(name), re.MULTILINE)
    licence = checkpoint.read_config(checkpoint.find(name)).licence
    assert stated == licence.lower()
    assert licence in section(name, "Licence of these weights")


@each
def test_the_hub_reads_the_cards_head(name):
    data = huggingface_hub.ModelCard(card(name)).data
    assert data.license == checkpoint.read_config(checkpoint.find(name)).licence.lower()
    assert data.library_name == "cacara-studio" and "multilingual" in data.tags and data.training["sounds"] > 0


@each
def test_the_card_names_version_command_recipe_and_seed(name):
    assert f"# {name} {checkpoint.read_config(checkpoint.find(name)).version}" in card(name)
    made = section(name, "Made by")
    command = re.search(r"`python -m training \w+ --recipe (\S+) --output \S+` with seed \d+", made)
    assert command, made
    assert (REPOSITORY / command[1]).is_file()


@each
def test_the_card_lists_the_data_with_licences_and_claims_english_alone(name):
    data = section(name, "Data")
    clips, captions = map(int, re.search(r"(\d+) clips with (\d+) English captions", data).groups())
    assert clips > 0 and captions > 0
    if checkpoint.read_config(checkpoint.find(name)).projectors is None:  # uCLIP's text bank is of other languages
        assert re.search(r"no other language,[^.]* was\s+trained on", data)
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in data.splitlines() if line[:1] == "|"][2:]
    assert sum(int(row[2]) for row in rows) == clips
    for key, package, _, licences in rows:
        row = sources.source(key)
        assert package.startswith(f"{row.package} {row.version}") and licences
    assert not {"tuxpaint", "ovos"} & {row[0] for row in rows}, "the benchmark's test sounds are not for training"


@each
def test_the_card_tells_its_limits_and_how_it_was_measured(name):
    assert section(name, "Limits")
    assert "python -m cacara evaluate --split" in section(name, "Metrics")


@each
@pytest.mark.weights
def test_a_bundled_checkpoint_loads_and_embeds(name):
    model = checkpoint.load(name, "cpu")
    texts = model.encode_text(["dog"], "en")
    assert texts.shape == (1, model.dimension) and abs((texts**2).sum() - 1) < 1e-5
    assert model.languages == checkpoint.read_config(checkpoint.find(name)).languages
