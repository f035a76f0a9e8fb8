"""Make the documentation's pictures: start the app over a database of its own, use it as people do, and look.

    .venv/bin/python docs/make_pictures.py                 # all of them, some minutes on 2 cores
    .venv/bin/python docs/make_pictures.py map review      # those whose names begin so
    .venv/bin/python docs/make_pictures.py improve-run     # with a training, so only when it is asked for
    .venv/bin/python docs/make_pictures.py --whole --output /tmp/look compare     # whole pages, to look at

It needs what the browser tests need, and uses their helpers. When all are made, those no longer made are removed.
"""

from __future__ import annotations

import argparse
import functools
import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "browser"), str(ROOT / "tests" / "support"), str(ROOT / "docs")]

import pictures_campaign  # noqa: E402
from conftest import CHROMIUM, READY_SECONDS, RunningApp  # noqa: E402
from gradio_client import Client  # noqa: E402
from playwright.sync_api import Browser, Error, Page, sync_playwright  # noqa: E402
from tabs import show_tab  # noqa: E402

from cacara import sources  # noqa: E402
from cacara.galleries import gallery  # noqa: E402
from cacara.media import audio  # noqa: E402
from cacara.model.config import DEFAULT_MODEL  # noqa: E402
from cacara.recordings import speech  # noqa: E402
from cacara.sources import texts as source_texts  # noqa: E402

MAX_BYTES = 250_000
RIVAL = "cacara"  # is compared with the default model
SLOW_MS = 240_000
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 1.5}
DARK = {"color_scheme": "dark"}
ARABIC = {"locale": "ar-EG"}
SLOW = ("improve-run",)
SPOKEN = "animals/amphibians/frog-1_desc_es.ogg"
SEEN = "vehicles/emergency/firetruck.png"


class Desk:
    """What the pictures are taken with: the running app, a browser, the files that visitors bring."""

    def __init__(self, app: RunningApp, browser: Browser, folder: Path, output: Path, whole: bool) -> None:
        """Keep all of it; ``campaigns`` is filled once the model is there."""
        self._pages: dict[str, Page] = {}
        self.app, self.browser, self.folder, self.output, self.whole = app, browser, folder, output, whole
        self.campaigns = ("", "")
        stamps = source_texts.content_folder("tuxpaint", sources.fetch("tuxpaint"))
        self.spoken, self.seen = stamps / SPOKEN, stamps / SEEN
        self.dog = next(clip.path for clip in gallery.load_tux_paint().clips if clip.concept == "dog")

    def visit(self, *settings: dict[str, Any], query: str = "", tab: str = "") -> Page:
        """Return a visitor's page once the model is ready: a new one's with a ``query`` or without a ``tab``.

        The tabs keep out of each other's way, so one visitor opens them all: a page takes its time to load.
        """
        context = {"locale": "en-US", "reduced_motion": "reduce"}
        for each in settings or (DESKTOP,):
            context |= each
        if tab and (page := self._pages.get(str(context))):
            show_tab(page, tab)
            return page
        page = self.browser.new_context(**context).new_page()
        if tab:
            self._pages[str(context)] = page
        page.set_default_timeout(SLOW_MS)
        page.goto(self.app.url + query)
        page.add_style_tag(content=".mic-select { display: none; }")  # there is no microphone here
        page.wait_for_selector("#preparation .prepared", state="attached", timeout=READY_SECONDS * 1000)
        page.wait_for_timeout(500)
        if tab:
            show_tab(page, tab)
        return page

    def keep(self, page: Page, name: str, height: int = 1000, top: str = "") -> None:
        """Write what a page shows, from the element ``top`` on; a page that no other picture needs is closed."""
        page.evaluate("document.activeElement?.blur()")
        page.wait_for_timeout(700)
        width = page.viewport_size["width"]
        tall = page.evaluate("document.documentElement.scrollHeight")
        start = 0.0
        if top and not self.whole:
            start = max(0, page.locator(top).first.evaluate("e => e.getBoundingClientRect().top + scrollY") - 16)
        if self.whole:
            height = min(tall, 6000)
        clip = {"x": 0, "y": start, "width": width, "height": min(height, tall - start)}
        made = page.screenshot(full_page=True, clip=clip, animations="disabled")
        write(made, self.output / f"{name}.png", None if self.whole else MAX_BYTES)
        if page not in self._pages.values():
            page.context.close()


