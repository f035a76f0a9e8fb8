"""YAMNet for inference on CPU: batch norms folded into the convolutions, weights packed, channels last."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara.encoders import packed
from cacara.encoders.audio_network import AudioNetwork
from cacara.encoders.packed import Layer
from cacara.encoders.yamnet import MEL_BANDS, PATCH_FRAMES, SeparableBlock, Yamnet, pad_same

USUAL_PATCHES = 20
"""Of a clip of ten seconds; other counts work as well."""


class PackedYamnet(AudioNetwork):
    """Stands in for a ``Yamnet`` in evaluation mode; its weights are copies, so later changes do not reach it."""

    def __init__(self, network: Yamnet) -> None:
        super().__init__()
        self.network = network
        weight, bias = folded(network.stem, network.stem_norm)
        self.stem = (weight.contiguous(memory_format=torch.channels_last), bias)
        height, width = PATCH_FRAMES // 2, MEL_BANDS // 2
        self.layers: list[tuple[int, Layer, Layer]] = []
        for block in network.blocks:
            assert isinstance(block, SeparableBlock)
            stride = block.depthwise.stride[0]
            spatial = packed.depthwise(
                *folded(block.depthwise, block.depthwise_norm),
                padding=1 if stride == 1 else 0,
                stride=stride,
                size=(USUAL_PATCHES, height, width),
            )
            height, width = -(-height // stride), -(-width // stride)
            weight, bias = folded(block.pointwise, block.pointwise_norm)
            pointwise = packed.linear(weight[:, :, 0, 0], bias, USUAL_PATCHES * height * width, "relu")
            self.layers.append((stride, spatial, pointwise))

    @property
    def features(self) -> int:
        """Width of a patch's feature vector."""
        return self.network.features

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.network.classes

    def patches(self, waveform: Tensor) -> Tensor:
        """Cut one waveform into log-mel patches, as the network itself does."""
        return self.network.patches(waveform)

    def stages(self) -> list[list[nn.Module]]:
        """Return the network's own stages."""
        return self.network.stages()

    def forward(self, patches: Tensor, begin: int = 0) -> tuple[Tensor, Tensor]:
        """Map patches [N, 96, 64] to features [N, 1024] and class logits [N, 521].

        Raises:
            ValueError: ``begin`` is not 0: what packed layers make of a part is not what training keeps.
        """
        if begin:
            raise ValueError(f"packed layers begin at stage 0, found {begin}")
        hidden = pad_same(patches[:, None], 3, 2).contiguous(memory_format=torch.channels_last)
        hidden = functional.conv2d(hidden, *self.stem, stride=2).relu_()
        for stride, spatial, pointwise in self.layers:
            # The packed convolution pads both sides alike, which with stride 2 is not TensorFlow's "same".
            hidden = spatial(hidden if stride == 1 else pad_same(hidden, 3, stride))
            count, channels, height, width = hidden.shape
            rows = hidden.permute(0, 2, 3, 1).reshape(-1, channels)
            hidden = pointwise(rows).view(count, height, width, -1).permute(0, 3, 1, 2)
        features = hidden.mean((2, 3))
        return features, self.network.classifier(features)


def fits(network: nn.Module) -> bool:
    """Whether a network is a plain ``Yamnet`` whose weights can be packed."""
    if type(network) is not Yamnet:
        return False
    # What training attaches to a convolution stands in its place and is no plain one any more.
    return all(type(block.pointwise) is nn.Conv2d for block in network.blocks) and packed.available(network)


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a convolution that does what it and a batch norm behind it do in evaluation mode."""
    assert norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = convolution.weight * scale[:, None, None, None]
    return weight.detach(), (norm.bias - norm.running_mean * scale).detach()
