"""Language acquirers: the base stays as it is, languages do not touch each other, hostile files are refused."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import ClapTextConfig, ClapTextModelWithProjection, CLIPTextConfig, CLIPTextModelWithProjection

from cacara.encoders import text
from cacara.encoders.text import TextTower
from cacara.errors import CheckpointError
from cacara.model import checkpoint
from cacara.model.config import AcquirerConfig, ModelConfig, TextConfig
from cacara.model.parts import acquirer_files
from cacara.model.parts.acquirer_files import AcquirerFile
from cacara.model.parts.acquirers import W_E, Acquirers, AcquirerSet, NonNativeEmbedding
from cacara.model.towers import TowerUpdates

ENGLISH = ["a dog", "a cat", "rain", "a bird bell"]
WORDS = ["hund", "katze a", "bird"]


def trained(acquirers, language, seed):
    """Return acquirers that are not the identity."""
    torch.manual_seed(seed)
    made = acquirers.new_set()
    tensors = {name: 0.3 * torch.randn_like(value) for name, value in made.state_dict().items()}
    return AcquirerFile(language, acquirers.space, 7, {name: value.half() for name, value in tensors.items()})


@pytest.fixture
def config(tiny_text_folder):
    return AcquirerConfig(str(tiny_text_folder), 4, 16)


@pytest.fixture
def base(seeing_model, tmp_path, monkeypatch):
    """A model folder of tiny towers, without acquirers."""
    from cacara.encoders import audio

    monkeypatch.setattr(audio, "load", lambda *arguments, **named: seeing_model.audio)
    folder = tmp_path / "base"
    config = dataclasses.replace(seeing_model.config, image=None, name="base")
    checkpoint.save(folder, config, [seeing_model.head, seeing_model.centring], "# base 1\n\nA card.\n")
    return folder


@pytest.fixture
def acquired(base, config, tmp_path):
    """The folder of the base with acquirers of German and Swahili."""
    model = checkpoint.load(base, "cpu")
    torch.manual_seed(5)
    acquirers = Acquirers.prepare(model.text, config)
    weight = torch.randn(32, 32) / 6
    acquirers.embedding.projection.weight.data = weight
    for file in (trained(acquirers, "de", 1), trained(acquirers, "sw", 2)):
        acquirers.add(file)
    described = dataclasses.replace(model.config, name="mla", acquirers=config)
    checkpoint.save(tmp_path / "mla", described, [acquirers], "# mla 1\n", base=base)
    return tmp_path / "mla"


@pytest.mark.parametrize("centre", [True, False])
def test_english_is_that_of_the_base_bit_by_bit(base, acquired, centre):
    before, after = checkpoint.load(base, "cpu"), checkpoint.load(acquired, "cpu")
    assert after.part(Acquirers).languages == ("de", "sw")
    mixed = after.encode_text([*ENGLISH, *WORDS], ["en"] * 4 + ["de"] * 3, centre=centre)[:4]
    expected = before.encode_text(ENGLISH, "en", centre=centre)
    assert np.array_equal(mixed, expected)
    assert np.array_equal(after.encode_text(ENGLISH, "en", centre=centre), expected)


def test_a_language_with_acquirers_does_not_go_through_the_base_and_one_without_does(base, acquired):
    before, after = checkpoint.load(base, "cpu"), checkpoint.load(acquired, "cpu")
    assert not np.allclose(after.encode_text(WORDS, "de"), before.encode_text(WORDS, "de"), atol=0.01)
    assert not np.allclose(after.encode_text(WORDS, "de"), after.encode_text(WORDS, "sw"), atol=0.01)
    assert np.array_equal(after.encode_text(WORDS, "fi"), before.encode_text(WORDS, "fi"))
    assert np.array_equal(after.encode_text(WORDS, "de-AT"), after.encode_text(WORDS, "de"))
    assert np.array_equal(after.variant("native").encode_text(WORDS, "de"), before.encode_text(WORDS, "de"))


def test_adding_and_removing_a_language_changes_every_other_one_by_exactly_nothing(acquired):
    model = checkpoint.load(acquired, "cpu")
    before = {code: model.encode_text(WORDS, code) for code in ("en", "de", "sw", "fi")}
    assert model.part(Acquirers).add(trained(model.part(Acquirers), "fi", 3)) == "fi"
    for code in ("en", "de", "sw"):
        assert np.array_equal(model.encode_text(WORDS, code), before[code])
    assert not np.array_equal(model.encode_text(WORDS, "fi"), before["fi"])
    model.part(Acquirers).remove("fi")
    assert np.array_equal(model.encode_text(WORDS, "fi"), before["fi"])


def test_a_text_alone_and_in_a_batch_are_the_same(acquired):
    model = checkpoint.load(acquired, "cpu")
    together = model.encode_text(WORDS, "sw")
    alone = np.concatenate([model.encode_text([word], "sw") for word in WORDS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_untrained_acquirers_leave_the_layers_as_they_are(acquired):
    model = checkpoint.load(acquired, "cpu")
    tokens = model.part(Acquirers).tokenize(WORDS)
    bare = model.part(Acquirers).acquired(None)(**tokens)
    assert torch.equal(model.part(Acquirers).acquired(model.part(Acquirers).new_set())(**tokens), bare)


def test_the_base_of_a_folder_is_copied_bit_by_bit_and_the_embedding_is_not_in_it(base, acquired):
    old, new = (load_file(folder / checkpoint.WEIGHTS) for folder in (base, acquired))
    assert set(new) - set(old) == {W_E}
    assert all(torch.equal(new[name], value) for name, value in old.items())
    assert sorted(path.name for path in (acquired / "acquirers").iterdir()) == ["de.safetensors", "sw.safetensors"]


def test_the_sizes_are_those_of_the_paper_for_clip_vit_b_32():
    each = AcquirerSet(12, 512, 256)
    assert sum(value.numel() for value in each.parameters()) == 3_145_728
    with torch.device("meta"):
        table, projection = nn.Embedding(119_547, 768), nn.Linear(768, 512, bias=False)
    shared = table.weight.numel() + projection.weight.numel()
    assert shared == 92_205_312
    assert shared + 5 * 3_145_728 == 107_933_952


def _dual(kind, pad):
    torch.manual_seed(4)
    common = {"vocab_size": 13, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    common |= {"num_attention_heads": 2, "projection_dim": 8, "pad_token_id": pad, "bos_token_id": 0, "eos_token_id": 2}
    if kind == "clip":
        return CLIPTextModelWithProjection(CLIPTextConfig(**common, max_position_embeddings=20)).eval()
    return ClapTextModelWithProjection(ClapTextConfig(**common, max_position_embeddings=20)).eval()


@pytest.mark.parametrize("kind", ["clip", "clap"])
def test_the_text_side_of_clip_or_clap_is_a_base_too(kind, tiny_text_folder, tmp_path):
    from transformers import AutoTokenizer

    whole = _dual(kind, pad=1)
    whole.save_pretrained(tmp_path / kind)
    tokenizer = AutoTokenizer.from_pretrained(tiny_text_folder)
    tokenizer.save_pretrained(tmp_path / kind)
    tower = text.load(TextConfig(str(tmp_path / kind), "", 16))
    tokens = tower.tokenize(["a dog", "bird"])
    if kind == "clap":  # CLIP's own pooling wants its own ids; with these it is the last token
        expected = nn.functional.normalize(whole(**tokens).text_embeds, dim=-1)
        assert torch.allclose(tower(**tokens), expected, atol=1e-6)
    before = tower(**tokens)
    acquirers = Acquirers.prepare(tower, AcquirerConfig(str(tiny_text_folder), 4, 16))
    acquirers.add(trained(acquirers, "de", 1))
    embedded = acquirers.embed(["hund", "katze a"], "de")
    assert embedded.shape == (2, 8) and torch.allclose(embedded.norm(dim=1), torch.ones(2), atol=1e-5)
    assert torch.allclose(acquirers.embed(["hund"], "de")[0], embedded[0], atol=1e-5)
    assert torch.equal(tower(**tokens), before)


def test_clip_is_pooled_at_the_last_token_as_clip_does(tiny_text_folder):
    whole = _dual("clip", pad=1)
    whole.text_model.eos_token_id = 5
    ids = torch.tensor([[0, 7, 5, 1], [0, 8, 9, 5]])
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    tower = TextTower(whole.text_model, None, TextConfig("x", "", 8), whole.text_projection, "last")
    expected = nn.functional.normalize(whole(input_ids=ids, attention_mask=mask).text_embeds, dim=-1)
    assert torch.allclose(tower(ids, mask), expected, atol=1e-6)


def test_an_encoder_whose_layers_are_not_known_is_refused(tiny_model, config):
    tower = text.load(tiny_model.config.text)
    tower.encoder.config.model_type = "mystery"
    with pytest.raises(CheckpointError, match="'mystery' takes no acquirers"):
        Acquirers.prepare(tower, config)


def test_a_file_comes_back_as_it_was_and_the_same_content_gives_the_same_bytes(acquired, tmp_path):
    acquirers = checkpoint.load(acquired, "cpu").part(Acquirers)
    content = trained(acquirers, "fi", 3)
    for name in ("one", "two"):
        acquirer_files.write(tmp_path / f"{name}.safetensors", content)
    found = acquirer_files.read(tmp_path / "one.safetensors")
    assert (found.language, found.space, found.pairs) == ("fi", acquirers.space, 7)
    assert all(torch.equal(found.tensors[name], value) for name, value in content.tensors.items())
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    assert acquirers.add_file(tmp_path / "one.safetensors") == "fi" and "fi" in acquirers.languages


def test_a_pickle_is_refused_and_never_run(acquired, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    acquirers = checkpoint.load(acquired, "cpu").part(Acquirers)
    path = tmp_path / "fi.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="no safetensors file"):
        acquirers.add_file(path)
    torch.save({"0.down": torch.zeros(4, 32)}, path)
    with pytest.raises(CheckpointError, match="no safetensors file"):
        acquirers.add_file(path)
    assert not (tmp_path / "exploded").exists()


def test_a_file_of_something_else_is_refused(acquired, tmp_path):
    path = tmp_path / "fi.safetensors"
    save_file({"weights": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="not marked as cacara-acquirers-1"):
        acquirer_files.read(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        acquirer_files.read(tmp_path / "none.safetensors")
    path.write_bytes(b"\0" * 11_000_000)
    with pytest.raises(CheckpointError, match="11,000,000 bytes"):
        acquirer_files.read(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "0" * 12}, "are for another model"),
        ({"tensors": {"0.down": torch.zeros(4, 32)}}, "'0.up' is None; wanted"),
        ({"tensors": {"0.down": torch.zeros(5, 32)}}, r"'0.down' is \(5, 32\); wanted \(4, 32\)"),
        ({"infinite": True}, "no finite numbers"),
    ],
)
def test_acquirers_that_do_not_fit_are_refused(acquired, change, message):
    acquirers = checkpoint.load(acquired, "cpu").part(Acquirers)
    content = trained(acquirers, "fi", 3)
    if change.pop("infinite", False):
        change = {"tensors": {name: value * torch.inf for name, value in content.tensors.items()}}
    with pytest.raises(CheckpointError, match=message):
        acquirers.add(dataclasses.replace(content, **change))
    assert "fi" not in acquirers.languages


def test_a_folder_with_a_stray_or_misnamed_file_is_refused(acquired):
    (acquired / "acquirers" / "notes.txt").write_text("hello")
    with pytest.raises(CheckpointError, match="notes.txt is no .safetensors file"):
        checkpoint.load(acquired, "cpu")
    (acquired / "acquirers" / "notes.txt").unlink()
    (acquired / "acquirers" / "de.safetensors").rename(acquired / "acquirers" / "fr.safetensors")
    with pytest.raises(CheckpointError, match="holds acquirers of de; wanted de.safetensors"):
        checkpoint.load(acquired, "cpu")


def test_a_user_s_language_is_not_lost_when_the_model_is_written_anew(base, acquired, config):
    model = checkpoint.load(acquired, "cpu")
    acquirer_files.write(acquired / "acquirers" / "fi.safetensors", trained(model.part(Acquirers), "fi", 3))
    described = checkpoint.read_config(acquired)
    with pytest.raises(CheckpointError, match="holds acquirers/fi.safetensors, which would be lost"):
        checkpoint.save(acquired, described, [model.part(Acquirers)], "# mla 1\n", base=base)
    without = dataclasses.replace(described, acquirers=None)
    with pytest.raises(CheckpointError, match="holds acquirers/de.safetensors, acquirers/fi.safetensors, acquirers/sw"):
        checkpoint.save(acquired, without, [model.head, model.centring], "# base 1\n")


def test_a_text_tower_does_not_change_under_acquirers_that_fit_it(acquired, tmp_path):
    updates = TowerUpdates(text_lora={"encoder.layer.0.output.dense.down": torch.zeros(1, 32)})
    with pytest.raises(CheckpointError, match="has language acquirers, which fit the rest of it as it is"):
        checkpoint.save(tmp_path / "no", checkpoint.read_config(acquired), [], "", base=acquired, updates=updates)


def test_a_config_with_acquirers_comes_back_and_nonsense_is_refused(acquired):
    config = checkpoint.read_config(acquired)
    assert ModelConfig.from_json(config.to_json()) == config and config.acquirers.bottleneck == 4
    content = config.to_json()
    content["acquirers"]["bottleneck"] = 0
    with pytest.raises(CheckpointError, match="acquirers.bottleneck is 0"):
        ModelConfig.from_json(content)


def test_the_shared_embedding_holds_its_table_outside_of_every_checkpoint():
    embedding = NonNativeEmbedding(torch.randn(11, 6).half(), nn.Linear(6, 4, bias=False))
    assert list(embedding.state_dict()) == ["projection.weight"]
    assert embedding(torch.tensor([[1, 2]])).dtype == torch.float32
