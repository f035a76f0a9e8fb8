"""The machine and the versions that figures belong to, and how fast it moves and multiplies numbers."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("numpy", "torch", "transformers", "sentence-transformers", "faiss-cpu", "lancedb", "gradio")


def describe() -> dict[str, Any]:
    """Return processor, cores, memory, load, Python and package versions."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "load_1_minute": round(os.getloadavg()[0], 2),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def read_gigabytes_per_second(array: np.ndarray) -> float:
    """Return how fast an array that exceeds the caches is read once: the best of three sums."""
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        array.sum()
        seconds.append(time.perf_counter() - begin)
    return array.nbytes / min(seconds) / 1e9


def multiply_gigaflops(size: int = 1024) -> float:
    """Return the rate of a float32 matrix product, the best of three."""
    square = np.ones((size, size), np.float32)
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        square @ square
        seconds.append(time.perf_counter() - begin)
    return 2 * size**3 / min(seconds) / 1e9


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