def write(made: bytes, path: Path, most: int | None) -> None:
    """Write a picture with as many colours as fit into ``most`` bytes; None writes it as it is.

    Raises:
        ValueError: It does not fit with 16 colours either.
    """
    image = Image.open(io.BytesIO(made)).convert("RGB")
    for colours in (256, 128, 64, 32, 16) if most else (0,):
        packed = io.BytesIO()
        shown = image.quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE) if colours else image
        shown.save(packed, "PNG", optimize=bool(colours))
        if most is None or packed.tell() <= most:
            path.write_bytes(packed.getvalue())
            return
    raise ValueError(f"{path.name}: found {packed.tell()} bytes with 16 colours, wanted at most {most}")


def ask(page: Page, text: str) -> None:
    """Type a query, and wait for what is found and its pictures."""
    page.fill("#query textarea", text)
    page.press("#query textarea", "Enter")
    page.wait_for_selector(".results.read .card")
    settle_images(page)


def choose_language(page: Page, menu: str, language: str) -> None:
    """Choose a language by its English name."""
    page.fill(f"{menu} input", language)
    page.locator(f"{menu} [role=option]", has_text=language).first.click()


def settle_images(page: Page) -> None:
    """Wait until the pictures are drawn, also those further down that a visitor has not come to."""
    page.evaluate("""async () => {
        const images = [...document.querySelectorAll(".results img")];
        images.forEach((image) => { image.loading = "eager"; });
        await Promise.all(images.map((image) => image.decode().catch(() => null)));
    }""")


def search(desk: Desk, name: str, *settings: dict[str, Any], text: str = "der Hund bellt") -> None:
    """A text query in German, or another."""
    page = desk.visit(*settings)
    ask(page, text)
    desk.keep(page, name, *((1150, "#results") if PHONE in settings else (1200,)))


def search_start(desk: Desk, name: str) -> None:
    """The page as a visitor first sees it."""
    desk.keep(desk.visit(), name, 900)


def search_sound(desk: Desk, name: str) -> None:
    """A recording as the query."""
    page = desk.visit()
    page.click("#sound [aria-label='Upload file']")
    page.set_input_files("#sound input[type=file]", desk.dog)
    page.wait_for_selector(".results.heard .card")
    settle_images(page)
    desk.keep(page, name)


def search_picture(desk: Desk, name: str) -> None:
    """A picture as the query."""
    page = desk.visit()
    page.set_input_files("#picture input[type=file]", desk.seen)
    page.wait_for_selector(".results.seen .sounds .card")
    settle_images(page)
    desk.keep(page, name)


def search_speech(desk: Desk, name: str) -> None:
    """A spoken query, written down and searched."""
    page = desk.visit()
    choose_language(page, "#language", "Spanish")
    page.click("#sound [aria-label='Upload file']")
    page.set_input_files("#sound input[type=file]", desk.spoken)
    page.click(".speech [data-action=write]")
    page.wait_for_selector(".speech.said")
    page.wait_for_selector(".results.read .card")
    settle_images(page)
    desk.keep(page, name)


def map_query(desk: Desk, name: str, *settings: dict[str, Any]) -> None:
    """A query on the map with what is near it."""
    page = desk.visit(*settings, tab="map")
    page.wait_for_selector(".map[data-drawn]")
    page.fill(".map-ask [name=query]", "der Hund bellt")
    page.press(".map-ask [name=query]", "Enter")
    page.wait_for_selector(".map-placed")
    desk.keep(page, name, 1600 if PHONE in settings else 1240)


def map_selection(desk: Desk, name: str) -> None:
    """What was found on the map as a table, coloured by language."""
    page = desk.visit(tab="map")
    page.wait_for_selector(".map[data-drawn]")
    page.select_option(".map [name=colour]", "language")
    page.fill(".map [name=find]", "frog")
    page.locator("[data-action=select-found]").click()
    page.wait_for_selector(".map-selection table")
    desk.keep(page, name, 1300, "#map .map-body")


def compare(desk: Desk, name: str, *settings: dict[str, Any]) -> None:
    """One thing in ten languages."""
    page = desk.visit(*settings, tab="compare")
    page.click("#compare-run")
    page.wait_for_selector(".comparison")
    for kind in ("places", "agreement", "similarity"):
        page.wait_for_selector(f".chart[data-kind={kind}] .main-svg", state="attached")
    desk.keep(page, name, 1500, "#comparison")


