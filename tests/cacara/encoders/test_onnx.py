"""Graphs for onnxruntime: the same answers as the modules', and never those of older weights."""

import numpy as np
import pytest
import torch

from cacara.encoders.audio import AudioTower
from cacara.encoders.bert import Bert, BertConfig
from cacara.encoders.onnx import bert as onnx_bert
from cacara.encoders.onnx import yamnet as onnx_yamnet
from cacara.encoders.onnx.bert import OnnxBert
from cacara.encoders.onnx.graph import StandIn
from cacara.encoders.onnx.yamnet import OnnxYamnet
from cacara.encoders.yamnet import Yamnet, YamnetConfig
from cacara.model.parts import lora


def bert():
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    return Bert(BertConfig(vocab_size=50, max_position_embeddings=24, **size)).eval()


def yamnet(seed=0):
    torch.manual_seed(seed)
    network = Yamnet(YamnetConfig(stem_channels=4, blocks=((8, 1), (8, 2), (12, 1), (16, 2)), classes=7)).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    return network


@pytest.mark.parametrize("lengths", [[5], [1], [9, 3, 1], [24, 24]])
def test_a_graph_reads_texts_as_the_module_does_padding_or_not(lengths):
    encoder = bert()
    ids = torch.randint(0, 50, (len(lengths), max(lengths)))
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    with torch.inference_mode():
        plain = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        quick = OnnxBert(encoder)(ids, mask).last_hidden_state
    read = mask.bool()
    torch.testing.assert_close(quick[read], plain[read], atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 64])
def test_a_onnx_yamnet_hears_as_the_network_does(count):
    network = yamnet()
    patches = torch.randn(count, 96, 64)
    with torch.inference_mode():
        for quick, plain in zip(OnnxYamnet(network)(patches), network(patches), strict=True):
            torch.testing.assert_close(quick, plain, atol=2e-5, rtol=1e-5)


def test_a_tower_hears_through_a_graph_and_answers_as_before():
    tower = AudioTower(yamnet(), "mean")
    rng = np.random.default_rng(0)
    sounds = [rng.standard_normal(length).astype(np.float32) for length in (400, 16_000, 90_000)]
    with torch.inference_mode():
        for quick, plain in zip(tower.hear(sounds), tower(sounds), strict=True):
            torch.testing.assert_close(quick, plain, atol=2e-5, rtol=1e-5)
        assert isinstance(tower._graph.of(tower.network), OnnxYamnet)
        nothing = tower.hear([])
    assert [part.shape[0] for part in nothing] == [0, 0]


def test_weights_that_change_get_a_graph_anew():
    network = yamnet()
    stand_in = StandIn(onnx_yamnet.fits, OnnxYamnet)
    patches = torch.randn(2, 96, 64)
    first = stand_in.of(network)
    assert stand_in.of(network) is first
    with torch.no_grad():
        network.blocks[-1].pointwise.weight.mul_(2)
        changed = stand_in.of(network)
        torch.testing.assert_close(changed(patches)[0], network(patches)[0], atol=2e-5, rtol=1e-5)
        assert not torch.allclose(changed(patches)[0], first(patches)[0], atol=1e-2)
        network.load_state_dict(yamnet(seed=1).state_dict())
        torch.testing.assert_close(stand_in.of(network)(patches)[0], network(patches)[0], atol=2e-5, rtol=1e-5)


def test_what_training_attaches_is_not_passed_by():
    network, encoder = yamnet(), bert()
    voices = StandIn(onnx_yamnet.fits, OnnxYamnet)
    texts = StandIn(onnx_bert.fits, OnnxBert)
    assert isinstance(voices.of(network), OnnxYamnet) and isinstance(texts.of(encoder), OnnxBert)
    lora.attach(network, 2, lambda name: "pointwise" in name)
    lora.attach(encoder, 2, lambda name: name.endswith("layer.1.output.dense"))
    assert voices.of(network) is network and texts.of(encoder) is encoder


def test_other_precisions_stay_as_they_are():
    half = yamnet().bfloat16()
    assert StandIn(onnx_yamnet.fits, OnnxYamnet).of(half) is half
