"""From ``python app.py`` to the first answer, and the memory of the app with many clips."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.speed.timing import Row, Size

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 3_600.0  # 100,000 clips are embedded first
SLOWEST_IMPORTS = 10
GOAL_SECONDS = 8


def measure(size: Size) -> Iterator[Row]:
    """Yield the time of starts whose cache is warm, with the slowest imports."""
    starts = [start_and_ask(None) for _ in range(min(3, size.rounds))]
    seconds, megabytes = sorted(starts)[len(starts) // 2]
    imports = slowest_imports()
    told = ", ".join(f"{name} {value:.1f} s" for name, value in imports[:4])
    details = {"seconds": seconds, "megabytes": megabytes, "starts": starts, "imports": imports}
    work = "start to first answer, warm"
    yield Row(
        work, f"{seconds:.1f} s", f"imports: {told}", None, f"≤ {GOAL_SECONDS} s", seconds <= GOAL_SECONDS, details
    )


def start_and_ask(gallery: Path | None) -> tuple[float, float]:
    """Start the app, ask it once, stop it; return seconds until the answer, and its memory then in MB."""
    import psutil
    from gradio_client import Client

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "app.py", "--port", str(port), "--database", f"{place}/feedback.db"]
        command += ["--gallery", str(gallery)] if gallery else []
        begin = time.perf_counter()
        with open(f"{place}/log", "wb") as log:
            app = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log)
        try:
            client = None
            while True:
                try:
                    client = client or Client(f"http://127.0.0.1:{port}", verbose=False)
                    client.predict("der Hund bellt", api_name="/search_text")
                    break
                except Exception as error:  # noqa: BLE001 - until it is up, whatever a connection raises
                    if app.poll() is not None or time.perf_counter() - begin > PATIENCE_SECONDS:
                        raise RuntimeError(
                            f"the app gave no answer: {Path(place, 'log').read_text()[-500:]}"
                        ) from error
                    time.sleep(0.2)
            seconds = time.perf_counter() - begin
            process = psutil.Process(app.pid)
            memory = sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
            return seconds, memory / 1e6
        finally:
            app.terminate()
            app.wait(30)


def slowest_imports() -> list[tuple[str, float]]:
    """Return packages with the seconds their import takes, slowest first, those that they import included."""
    code = "import ui.layout, ui.services.engine, cacara.model.checkpoint"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    found = re.findall(r"^import time:\s+\d+ \|\s+(\d+) \| +(\w+)$", done.stderr, re.MULTILINE)
    slowest = sorted(((name, int(microseconds) / 1e6) for microseconds, name in found), key=lambda pair: -pair[1])
    return slowest[:SLOWEST_IMPORTS]


def many_clips(folder: Path, count: int) -> None:
    """Write a gallery of ``count`` sounds of a quarter of a second, each its own bytes."""
    import wave

    import numpy as np

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        with wave.open(str(folder / f"{number:06d}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(rng.integers(-3000, 3000, 4_000, dtype=np.int16).tobytes())