def recordings(desk: Desk, name: str, *settings: dict[str, Any]) -> None:
    """A minute and a half of tape with three things on it."""
    tape = desk.folder / "morning at the farm.wav"
    if not tape.exists():
        samples = np.random.default_rng(0).normal(0, 0.003, 90 * audio.SAMPLE_RATE_HZ).astype(np.float32)
        heard = {clip.concept: clip.path for clip in gallery.load_tux_paint().clips}
        for second, concept in ((12, "rooster"), (33, "dog"), (58, "cow"), (74, "dog")):
            sound = audio.load(heard[concept]).waveform[: 4 * audio.SAMPLE_RATE_HZ]
            samples[second * audio.SAMPLE_RATE_HZ :][: sound.size] += 0.8 * sound
        audio.write_wav(tape, samples)
    page = desk.visit(*settings, tab="recordings")
    page.set_input_files("#recordings-source input[type=file]", tape)
    page.wait_for_selector("#recordings-source .state[data-phase=ready]")
    page.fill("#recordings-query textarea", "mbwa anabweka")
    choose_language(page, "#recordings-language", "Swahili")
    page.click("#recordings-find")
    page.wait_for_selector("#recordings-found .found li")
    desk.keep(page, name, 1300 if PHONE in settings else 1050)


def annotate(desk: Desk, name: str, *settings: dict[str, Any], campaign: int = 0) -> None:
    """A question in the middle of a campaign."""
    page = desk.visit(*settings, query=f"?campaign={desk.campaigns[campaign]}")
    page.fill("#annotate [data-form=register] [name=name]", f"Noor {name[9:]}")
    page.check("#annotate [name=agreed]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#annotate .annotate-token code")
    page.click("#annotate [data-action=campaigns]")
    for key in "1312"[: 4 - campaign]:
        page.wait_for_selector("#annotate .annotate-item[data-item]")
        before = page.get_attribute("#annotate .annotate-item[data-item]", "data-item")
        page.keyboard.press(key)
        page.wait_for_function(
            "before => document.querySelector('#annotate .annotate-item')?.dataset.item !== before", arg=before
        )
        page.wait_for_selector("#annotate .annotate:not([aria-busy])")
    desk.keep(page, name, 1300 if PHONE in settings else 1000)


def review(desk: Desk, name: str, *settings: dict[str, Any], section: str, ready: str, height: int = 900) -> None:
    """A section of the Review tab."""
    page = desk.visit(*settings, tab="review")
    page.wait_for_selector("#review .review:not([aria-busy]) [data-section][aria-pressed=true]")
    page.click(f"#review [data-section={section}]")
    page.wait_for_selector(f"#review [data-section={section}][aria-pressed=true]")
    if section != "campaigns":
        page.select_option("#review [name=campaign]", desk.campaigns[0])
    page.wait_for_selector(f"#review .review:not([aria-busy]) {ready}")
    page.wait_for_timeout(300)
    desk.keep(page, name, height)


def teach(desk: Desk, name: str) -> None:
    """Pairs that were checked."""
    found = {clip.concept: clip.captions for clip in gallery.load_tux_paint().clips if "ach" in clip.captions}
    page = desk.visit(tab="teach")
    page.fill("#teach-code input", "ach")
    page.fill("#teach-rows textarea", "\n".join(f"{c['en'][0]}\t{c['ach'][0]}" for c in found.values()) + "\nonly one")
    page.click("#teach-check")
    page.wait_for_selector(".teach-report .found")
    desk.keep(page, name, 1100)


def improve(desk: Desk, name: str) -> None:
    """What was collected; of ``improve-run`` also a training on it that has ended, which takes minutes."""
    page = desk.visit(tab="improve")
    page.wait_for_selector(".improve-needed :is(.fine, .lacking)")
    if name in SLOW:
        page.click("#improve-start")
        page.wait_for_selector(".improve-run:is([data-state=done], [data-state=failed])", timeout=1_800_000)
    desk.keep(page, name, 1900)


