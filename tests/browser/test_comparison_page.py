"""The page of a comparison, opened from a file: it draws, it answers its choices, and it asks nobody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cacara.benchmark.comparison import Contender, compare
from cacara.benchmark.dataset.splits import Benchmark
from cacara.benchmark.outcome import NO_LANGUAGE, outcome_of
from cacara.benchmark.report.page import to_html

CONCEPTS = [f"concept{number}" for number in range(12)]


def contender(name, seed):
    generator, relevant = np.random.default_rng(seed), np.eye(12, dtype=bool)

    def outcome():
        scores = (generator.random((12, 12)) + 0.3 * relevant).astype(np.float32)
        return outcome_of(scores, relevant, CONCEPTS, CONCEPTS, CONCEPTS, CONCEPTS)

    texts = {code: outcome() for code in ("de", "en", "sw", "yo")}
    return Contender(name, ({"text_to_audio": texts, "audio_to_image": {NO_LANGUAGE: outcome()}},))


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "compare.html"
    report = compare([contender(name, seed) for seed, name in enumerate("ABC")], Benchmark("b", "h", "dev", (), ()))
    path.write_text(to_html(report), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_chart_is_drawn_within_the_page_without_a_request(chromium, page_file, scheme, width):
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page, asked, wrong = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    page.goto(page_file.as_uri())
    page.wait_for_function("document.querySelectorAll('.chart .main-svg').length >= 7")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    text = page.evaluate("getComputedStyle(document.querySelector('.chart .xtick text')).fill")
    assert text == {"light": "rgb(29, 37, 48)", "dark": "rgb(230, 234, 240)"}[scheme]
    labels = page.locator("[data-kind=languages] .ytick text").all_text_contents()
    assert ("Swahili sw" in labels) == (width == 1280) and ("sw" in labels) == (width == 390)

    title = page.locator("[data-kind=differences] .xtitle")
    assert "R@10" in title.text_content()
    page.select_option("select[name=metric]", "recall_at_1")
    page.wait_for_function("document.querySelector('[data-kind=differences] .xtitle').textContent.endsWith('R@1')")
    page.select_option("select[name=direction]", "audio_to_image")
    page.wait_for_selector("[data-kind=languages] + .empty:not([hidden])")
    assert not page.locator("[data-kind=languages]").is_visible()
    assert page.locator("[data-kind=recalls]").is_visible()
    context.close()
    assert (asked, wrong) == ([page_file.as_uri()], [])
