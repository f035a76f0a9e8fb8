"""YAMNet in PyTorch: 16 kHz waveforms to patch features and AudioSet class probabilities.

MobileNet v1 (Howard et al. 2017, arXiv 1704.04861) on log-mel patches of 0.96 s, trained on AudioSet
(Gemmeke et al. 2017). Layers, padding ("same" as TensorFlow computes it), the batch norm's missing gamma and its
epsilon follow the published model, so that its weights load as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara.encoders.audio_network import AudioNetwork

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 400  # 25 ms
HOP_SAMPLES = 160  # 10 ms
FFT_SAMPLES = 512
MEL_BANDS = 64
MEL_RANGE_HZ = (125.0, 7500.0)
PATCH_FRAMES = 96  # 0.96 s
PATCH_SAMPLES = (PATCH_FRAMES - 1) * HOP_SAMPLES + FRAME_SAMPLES
NORM_EPSILON = 1e-4
PEAK = 0.5
"""Level that a clip's peak is scaled to: recordings of any loudness give the same embedding."""


@dataclasses.dataclass(frozen=True)
class YamnetConfig:
    """Size of the network; the defaults are the published model's.

    Attributes:
        stem_channels: Channels of the first convolution.
        blocks: Output channels and stride of each depthwise-separable block.
        classes: Number of AudioSet classes.
    """

    stem_channels: int = 32
    blocks: tuple[tuple[int, int], ...] = (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        (512, 1),
        (512, 1),
        (512, 1),
        (512, 1),
        (512, 1),
        (1024, 2),
        (1024, 1),
    )
    classes: int = 521

    @property
    def features(self) -> int:
        """Width of a patch's feature vector."""
        return self.blocks[-1][0]


class LogMel(nn.Module):
    """Log-mel spectrogram: waveform float32 [batch, samples] to [batch, frames, 64]."""

    window: Tensor
    mel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(FRAME_SAMPLES, periodic=True), persistent=False)
        self.register_buffer("mel", mel_matrix(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return log(mel magnitude + 0.001), natural logarithm."""
        frames = waveform.unfold(-1, FRAME_SAMPLES, HOP_SAMPLES) * self.window
        return torch.log(torch.fft.rfft(frames, FFT_SAMPLES).abs() @ self.mel + 0.001)


class SeparableBlock(nn.Module):
    """A 3×3 depthwise and a 1×1 convolution, each with batch norm and ReLU."""

    def __init__(self, channels: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, stride, groups=channels, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(channels, eps=NORM_EPSILON)
        self.pointwise = nn.Conv2d(channels, outputs, 1, bias=False)
        self.pointwise_norm = nn.BatchNorm2d(outputs, eps=NORM_EPSILON)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map [batch, channels, time, bands] to [batch, outputs, time/stride, bands/stride]."""
        hidden = self.depthwise(pad_same(inputs, 3, self.depthwise.stride[0]))
        hidden = functional.relu(self.depthwise_norm(hidden))
        return functional.relu(self.pointwise_norm(self.pointwise(hidden)))


class Yamnet(AudioNetwork):
    """The network, from log-mel patches on; ``patches`` cuts them."""

    lora_layers = ("pointwise",)

    def __init__(self, config: YamnetConfig | None = None) -> None:
        super().__init__()
        self.config = config or YamnetConfig()
        self.front_end = LogMel()
        self.stem = nn.Conv2d(1, self.config.stem_channels, 3, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(self.config.stem_channels, eps=NORM_EPSILON)
        widths = [self.config.stem_channels, *(outputs for outputs, _ in self.config.blocks)]
        self.blocks = nn.ModuleList(
            SeparableBlock(widths[i], outputs, stride) for i, (outputs, stride) in enumerate(self.config.blocks)
        )
        self.classifier = nn.Linear(self.config.features, self.config.classes)

    @property
    def features(self) -> int:
        """Width of a patch's feature vector."""
        return self.config.features

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.config.classes

    def stages(self) -> list[list[nn.Module]]:
        """Return the stem, then a block a stage."""
        return [[self.stem, self.stem_norm], *([block] for block in self.blocks)]

    def split(self, stage: int) -> int:
        """Return ``stage``: a block needs nothing but the output of the one before."""
        return stage

    def patches(self, waveform: Tensor, hop_frames: int = 48) -> Tensor:
        """Cut one waveform into log-mel patches.

        Args:
            waveform: float32 [samples], mono at 16 kHz, in [-1, 1]; any length ≥ 1, padded with zeros
                to whole patches.
            hop_frames: Distance of two patches' starts, in frames of 10 ms.

        Returns:
            float32 [patches, 96, 64].
        """
        missing = PATCH_SAMPLES - len(waveform)
        if missing < 0:
            missing = missing % (hop_frames * HOP_SAMPLES)
        log_mel = self.front_end(functional.pad(waveform, (0, missing))[None])[0]
        return log_mel.unfold(0, PATCH_FRAMES, hop_frames).transpose(1, 2)

    def lower(self, patches: Tensor, stages: int) -> Tensor:
        """Run the first ``stages`` stages on patches [N, 96, 64]; 0 gives the patches themselves."""
        return self._run(patches, 0, stages)

    def forward(self, patches: Tensor, begin: int = 0) -> tuple[Tensor, Tensor]:
        """Map patches [N, 96, 64], or ``lower(patches, begin)``, to features [N, 1024] and class logits [N, 521]."""
        features = self._run(patches, begin, 1 + len(self.blocks)).mean((2, 3))
        return features, self.classifier(features)

    def _run(self, hidden: Tensor, begin: int, end: int) -> Tensor:
        for stage in range(begin, end):
            if stage == 0:
                hidden = functional.relu(self.stem_norm(self.stem(pad_same(hidden[:, None], 3, 2))))
            else:
                hidden = self.blocks[stage - 1](hidden)
        return hidden


def normalise_peak(waveform: np.ndarray) -> np.ndarray:
    """Return the waveform scaled so that its largest magnitude is ``PEAK``; silence stays silence."""
    peak = float(np.abs(waveform).max(initial=0.0))
    # Below the smallest normal number the factor would be infinite.
    return waveform * np.float32(PEAK / peak) if peak >= np.finfo(np.float32).tiny else waveform


def pad_same(inputs: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad the last two axes as TensorFlow's "same" does: the odd element goes behind."""

    def both(size: int) -> tuple[int, int]:
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2

    height, width = inputs.shape[-2:]
    return functional.pad(inputs, (*both(width), *both(height)))


def mel_matrix() -> Tensor:
    """Return the triangular mel filters, float32 [257 bins, 64 bands], on the HTK scale."""

    def to_mel(hertz: np.ndarray | Sequence[float]) -> np.ndarray:
        return 1127.0 * np.log1p(np.asarray(hertz, dtype=np.float64) / 700.0)

    bins = to_mel(np.linspace(0.0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)[1:])[:, None]
    low, high = to_mel(MEL_RANGE_HZ)
    edges = np.linspace(low, high, MEL_BANDS + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre))
    # The lowest bin, 0 Hz, belongs to no band.
    return torch.tensor(np.pad(np.maximum(0.0, triangles), [[1, 0], [0, 0]]), dtype=torch.float32)
