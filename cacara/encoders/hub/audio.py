"""Audio networks that ``transformers`` loads from a folder or the hub: AST and CLAP.

Which of them a folder holds its ``config.json`` says. Weights are read strictly: a checkpoint that lacks some would
otherwise be filled up with random ones. Every sound reaches them at 16 kHz, so CLAP misses what it could hear above
8 kHz.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cacara.encoders.audio_network import AudioNetwork
from cacara.encoders.hub.weights import read_strictly
from cacara.errors import CheckpointError

SAMPLE_RATE_HZ = 16_000
SHORTEST_SAMPLES = 400  # one frame of 25 ms
REMAINDER_SAMPLES = SAMPLE_RATE_HZ  # a last window shorter than a second says little
UNNAMED = re.compile(r"LABEL_\d+")


class AstNetwork(AudioNetwork):
    """The Audio Spectrogram Transformer (Gong et al. 2021, arXiv 2104.01778), with its classes where it has named ones.

    A patch is a window of 10.24 s as a normalised filter bank, float32 [1024, 128]; features are the mean of its
    two class tokens.
    """

    patches_at_once = 8
    lora_layers = ("q_proj", "v_proj")

    def __init__(self, model: nn.Module, classifier: nn.Module | None, extractor: Any) -> None:  # noqa: ANN401
        """Put the parts together.

        Args:
            model: An ``ASTModel``.
            classifier: Of an ``ASTForAudioClassification`` whose classes have names.
            extractor: An ``ASTFeatureExtractor``.
        """
        super().__init__()
        self.model = model
        self.classifier = classifier
        self.extractor = extractor
        if classifier is not None:
            labels: Mapping[int, str] = model.config.id2label  # type: ignore[assignment, union-attr]
            self.class_names = [labels[number] for number in range(len(labels))]

    @property
    def features(self) -> int:
        """Width of a window's feature vector."""
        return int(self.model.config.hidden_size)  # type: ignore[union-attr, arg-type]

    @property
    def classes(self) -> int:
        """Number of classes, 0 without a classifier."""
        return len(self.class_names)

    def patches(self, waveform: Tensor) -> Tensor:
        """Cut float32 [samples] into windows, float32 [windows, frames, bands]."""
        longest = SHORTEST_SAMPLES + (self.extractor.max_length - 1) * 160
        windows = [window.cpu().numpy() for window in cut(waveform, longest)]
        extracted = self.extractor(windows, sampling_rate=SAMPLE_RATE_HZ)["input_values"]
        return torch.from_numpy(np.stack(extracted)).float().to(waveform.device)

    def stages(self) -> list[list[nn.Module]]:
        """Return the embeddings, then a layer a stage, the last with the closing norm."""
        layers: list[list[nn.Module]] = [[layer] for layer in self.model.layers]  # type: ignore[union-attr]
        layers[-1].append(self.model.layernorm)  # type: ignore[arg-type]
        return [[self.model.embeddings], *layers]  # type: ignore[list-item]

    def forward(self, patches: Tensor, begin: int = 0) -> tuple[Tensor, Tensor]:
        """Return features [N, width] and logits [N, classes] of windows [N, frames, bands]."""
        features = self.model(self.lower(patches, begin)).pooler_output
        logits = features.new_zeros(len(features), 0) if self.classifier is None else self.classifier(features)
        return features, logits


