"""YAMNet for inference on a CPU as a graph, its batch norms part of the convolutions."""

from __future__ import annotations

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor, nn

from cacara.encoders.onnx.graph import Graph, Session, in_pieces, plain
from cacara.encoders.yamnet import MEL_BANDS, PATCH_FRAMES, SeparableBlock, Yamnet


class OnnxYamnet(nn.Module):
    """Stands in for a ``Yamnet`` in evaluation mode."""

    def __init__(self, network: Yamnet) -> None:
        super().__init__()
        self._session = _session(network)

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Map patches [N, 96, 64] to features [N, 1024] and class logits [N, 521]."""
        cut = patches.numpy()
        pieces = in_pieces(lambda piece: self._session.run(patches=cut[piece]), len(cut))
        features, logits = zip(*(outputs for _, outputs in pieces), strict=True)
        return torch.from_numpy(np.concatenate(features)), torch.from_numpy(np.concatenate(logits))


def fits(network: nn.Module) -> bool:
    """Whether a network is a plain ``Yamnet``, whose function the graph is."""
    if type(network) is not Yamnet:
        return False
    # What training attaches to a convolution stands in its place and is no plain one any more.
    return all(type(block.pointwise) is nn.Conv2d for block in network.blocks) and plain(network)


def _session(network: Yamnet) -> Session:
    graph = Graph()
    patches = graph.takes("patches", TensorProto.FLOAT, "patches", PATCH_FRAMES, MEL_BANDS)

    def convolved(values: str, layer: nn.Module, norm: nn.Module) -> str:
        assert isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        weight, bias = (graph.weight(values) for values in folded(layer, norm))
        # TensorFlow's "same": the odd element of the padding goes behind.
        same = graph.node("Conv", values, weight, bias, group=layer.groups, strides=layer.stride, auto_pad="SAME_UPPER")
        return graph.node("Relu", same)

    hidden = graph.node("Unsqueeze", patches, graph.weight([1]))
    hidden = convolved(hidden, network.stem, network.stem_norm)
    for block in network.blocks:
        assert isinstance(block, SeparableBlock)
        hidden = convolved(hidden, block.depthwise, block.depthwise_norm)
        hidden = convolved(hidden, block.pointwise, block.pointwise_norm)
    features = graph.node("Flatten", graph.node("GlobalAveragePool", hidden), output="features")
    graph.linear(features, network.classifier, output="logits")
    return graph.session(["features", "logits"])


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a convolution that does what it and a batch norm behind it do in evaluation mode."""
    assert norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = convolution.weight * scale[:, None, None, None]
    return weight.detach(), (norm.bias - norm.running_mean * scale).detach()
