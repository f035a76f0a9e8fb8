"""Audio towers: waveforms to one feature vector and one class posterior a clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cacara.encoders.audio_network import AudioNetwork
from cacara.encoders.hub import audio as hub_audio
from cacara.encoders.onnx import yamnet as onnx_yamnet
from cacara.encoders.onnx.graph import StandIn
from cacara.encoders.yamnet import Yamnet, normalise_peak
from cacara.errors import AudioError, CheckpointError
from cacara.sources.clients import Report, silent
from cacara.sources.converters import yamnet as yamnet_weights


class AudioTower(nn.Module):
    """A network over whole clips: features and class probabilities pooled over a clip's patches."""

    def __init__(self, network: AudioNetwork, patch_pooling: str) -> None:
        super().__init__()
        self.network = network
        self.patch_pooling = patch_pooling
        self._graph = StandIn(onnx_yamnet.fits, onnx_yamnet.OnnxYamnet)

    @property
    def features(self) -> int:
        """Width of the feature vector."""
        return self.network.features

    @property
    def classes(self) -> int:
        """Number of classes; 0 when the network knows none."""
        return self.network.classes

    def patches(self, waveform: np.ndarray) -> Tensor:
        """Return the patches of one clip, [patches, ...], where the tower is.

        Args:
            waveform: float32 [samples], mono at 16 kHz; of any loudness, the network sees its peak at 0.5.

        Raises:
            AudioError: It is empty, not one-dimensional, or not finite.
        """
        return self.network.patches(_checked(waveform).to(next(self.network.parameters()).device))

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
        return self.pool(self._hear(waveforms, self.network))

    def hear(self, waveforms: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Return what ``forward`` does but for rounding, in less time where there is a graph; no gradients.

        Raises:
            AudioError: A waveform is empty, not one-dimensional, or not finite.
        """
        return self.pool(self.hear_patches(waveforms))

    def hear_patches(self, waveforms: Sequence[np.ndarray]) -> list[tuple[Tensor, Tensor]]:
        """Return what ``hear`` pools: of each clip the features and class probabilities of its patches.

        Returns:
            float32 [patches, features] and float32 [patches, classes] a clip.

        Raises:
            AudioError: A waveform is empty, not one-dimensional, or not finite.
        """
        return self._hear(waveforms, self._graph.of(self.network))

    def pool(self, clips: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Return features [clips, features] and class probabilities [clips, classes] of what ``hear_patches`` gave."""
        if not clips:
            return torch.zeros(0, self.features), torch.zeros(0, self.classes)
        pool = torch.mean if self.patch_pooling == "mean" else torch.amax
        return (
            torch.stack([features.mean(0) for features, _ in clips]),
            torch.stack([pool(probabilities, dim=0) for _, probabilities in clips]),
        )

    def _hear(self, waveforms: Sequence[np.ndarray], network: nn.Module) -> list[tuple[Tensor, Tensor]]:
        patches = [self.patches(waveform) for waveform in waveforms]
        if not patches:
            return []
        chunks = torch.cat(patches).split(self.network.patches_at_once)
        return self._clips([network(chunk) for chunk in chunks], [len(group) for group in patches])

    def encode(self, patches: Tensor, counts: Sequence[int], begin: int = 0) -> tuple[Tensor, Tensor]:
        """Return what ``forward`` does of patches that are cut already.

        Args:
            patches: The patches of all clips one after the other, [sum of counts, ...].
            counts: How many of them each clip has.
            begin: How many of the network's stages they have been through already.
        """
        encoded = [self.network(chunk, begin) for chunk in patches.split(self.network.patches_at_once)]
        return self.pool(self._clips(encoded, counts))

    @staticmethod
    def _clips(encoded: Sequence[tuple[Tensor, Tensor]], counts: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Return features and probabilities of each clip's patches, of which there are ``counts``."""
        features = torch.cat([chunk for chunk, _ in encoded]).float().split(list(counts))
        probabilities = torch.cat([logits for _, logits in encoded]).float().sigmoid().split(list(counts))
        return list(zip(features, probabilities, strict=True))


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


BACKBONES: dict[str, Callable[[Report], AudioNetwork]] = {"yamnet": _load_yamnet}
"""Backbones that packages carry; any other name is a folder, or a hub id with its owner: ``OWNER/NAME``."""


def check_name(backbone: str) -> None:
    """Refuse a name that can be neither a known backbone nor a folder or hub id.

    Raises:
        CheckpointError: Names the backbones that are known.
    """
    if backbone not in BACKBONES and "/" not in backbone and not Path(backbone).is_dir():
        raise CheckpointError(
            f"unknown audio backbone {backbone!r}; wanted one of {', '.join(BACKBONES)}, a folder, or OWNER/NAME"
        )


def load(backbone: str, patch_pooling: str, report: Report = silent) -> AudioTower:
    """Return the tower of a backbone, its weights fetched when they are missing.

    Raises:
        SourceError: The package cannot be fetched.
        CheckpointError: Unknown backbone, or unfit weights.
    """
    check_name(backbone)
    network = BACKBONES[backbone](report) if backbone in BACKBONES else hub_audio.load(backbone)
    return AudioTower(network, patch_pooling).eval()
