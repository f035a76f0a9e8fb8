"""A training step on cached features of the frozen tower, against one that computes them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.speed.timing import Row, Size, interleaved, percentile, ratio

CLIPS = 32
SECONDS = 5


def measure(size: Size) -> Iterator[Row]:
    """Yield one row: the same loss on the same head, with and without the cache."""
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