class ClapNetwork(AudioNetwork):
    """CLAP's audio side (Wu et al. 2023, arXiv 2211.06687) with its projection; it knows no classes.

    A patch is a window of 10 s as a log-mel spectrogram, float32 [channels, frames, bands]; a shorter one is repeated,
    as CLAP was trained. Longer clips are cut into windows, so CLAP's own way with them, random crops, is not needed.
    """

    patches_at_once = 8
    lora_layers = ("query", "value")

    def __init__(self, model: nn.Module, extractor: Any) -> None:  # noqa: ANN401
        """Put a ``ClapAudioModelWithProjection`` and a ``ClapFeatureExtractor`` together."""
        super().__init__()
        self.model = model
        self.extractor = extractor

    @property
    def features(self) -> int:
        """Width of the projection."""
        return int(self.model.config.projection_dim)  # type: ignore[union-attr, arg-type]

    @property
    def classes(self) -> int:
        """Return 0."""
        return 0

    def patches(self, waveform: Tensor) -> Tensor:
        """Cut float32 [samples] into windows, float32 [windows, channels, frames, bands]."""
        import torchaudio

        rate = self.extractor.sampling_rate
        spectrograms = []
        for window in cut(waveform.cpu(), self.extractor.nb_max_samples * SAMPLE_RATE_HZ // rate):
            resampled = torchaudio.functional.resample(window, SAMPLE_RATE_HZ, rate)
            samples = resampled[: self.extractor.nb_max_samples].numpy()
            [spectrogram] = self.extractor([samples], sampling_rate=rate)["input_features"]
            spectrograms.append(spectrogram)
        return torch.from_numpy(np.stack(spectrograms)).float().to(waveform.device)

    def stages(self) -> list[list[nn.Module]]:
        """Return the patch embedding, then a Swin stage each, the last with the closing norm and the projection."""
        encoder = self.model.audio_model.audio_encoder  # type: ignore[union-attr]
        layers: list[list[nn.Module]] = [[layer] for layer in encoder.layers]  # type: ignore[union-attr]
        layers[-1] += [encoder.norm, self.model.audio_projection]  # type: ignore[union-attr, list-item]
        return [[encoder.patch_embed, encoder.batch_norm], *layers]  # type: ignore[union-attr, list-item]

    def forward(self, patches: Tensor, begin: int = 0) -> tuple[Tensor, Tensor]:
        """Return features [N, width] and logits [N, 0] of windows [N, channels, frames, bands]."""
        windows = self.lower(patches, begin)
        # No window is longer than CLAP's, so none is fused; its extractor would call a random one of a batch longer.
        longer = torch.zeros(len(windows), 1, dtype=torch.bool, device=windows.device)
        features = self.model(input_features=windows, is_longer=longer).audio_embeds
        return features, features.new_zeros(len(features), 0)


def cut(waveform: Tensor, longest: int) -> list[Tensor]:
    """Return windows of ``longest`` samples side by side, the last one shorter.

    A last window of less than a second is dropped, unless it is the only one: that is padded to one frame.

    >>> [len(window) for window in cut(torch.zeros(50_000), 20_000)]
    [20000, 20000]
    """
    windows = list(waveform.split(longest))
    if len(windows) > 1 and len(windows[-1]) < min(REMAINDER_SAMPLES, longest):
        windows.pop()
    missing = max(0, SHORTEST_SAMPLES - len(windows[-1]))
    return [*windows[:-1], nn.functional.pad(windows[-1], (0, missing))]


def load(place: str) -> AudioNetwork:
    """Return the network that a folder or a hub repository holds.

    Raises:
        CheckpointError: It cannot be loaded, lacks weights, or holds no network that is known here.
    """
    _require_torchaudio()
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(place)
        if config.model_type not in NETWORKS:
            raise CheckpointError(f"it holds a {config.model_type!r}; wanted one of {', '.join(NETWORKS)}")
        return NETWORKS[config.model_type](place, config)
    except (OSError, ValueError, RuntimeError, CheckpointError) as error:
        raise CheckpointError(f"audio backbone {place!r} cannot be loaded: {error}") from error


def _load_ast(place: str, config: Any) -> AstNetwork:  # noqa: ANN401
    from transformers import ASTFeatureExtractor, ASTForAudioClassification, ASTModel

    extractor = ASTFeatureExtractor.from_pretrained(place)
    if "ASTForAudioClassification" not in (config.architectures or ()):
        return AstNetwork(read_strictly(ASTModel, place), None, extractor)
    whole = read_strictly(ASTForAudioClassification, place)
    named = not any(UNNAMED.fullmatch(str(label)) for label in config.id2label.values())
    return AstNetwork(whole.audio_spectrogram_transformer, whole.classifier if named else None, extractor)  # type: ignore[arg-type]


def _load_clap(place: str, config: Any) -> ClapNetwork:  # noqa: ANN401
    from transformers import ClapAudioModelWithProjection, ClapFeatureExtractor

    return ClapNetwork(read_strictly(ClapAudioModelWithProjection, place), ClapFeatureExtractor.from_pretrained(place))


NETWORKS: dict[str, Callable[[str, Any], AudioNetwork]] = {
    "audio-spectrogram-transformer": _load_ast,
    "clap": _load_clap,
    "clap_audio_model": _load_clap,
}
"""By the ``model_type`` of ``config.json``."""


def _require_torchaudio() -> None:
    """Refuse a torchaudio that does not fit this torch: transformers' extractors would fail on it without a word why.

    Raises:
        CheckpointError: It cannot be imported.
    """
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError) as error:
        raise CheckpointError(
            f"torchaudio does not work beside torch {torch.__version__} ({error}); "
            "install both from one index, in the versions of requirements.txt"
        ) from error
