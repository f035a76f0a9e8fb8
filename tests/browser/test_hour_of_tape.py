"""An hour of field tape through the running app, opened where it lies and sent from the page; by ``make soak``.

The tape is faint noise with a real sound each half minute. ``pytest -m soak -s tests/browser/test_hour_of_tape.py``
writes the figures that docs/linguist.md gives.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
import time
import wave
from pathlib import Path

import numpy as np
import psutil
import pytest
from tabs import show_tab

from cacara.benchmark.dataset import splits
from cacara.media import audio

pytestmark = pytest.mark.soak

SECONDS = 3600
APART = 30
QUERIES = {"Ein Wolf heult": "wolf", "helikopta": "helicopter", "колокол": "bell"}
HEARING_SECONDS = 3000
FLAT_MB = 80.0
"""So much more memory than in its first third the listening may take in its last."""


@dataclasses.dataclass(frozen=True)
class Tape:
    """An hour, and what is to be heard when: start and end in seconds, and the concept."""

    path: Path
    planted: list[tuple[float, float, str]]


class Memory(threading.Thread):
    """Looks at the memory of a process and its children, four times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process, self._ended = psutil.Process(pid), threading.Event()
        self.megabytes: list[float] = []

    def run(self) -> None:
        while not self._ended.wait(0.25):
            total = 0
            for each in (self._process, *self._process.children(recursive=True)):
                try:
                    total += each.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.megabytes.append(total / 1e6)

    def end(self) -> tuple[float, float, float]:
        """Stop looking; return the most of the first and of the last third, and the most of all, in MB."""
        self._ended.set()
        self.join()
        third = max(1, len(self.megabytes) // 3)
        return max(self.megabytes[:third]), max(self.megabytes[-third:]), max(self.megabytes)


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    """Sounds of the dev split, none of test, each half minute; written second by second."""
    clips = splits.fetch(splits.SOUNDS, "dev").clips
    clips = sorted(clips, key=lambda clip: (clip.concept not in QUERIES.values(), clip.sha256))[: SECONDS // APART]
    clips = sorted(clips, key=lambda clip: clip.sha256)
    rate, rng, planted = audio.SAMPLE_RATE_HZ, np.random.default_rng(0), []
    place = tmp_path_factory.mktemp("field") / "monday.wav"
    with wave.open(str(place), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        for number in range(SECONDS // APART):
            stretch = rng.normal(0, 0.003, APART * rate).astype(np.float32)
            clip = clips[number]
            sound = audio.load(clip.path, audio.GALLERY_LIMITS).waveform[: 8 * rate]
            stretch[10 * rate : 10 * rate + sound.size] += 0.8 * sound
            start = number * APART + 10.0
            planted.append((start, start + sound.size / rate, clip.concept))
            file.writeframes((stretch.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return Tape(place, planted)


def ready_page(open_page, running):
    page = open_page(running.url)
    show_tab(page, "recordings")
    page.wait_for_selector("#recordings-source .drop")
    return page


def listened(page, running, begin) -> str:
    """Open a tape by ``begin`` and wait for it; return the figures."""
    memory, began = Memory(running.process.pid), time.monotonic()
    memory.start()
    begin()
    ended = ", ".join(f"#recordings-source .state[data-phase={phase}]" for phase in ("ready", "failed"))
    page.wait_for_selector("#recordings-source .state:is([data-phase=queued], [data-phase=listening])", timeout=300_000)
    page.wait_for_selector(ended, timeout=HEARING_SECONDS * 1000)
    seconds = time.monotonic() - began
    first, last, most = memory.end()
    assert "Ready. 1:00:00" in page.inner_text("#recordings-source .state")
    assert last < first + FLAT_MB, f"memory grew from {first:.0f} to {last:.0f} MB"
    return f"{seconds:.0f} s; memory {first:.0f} MB in the first third, {last:.0f} in the last, {most:.0f} at most"


def found(page, query, tape) -> tuple[str, float]:
    """Ask; return the figures, and the share of the sounds asked for that the ten passages hold."""
    page.fill("#recordings-query textarea", query)
    began = time.monotonic()
    page.click("#recordings-find")
    page.wait_for_selector(f"#recordings-found h2:has-text('{query}')", timeout=60_000)
    seconds = time.monotonic() - began
    read = "rows => rows.map(row => [row.dataset.start, row.dataset.end].map(Number))"
    hits = page.locator("#recordings-found li button").evaluate_all(read)
    assert all(0 <= start < end <= SECONDS for start, end in hits) and len(hits) == 10
    wanted = [(start, end) for start, end, concept in tape.planted if concept == QUERIES[query]]
    held = [any(start < there and here < end for start, end in hits) for here, there in wanted]
    first = next((rank for rank, hit in enumerate(hits, 1) if any(hit[0] < b and a < hit[1] for a, b in wanted)), None)
    told = f"{query}: {sum(held)} of {len(held)} sounds ({QUERIES[query]}) are in ten passages, the first at {first}"
    return f"{told}, {seconds:.1f} s", sum(held) / len(held)


def exported(page, folder: Path, link: str) -> Path:
    with page.expect_download() as waiting:
        page.click(f"#recordings-found .exports a >> text={link}")
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_an_hour_is_heard_in_flat_memory_searched_and_taken_along(start_app, open_page, tape, tmp_path):
    from pympi import Elan, Praat

    running = start_app(tmp_path, "--local-files", str(tape.path.parent))
    page = ready_page(open_page, running)
    base = psutil.Process(running.process.pid).memory_info().rss / 1e6
    say = sys.stdout.write
    say(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; the app before: {base:.0f} MB\n")
    page.select_option("#recordings-source .local select", "monday.wav")
    say(f"opened where it lies: {listened(page, running, lambda: page.click('[data-action=local]'))}\n")
    page.click("#recordings-source [data-action=forget]")
    page.wait_for_selector("#recordings-source .state[data-phase=forgotten]")
    assert tape.path.is_file(), "a file of one's own is never deleted"
    megabytes = tape.path.stat().st_size / 1e6
    sent = listened(page, running, lambda: page.set_input_files("#recordings-source input[type=file]", tape.path))
    say(f"sent from the page, {megabytes:.0f} MB: {sent}\n")

    shares = []
    for query in QUERIES:
        told, share = found(page, query, tape)
        say(f"{told}\n")
        shares.append(share)
    assert max(shares) >= 0.5 and sum(shares) / len(shares) >= 0.25, "the passages hold what was asked for"
    eaf = Elan.Eaf(str(exported(page, tmp_path, "ELAN")))
    assert len(eaf.get_tier_names()) == len(QUERIES)
    assert all(len(eaf.get_annotation_data_for_tier(name)) == 10 for name in eaf.get_tier_names())
    grid = Praat.TextGrid(str(exported(page, tmp_path, "Praat")), codec="utf-8")
    assert (grid.xmax, grid.tier_num) == (SECONDS, len(QUERIES))
    rows = exported(page, tmp_path, "CSV").read_text(encoding="utf-8-sig").splitlines()
    assert len(rows) == 1 + 10 * len(QUERIES)
