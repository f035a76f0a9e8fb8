"""BERT as transformers computes it, from a folder that it saved."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from cacara.encoders import bert
from cacara.errors import CheckpointError


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=50, max_position_embeddings=24, **size)).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("lengths", [[5], [1], [9, 3, 1], [24, 24]])
def test_a_folder_gives_what_transformers_gives_padding_or_not(folder, lengths):
    ids = torch.randint(0, 50, (len(lengths), max(lengths)))
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    ours, theirs = bert.load(folder).eval(), BertModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        found, expected = (encoder(input_ids=ids, attention_mask=mask).last_hidden_state for encoder in (ours, theirs))
    torch.testing.assert_close(found[mask.bool()], expected[mask.bool()], atol=2e-6, rtol=1e-5)


def test_token_embeddings_stay_in_the_precision_that_stores_them(folder):
    path = folder / "model.safetensors"
    save_file({name: value.half() for name, value in load_file(path).items()}, path)
    encoder = bert.load(folder)
    assert {value.dtype for value in encoder.parameters()} == {torch.float16, torch.float32}
    assert encoder.get_input_embeddings().weight.dtype == torch.float16


@pytest.mark.parametrize("changed", [{"hidden_act": "relu"}, {"is_decoder": True}, {"model_type": "roberta"}])
def test_what_is_no_plain_bert_is_left_to_others(folder, changed):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    assert bert.load(folder) is None


def test_missing_weights_are_named(folder):
    path = folder / "model.safetensors"
    weights = load_file(path)
    del weights["encoder.layer.1.output.dense.bias"]
    save_file(weights, path)
    with pytest.raises(CheckpointError, match="1 weights are missing .* first encoder.layer.1.output.dense.bias"):
        bert.load(folder)
