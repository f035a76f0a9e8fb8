"""A folder embedded by one process and by two, each of one thread."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.speed.timing import Row, Size

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 10


def measure(size: Size) -> Iterator[Row]:
    """Yield the gain of the second process; the start of the processes is taken off by runs that find all done."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "sounds")
        write_sounds(folder, size.files)
        net = {}
        for processes in (1, 2):
            work = Path(place, f"work-{processes}")
            whole = _run(folder, work, processes)
            net[processes] = whole - _run(folder, work, processes)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    times = net[1] / net[2]
    rates = {count: size.files * SECONDS / seconds for count, seconds in net.items()}
    details = {"seconds": net, "files": size.files, "peak_gb": peak}
    told = f"bulk embedding, {size.files} sounds of {SECONDS} s, 2 processes"
    other = f"1 process {rates[1]:.3g}× real time; peak {peak:.2f} GB each"
    yield Row(told, f"{rates[2]:.3g}× real time", other, times, "≥ 1.7×", times >= 1.7, details)


def write_sounds(folder: Path, count: int) -> None:
    """Write sounds of noise, WAV with 16 bits at 16 kHz."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        with wave.open(str(folder / f"{number:05d}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(rng.integers(-3000, 3000, 16_000 * SECONDS, dtype=np.int16).tobytes())


def _run(folder: Path, work: Path, processes: int) -> float:
    launch = [sys.executable, "-m"]
    if processes > 1:
        launch += ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    command = [*launch, "cacara", "index", str(folder), "--engine", f"exact:{work}-index", "--work", str(work)]
    begin = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "--device", "cpu"], cwd=REPOSITORY, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begin
