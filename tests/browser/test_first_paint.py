"""From ``python app.py`` to a page that can be used, while the model is still being loaded; by ``make soak``.

``pytest -m soak -s tests/browser/test_first_paint.py`` writes the figures that docs/speed.md gives.
"""

from __future__ import annotations

import os
import sys
import time

import psutil
import pytest
from tabs import show_tab

pytestmark = pytest.mark.soak

SOON_SECONDS = 15
"""From the start to the first paint, on a machine that has nothing else to do."""
CONTENT = {
    "map": "#map .map",
    "compare": "#compare-run",
    "recordings": "#recordings-source .drop",
    "annotate": "#annotate .annotate",
    "review": "#review .review",
    "teach": "#teach-rows textarea",
    "improve": "#improve-intro p",
    "languages": "#languages",
    "about": "#about .about",
}
"""Selectors that show that a tab can be used."""


def first_map(url: str, chromium) -> float:
    """Return the seconds until a visitor sees the Map, which set-up has laid out and nobody has opened so far."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900}, locale="en-US")
    page.goto(url, wait_until="commit")
    page.wait_for_selector("#preparation .prepared", state="attached", timeout=300_000)
    began = time.monotonic()
    show_tab(page, "map")
    page.wait_for_selector(".map[data-drawn]", timeout=300_000)
    seconds = time.monotonic() - began
    page.close()
    return seconds


def test_the_page_is_painted_soon_and_every_tab_opens_before_the_model_is_there(start_app, chromium, tmp_path):
    load, began = os.getloadavg()[0], time.monotonic()
    running = start_app(tmp_path)
    served = time.monotonic() - began
    spent = sum(psutil.Process(running.process.pid).cpu_times()[:2])
    page = chromium.new_page(viewport={"width": 1280, "height": 900}, locale="en-US")
    page.set_default_timeout(60_000)
    page.goto(running.url, wait_until="commit")
    page.wait_for_selector("#query textarea", state="visible")
    painted = time.monotonic() - began
    early = []
    for name, content in CONTENT.items():
        show_tab(page, name)
        page.wait_for_selector(content, state="visible")
        if not page.locator("#preparation .prepared").count():
            early.append(name)
    opened = time.monotonic() - began
    page.wait_for_selector("#preparation .prepared", state="attached", timeout=300_000)
    sys.stdout.write(
        f"\n{os.cpu_count()} cores, load {load:.1f}: served after {served:.1f} s ({spent:.1f} s of processor time), "
        f"box to type in after {painted:.1f} s, all {len(CONTENT)} tabs seen after {opened:.1f} s, {len(early)} of "
        f"them before the model, which was there after {time.monotonic() - began:.1f} s\n"
    )
    page.close()
    sys.stdout.write(f"the Map's first picture {first_map(running.url, chromium):.1f} s after its tab was opened\n")
    assert early, "the page waits for the model"
    assert spent < SOON_SECONDS, "the page costs more processor time than it may take"
