"""``python -m cacara setup`` from an empty cache, by part; it fetches some 400 MB, so it runs only when it is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.speed.timing import Row, Size

REPOSITORY = Path(__file__).resolve().parents[2]


def measure(size: Size) -> Iterator[Row]:
    """Yield a row for each part, in the order of set-up; each finds done what those before it have made."""
    del size
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "benchmarks.speed.set_up"]
        environment = {**os.environ, "CACARA_CACHE": cache}
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    parts = json.loads(done.stdout.splitlines()[-1])
    for name, (seconds, spent, megabytes) in parts.items():
        told = f"{spent:.0f} s of processor time; {megabytes:.0f} MB more in the cache"
        yield Row(f"set-up: {name}", f"{seconds:.0f} s", told, None, "", None, {"seconds": seconds, "spent": spent})


def _parts() -> dict[str, tuple[float, float, float]]:
    """Return seconds, processor seconds and megabytes of each part."""
    from cacara import sources
    from cacara.embedding_map import points, store
    from cacara.galleries import gallery
    from cacara.model import checkpoint
    from cacara.model.model import Cacara
    from cacara.search.retriever import Retriever

    made: dict[str, Any] = {}

    def embed() -> None:
        model: Cacara = made["model"]
        made["retriever"] = Retriever(model, made["gallery"])

    works: dict[str, Callable[[], object]] = {
        "model, its backbones fetched and converted": lambda: made.update(model=checkpoint.load(device="cpu")),
        "gallery fetched and unpacked": lambda: made.update(gallery=gallery.load(None)),
        "sounds, pictures and senses embedded": embed,
        "fonts fetched": lambda: sources.fetch_all(key for key in sources.SOURCES if key.startswith("font-")),
        "map laid out": lambda: store.make(made["retriever"], points.choose(made["retriever"])),
    }
    found = {}
    for name, work in works.items():
        begun, spent, before = time.perf_counter(), sum(os.times()[:4]), _megabytes(sources.cache_folder())
        work()
        seconds, more = time.perf_counter() - begun, _megabytes(sources.cache_folder()) - before
        found[name] = (seconds, sum(os.times()[:4]) - spent, more)
    return found


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_parts()) + "\n")