def languages(desk: Desk, name: str) -> None:
    """What to expect of each language, and of one in words."""
    page = desk.visit(tab=name)
    page.click("#languages tbody tr[data-find^='sw '] button")
    desk.keep(page, name, 900)


def about(desk: Desk, name: str) -> None:
    """What is stored, models, licences."""
    page = desk.visit(tab=name)
    page.wait_for_selector("#about .about")
    desk.keep(page, name, 900)


class _Picture(NamedTuple):
    name: str
    make: Callable[..., None]
    settings: tuple[dict[str, Any], ...] = ()


def _pictures() -> list[_Picture]:
    of, shown = _Picture, functools.partial
    tables = {"judgements": "tbody tr", "disagreements": "[data-pair]", "agreement": "tbody tr"}
    return [
        of("search-start", search_start),
        of("search-desktop-light", search),
        of("search-desktop-dark", search, (DESKTOP, DARK)),
        of("search-phone-dark", search, (PHONE, DARK)),
        of("search-arabic", shown(search, text="القطة تموء"), (DESKTOP, ARABIC)),
        of("search-phone-arabic", shown(search, text="القطة تموء"), (PHONE, ARABIC)),
        of("search-sound", search_sound),
        of("search-picture", search_picture),
        of("search-speech", search_speech),
        of("map-query", map_query),
        of("map-query-phone-dark", map_query, (PHONE, DARK)),
        of("map-selection", map_selection),
        of("compare", compare),
        of("compare-phone-dark", compare, (PHONE, DARK)),
        of("recordings", recordings),
        of("recordings-phone-dark", recordings, (PHONE, DARK)),
        of("annotate", annotate),
        of("annotate-two-models", shown(annotate, campaign=1)),
        of("annotate-phone-dark", annotate, (PHONE, DARK)),
        of("review-campaigns", shown(review, section="campaigns", ready="tbody tr")),
        *(of(f"review-{key}", shown(review, section=key, ready=ready)) for key, ready in tables.items()),
        of("review-progress", shown(review, section="progress", ready="[data-plot=days] .main-svg", height=1100)),
        of("teach", teach),
        of("languages", languages),
        of("about", about),
        of("improve", improve),
        of("improve-run", improve),
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the pictures; return the exit code."""
    parser = argparse.ArgumentParser(prog="make_pictures.py", description="Make the documentation's pictures.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="how the wanted pictures' names begin (all)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images", metavar="DIR")
    parser.add_argument("--whole", action="store_true", help="whole pages in all their colours")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    names = tuple(options.names)
    wanted = [each for each in _pictures() if (each.name.startswith(names) if names else each.name not in SLOW)]
    if not wanted:
        parser.error(f"no such picture; there are {', '.join(each.name for each in _pictures())}")
    with tempfile.TemporaryDirectory(prefix="cacara-pictures-") as place, sync_playwright() as driver:
        app = RunningApp(Path(place))
        try:
            app.wait_until_served()
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            missing = _make(wanted, Desk(app, browser, Path(place), options.output, options.whole))
            browser.close()
        finally:
            app.stop()
    if not options.names and not missing:
        for old in set(options.output.glob("*.png")) - {options.output / f"{each.name}.png" for each in _pictures()}:
            old.unlink()
    return 1 if missing else 0


def _make(wanted: Sequence[_Picture], desk: Desk) -> list[str]:
    """Make pictures, and return the names of those that could not be made."""
    missing = []
    if any(each.make is search_speech for each in wanted):
        speech.prepare()
    page = desk.visit()
    if any(each.name.startswith(("annotate", "review", "improve")) for each in wanted):
        client = Client(desk.app.url, verbose=False, httpx_kwargs={"timeout": READY_SECONDS})
        pictures_campaign.prepare(client, RIVAL)
        find = functools.partial(client.predict, api_name="/search_text")
        desk.campaigns = pictures_campaign.fill(desk.app.database, find, (DEFAULT_MODEL, RIVAL))
    page.context.close()
    for each in wanted:
        began, told = time.monotonic(), "made"
        try:
            each.make(desk, each.name, *each.settings)
        except Error as error:  # what the page should have shown did not come
            missing.append(each.name)
            told = " ".join(str(error).split())
        print(f"{each.name}: {told} ({time.monotonic() - began:.1f} s)", flush=True)  # noqa: T201
    return missing


if __name__ == "__main__":
    sys.exit(main())
