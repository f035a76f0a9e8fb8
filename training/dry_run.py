"""One training step of a recipe's full-size architecture, without its weights: what it needs before any is fetched.

The towers are built from their published sizes with random weights, hear noise, and are thrown away: nothing is saved.
"""

from __future__ import annotations

import dataclasses
import logging
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cacara.encoders.audio import AudioTower
from cacara.encoders.audio_network import AudioNetwork
from cacara.encoders.hub.audio import AstNetwork, ClapNetwork
from cacara.encoders.hub.text import HubText
from cacara.encoders.text import TextTower
from cacara.encoders.yamnet import Yamnet
from cacara.galleries.manifest import Clip
from cacara.model.parts.head import AudioHead
from training import loop
from training.run_folder import METRICS, RunError
from training.sounds.alignment import EmergentAlignment, EmergentAlignmentOptions, audio_config
from training.sounds.tower_batches import CaptionedSounds
from training.sounds.trainable import open_part

SAMPLE_RATE_HZ = 16_000
CAPTION_TOKENS = 32

log = logging.getLogger(__name__)


def run(options: EmergentAlignmentOptions, clips: int, seconds: float) -> dict[str, Any]:
    """Take one step and return what it cost.

    Args:
        options: The recipe's; its ``loop.batch_size`` is replaced.
        clips: Batch size of the step, over all processes.
        seconds: Length of each clip.

    Returns:
        Parameters by part, the losses, seconds by phase on the clock and of all processor cores, and peak memory in
        MB so far after each phase.

    Raises:
        RunError: The architecture of a backbone is not known here, or options do not fit.
    """
    options = dataclasses.replace(options, loop=dataclasses.replace(options.loop, steps=1, batch_size=clips))
    text_backbone = _known(TEXT_ARCHITECTURES, options.text.backbone, "text.backbone")
    audio_backbone = _known(AUDIO_ARCHITECTURES, options.audio_backbone, "audio_backbone")
    accelerator = loop.start(options.loop)
    phases = _Phases()
    built = text_backbone()
    text_tower = TextTower(built.encoder, built.tokenizer, options.text, built.projection).to(accelerator.device)
    phases.end("build the text tower")
    audio_tower = AudioTower(audio_backbone(), options.head.patch_pooling).to(accelerator.device)
    head = AudioHead(audio_config(options), audio_tower.features, audio_tower.classes, text_tower.dimension)
    phases.end("build the audio side")
    captions = _captions(text_tower, clips)
    phases.end("embed the captions")
    # Every weight is counted before low-rank updates come on top.
    total = _count(audio_tower)
    opened = open_part(audio_tower, options.trainable, options.tuning)
    views = _NoiseViews(audio_tower, clips, round(seconds * SAMPLE_RATE_HZ))
    method = EmergentAlignment(head, options.objective, audio_tower)
    rows = [Clip(str(n), Path("-"), "0" * 64, {"en": (str(n),)}, str(n), "-", "-") for n in range(clips)]
    with tempfile.TemporaryDirectory() as folder:
        data = CaptionedSounds(rows, views, {str(n): row for n, row in enumerate(captions)})
        loop.train(method, data, options.loop, Path(folder), {"tower.": options.tuning.rate})
        losses = (Path(folder) / METRICS).read_text(encoding="utf-8") if accelerator.is_main_process else ""
    phases.end("one training step")
    return {
        "parameters": {
            "text tower": {"total": _count(text_tower), "trainable": 0},
            "audio tower": {"total": total, "trainable": opened.parameters},
            "audio head": {"total": _count(head), "trainable": _count(head)},
        },
        "batch": {"clips": clips, "seconds": seconds, "precision": options.loop.precision, "part": options.trainable},
        "losses": losses.strip(),
        "seconds": phases.seconds,
        "processor_seconds": phases.processor_seconds,
        "peak_memory_mb": phases.peak_mb,
        "device": str(accelerator.device),
    }


class _Phases:
    """Seconds of each phase, on the clock and of the processor, and the process's peak memory at its end."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.processor_seconds: dict[str, float] = {}
        self.peak_mb: dict[str, int] = {"before": _peak_mb()}
        self._begin = time.perf_counter(), time.process_time()

    def end(self, name: str) -> None:
        clock, processor = time.perf_counter(), time.process_time()
        self.seconds[name] = round(clock - self._begin[0], 1)
        self.processor_seconds[name] = round(processor - self._begin[1], 1)
        self.peak_mb[name] = _peak_mb()
        log.info("%s: %.1f s, peak %d MB", name, self.seconds[name], self.peak_mb[name])
        self._begin = clock, processor


@dataclasses.dataclass(frozen=True)
class _NoiseViews:
    tower: AudioTower
    clips: int
    samples: int

    @property
    def kept(self) -> range:
        return range(self.clips)

    def patches(self, index: int, rng: np.random.Generator) -> torch.Tensor:
        with torch.inference_mode():
            return self.tower.patches(rng.uniform(-0.5, 0.5, self.samples).astype(np.float32)).cpu()


def _captions(tower: TextTower, count: int) -> np.ndarray:
    """Return embeddings of random tokens, float32 [count, dimension]: without weights there is no tokenizer either."""
    device = next(tower.parameters()).device
    vocabulary = int(tower.encoder.config.vocab_size)  # type: ignore[union-attr, arg-type]
    tokens = torch.randint(5, vocabulary, (count, CAPTION_TOKENS), device=device)
    with torch.inference_mode():
        return tower(tokens, torch.ones_like(tokens)).cpu().numpy()


def _xlm_roberta_base(projection: nn.Module | None = None) -> HubText:
    from transformers import XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig(vocab_size=250_002, max_position_embeddings=514, type_vocab_size=1)
    return HubText(XLMRobertaModel(config, add_pooling_layer=False), None, projection)


def _clip_xlm_roberta_base() -> HubText:
    layers = (nn.Linear(768, 640, bias=False), nn.GELU(), nn.Linear(640, 512, bias=False))
    return _xlm_roberta_base(nn.Sequential(*layers))


def _ast_base() -> AudioNetwork:
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    whole = ASTForAudioClassification(ASTConfig(id2label=dict(enumerate(map(str, range(527))))))
    return AstNetwork(whole.audio_spectrogram_transformer, whole.classifier, ASTFeatureExtractor())


def _clap_htsat() -> AudioNetwork:
    from transformers import ClapAudioConfig, ClapAudioModelWithProjection, ClapFeatureExtractor

    return ClapNetwork(ClapAudioModelWithProjection(ClapAudioConfig()), ClapFeatureExtractor(truncation="rand_trunc"))


TEXT_ARCHITECTURES: Mapping[str, Callable[[], HubText]] = {
    "FacebookAI/xlm-roberta-base": _xlm_roberta_base,
    "laion/CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k": _clip_xlm_roberta_base,
}
AUDIO_ARCHITECTURES: Mapping[str, Callable[[], AudioNetwork]] = {
    "MIT/ast-finetuned-audioset-10-10-0.4593": _ast_base,
    "laion/clap-htsat-unfused": _clap_htsat,
    "yamnet": Yamnet,
}
"""Backbones whose sizes are known without fetching them."""


def _known(architectures: Mapping[str, Callable[[], Any]], name: str, field: str) -> Callable[[], Any]:
    if name not in architectures:
        raise RunError(f"{field} is {name!r}, whose size is not known here; wanted one of {', '.join(architectures)}")
    return architectures[name]


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _peak_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))  # bytes there, kilobytes elsewhere
