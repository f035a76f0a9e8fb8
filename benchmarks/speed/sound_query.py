"""A recording through the app, from the uploaded file to all its lists, against how it was answered before.

Before, the audio tower worked for each list and once more for speech, and the decoder's process started when the file
was there. Both ways run here in turns, through the same code of today.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.speed.timing import Row, Size, interleaved, milliseconds, ratio

if TYPE_CHECKING:
    from cacara.search.retriever import Retriever
    from ui.services.services import Services

TARGETS = ("text", "audio", "image")
SECONDS = (3, 10)
GOAL = 0.6


def measure(size: Size) -> Iterator[Row]:
    """Yield, for a short and a longer recording, the whole and its stages."""
    from cacara.media import audio, isolation
    from cacara.search import setup
    from ui.page.wording import wording
    from ui.services.engine import Engine
    from ui.services.services import Feedback, Services

    engine = Engine(lambda report: setup.prepare(place="tuxpaint", device="cpu", report=report))
    engine._run()
    retriever = engine.retriever(wording("en"))
    isolation.keep_ready()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        services = Services(engine, Feedback(Path(folder) / "feedback.db"))
        for seconds in SECONDS:
            path = Path(folder) / f"{seconds}.wav"
            audio.write_wav(path, rng.normal(0, 0.1, 16_000 * seconds).astype(np.float32))
            yield from _recording(services, retriever, path, max(3, size.rounds // 2))


def _recording(services: Services, retriever: Retriever, path: Path, rounds: int) -> Iterator[Row]:
    from cacara.media import audio, isolation
    from cacara.search.request import SearchRequest
    from ui.search.actions import search_audio

    model, waveform = retriever.model, audio.load(path).waveform
    request = SearchRequest(sound=waveform, targets=TARGETS)
    query = retriever.embed(request)
    kept = isolation._FORKS

    def passes() -> None:
        """Do what was done in place of one embedding: a pass for each list, and one for speech."""
        for _ in TARGETS:
            model.encode_audio([waveform])
        _speech(model, waveform)

    def ours() -> None:
        search_audio(services, str(path))

    def before() -> None:
        """Answer with a decoder that starts now, and with the passes that are saved today."""
        isolation._FORKS = isolation._Forks()
        search_audio(services, str(path))
        isolation._FORKS = kept
        for _ in TARGETS[1:]:
            model.encode_audio([waveform])
        _speech(model, waveform)

    def decode_afresh() -> None:
        isolation._FORKS = isolation._Forks()
        audio.load(path)
        isolation._FORKS = kept

    seconds = interleaved({"ours": ours, "before": before}, rounds)
    faster = ratio(seconds, "before", "ours")
    length = f"{waveform.size / audio.SAMPLE_RATE_HZ:.0f} s of sound"
    details = {"seconds": seconds, "passes": 1, "passes_before": len(TARGETS) + 1}
    told = f"4 passes, decoder started anew {milliseconds(seconds['before'])}"
    work = f"{length} through the app, p50 / p95"
    goal = f"≤ {GOAL} of the time"
    yield Row(work, milliseconds(seconds["ours"]), told, faster, goal, 1 / faster <= GOAL, details)
    works = {"decode": lambda: audio.load(path), "decode, process started anew": decode_afresh}
    times = interleaved(works, rounds)
    works = {
        "embed": lambda: retriever.embed(request),
        "embed, four passes": passes,
        "look in three targets": lambda: [retriever.nearest(query, target) for target in TARGETS],
    }
    times |= interleaved(works, rounds)
    for name, former in (("decode", "decode, process started anew"), ("embed", "embed, four passes")):
        told = f"{former} {milliseconds(times[former])}"
        found = ratio(times, former, name)
        yield Row(f"… {name}, p50 / p95", milliseconds(times[name]), told, found, "", None, {"seconds": times})
    name = "look in three targets"
    yield Row(f"… {name}, p50 / p95", milliseconds(times[name]), "–", None, "", None, {"seconds": times[name]})


def _speech(model: Any, waveform: np.ndarray) -> float:  # noqa: ANN401
    """Return the probability of speech from a pass of the network as it is trained, not of its graph."""
    import torch

    with torch.inference_mode():
        _, logits = model.audio.network(model.audio.patches(waveform))
        return float(logits[:, 0].sigmoid().mean())
