"""Seconds of sound embedded in a second, front end included, against CLAP's audio tower of its default size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.speed.timing import Row, Size, interleaved, percentile, ratio

CLIP_SECONDS = 10.0
CLAP_RATE_HZ = 48_000


def measure(size: Size) -> Iterator[Row]:
    """Yield a row for one core, and one for two where there are two."""
    import torch

    from benchmarks.speed import machine

    before = torch.get_num_threads()
    for threads in (1, 2):
        if threads <= machine.describe()["cores"]:
            torch.set_num_threads(threads)
            yield _embed(threads, size.rounds)
    torch.set_num_threads(before)


def _embed(threads: int, rounds: int) -> Row:
    import torch
    from transformers import ClapAudioConfig, ClapAudioModelWithProjection, ClapFeatureExtractor

    from cacara.model import checkpoint

    model = checkpoint.load("cacara", "cpu")
    torch.manual_seed(0)
    clap = ClapAudioModelWithProjection(ClapAudioConfig()).eval()
    extractor = ClapFeatureExtractor(truncation="rand_trunc")  # one channel, as the default config wants
    rng = np.random.default_rng(0)
    ours = rng.normal(0, 0.1, int(16_000 * CLIP_SECONDS)).astype(np.float32)
    theirs = rng.normal(0, 0.1, int(CLAP_RATE_HZ * CLIP_SECONDS)).astype(np.float32)

    def run_clap() -> None:
        features = extractor(theirs, sampling_rate=CLAP_RATE_HZ, return_tensors="pt")
        with torch.inference_mode():
            clap(input_features=features["input_features"])

    seconds = interleaved({"ours": lambda: model.encode_audio([ours]), "CLAP": run_clap}, rounds)
    times = ratio(seconds, "CLAP", "ours")
    rates = {name: CLIP_SECONDS / percentile(values, 0.5) for name, values in seconds.items()}
    details = {"seconds": seconds, "clip_seconds": CLIP_SECONDS, "threads": threads}
    work = f"audio embedding, float32, {threads} thread{'s' * (threads > 1)}"
    other = f"transformers CLAP tower, random weights {rates['CLAP']:.3g}× real time"
    return Row(work, f"{rates['ours']:.3g}× real time", other, times, "≥ 5×", times >= 5, details)
