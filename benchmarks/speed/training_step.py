"""A training step on cached features of the frozen tower, against one that computes them; and one of the text tower.

With ``ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2`` a processor does without AVX-512, as older ones must.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.speed.timing import Row, Size, interleaved, percentile, ratio

CLIPS = 32
SECONDS = 5
TEXTS = 32


def measure(size: Size) -> Iterator[Row]:
    """Yield the same loss on the same head, with and without the cache; then a step of the text tower."""
    import torch

    from cacara.model import checkpoint
    from cacara.model.parts.head import AudioHead

    model = checkpoint.load("cacara", "cpu")
    head = AudioHead(model.config.audio, model.audio.features, model.audio.classes, model.config.media_width)
    head.load_state_dict(model.head.state_dict())
    head.train()
    optimizer = torch.optim.AdamW([value for value in head.parameters() if value.requires_grad], 1e-4)
    rng = np.random.default_rng(0)
    sounds = [rng.normal(0, 0.1, 16_000 * SECONDS).astype(np.float32) for _ in range(CLIPS)]
    texts = torch.nn.functional.normalize(torch.randn(CLIPS, model.config.media_width), dim=-1)
    with torch.no_grad():
        cached = model.audio(sounds)

    def step(heard: tuple[torch.Tensor, ...]) -> None:
        scores = head(*heard) @ texts.T / 0.07
        wanted = torch.arange(CLIPS)
        loss = torch.nn.functional.cross_entropy(scores, wanted) + torch.nn.functional.cross_entropy(scores.T, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def whole() -> None:
        with torch.no_grad():
            heard = model.audio(sounds)
        step(heard)

    seconds = interleaved({"cached": lambda: step(cached), "computed": whole}, max(3, size.rounds // 3))
    times = ratio(seconds, "computed", "cached")
    shown = {name: f"{1e3 * percentile(values, 0.5):.3g} ms" for name, values in seconds.items()}
    work = f"training step, {CLIPS} clips of {SECONDS} s, cached features"
    other = f"without cache {shown['computed']}"
    yield Row(work, shown["cached"], other, times, "≥ 10×", times >= 10, {"seconds": seconds})
    yield _text_step(model, max(3, size.rounds // 3))


def _text_step(model: Any, rounds: int) -> Row:  # noqa: ANN401
    """Return forward and backward of the text tower's layers, in the precision for the processor and in bfloat16."""
    import copy

    import torch

    from cacara import devices
    from training.loop import precision_on

    encoder, device = copy.deepcopy(model.text.encoder), torch.device("cpu")
    layers = encoder.encoder.requires_grad_(True)
    tokens = model.text.tokenize([f"a dog barks at {number} cats" for number in range(TEXTS)])

    def step(name: str) -> None:
        with devices.precision(name, device):
            loss = encoder(**tokens).last_hidden_state.float().square().mean()
        loss.backward()
        layers.zero_grad()

    chosen = {"bf16": "bfloat16", "no": "float32"}[precision_on(device, "bf16")]
    works = {name: functools.partial(step, name) for name in ("bfloat16", "float32")}
    seconds = interleaved(works, rounds)
    other = next(name for name in works if name != chosen)
    times = ratio(seconds, other, chosen)
    shown = {name: f"{percentile(values, 0.5):.3g} s" for name, values in seconds.items()}
    details = {"seconds": seconds, "chosen": chosen, "capability": torch.backends.cpu.get_cpu_capability()}
    work = f"text training step, {TEXTS} texts, in {chosen}"
    return Row(work, shown[chosen], f"{other} {shown[other]}", times, "≥ 1×", times >= 1, details)
