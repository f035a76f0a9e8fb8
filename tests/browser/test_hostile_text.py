"""A probe in every field that is ever shown: it stands on the page as text, and none of it runs."""

from __future__ import annotations

import csv
import dataclasses
import gc
import json
import socket
import warnings
from pathlib import Path

import numpy as np
import pytest
from tabs import show_tab

import app as app_module
from cacara.errors import CheckpointError
from cacara.media import audio
from cacara.model.registry import POINTER, VERSIONS
from feedback_db import Campaign, Caption, Item, Judgement, Store, save_recording
from feedback_db.records.lines import to_line
from tests.ui.services.test_services import in_event_loop

PROBE = "\"'><img src=x onerror=window.hacked=1><svg onload=window.hacked=2>${window.hacked=3}{{hacked}}"
"""Leaves an attribute and an element, and would run in a template too. Fits where 100 characters may stand."""
FILE = PROBE + ".wav"


@dataclasses.dataclass
class Hostile:
    """An app whose gallery, database and registry of models were written by somebody who means ill."""

    url: str
    folder: Path
    database: Path


class Models:
    """A model that answers, and one that somebody has named and that cannot be read."""

    def __init__(self, make) -> None:
        self._make = make

    def offered(self):
        return [("tiny", "tiny"), (PROBE, PROBE)]

    def current(self):
        return "tiny"

    fallback = current

    def prepare(self, model_id, beside, report):
        if model_id == PROBE:
            raise CheckpointError(f"{PROBE} cannot be read")
        return self._make(report)


@pytest.fixture(scope="module")
def hostile(tiny_model, tmp_path_factory):
    from cacara.galleries.gallery import load_folder
    from cacara.search.retriever import Retriever
    from ui.services.engine import Engine

    folder = tmp_path_factory.mktemp("hostile")
    gallery, models = folder / "gallery", folder / "models"
    gallery.mkdir()
    for number, name in enumerate((FILE, "b.wav", "c.wav", "d.wav")):
        sound = np.sin(np.arange(32_000) / (8 + number)) / 2
        audio.write_wav(gallery / name, sound.astype(np.float32))
    with (gallery / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "language", "text", "concept"])
        rows.writerows([name, code, f"{code} dog {PROBE}", PROBE] for name in (FILE, "b.wav") for code in ("en", "de"))
    _promote(models)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    database = folder / "feedback.db"
    settings = app_module.Settings("127.0.0.1", port, None, gallery, database, models, "cpu")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the server is Gradio's; what it leaves to the collector is not ours to mend
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        engine = Engine(models=Models(lambda report: Retriever(tiny_model, load_folder(gallery), report)))
        engine._default = "tiny"
        engine._run("tiny")
        services = dataclasses.replace(app_module.make_services(settings), engine=engine)
        served = in_event_loop(lambda: app_module.start_server(services, "127.0.0.1", port))
        yield Hostile(served.local_url, folder, database)
        served.close()
        services.feedback.store().close()
        gc.collect()


def _promote(models) -> None:
    """Write a registry as an operator would have it who forced a model whose gate had failed."""
    place = models / VERSIONS / "tiny" / "1"
    place.mkdir(parents=True)
    (place / "README.md").write_text(PROBE)
    gate = {"passed": False, "failed": [PROBE], "fingerprint": PROBE}
    row = {"model_id": "tiny@1", "name": "tiny", "version": "1", "promoted_utc": PROBE, "forced": True, "gate": gate}
    history = [{"action": "promote", "model_id": PROBE, "previous": PROBE, "time_utc": PROBE}]
    content = {"format_version": 1, "stack": [], "models": [row], "history": history}
    (models / POINTER).write_text(json.dumps(content))


ABOUT = {"recording_sha256": None, "consent": False, "language": "en", "gallery": PROBE}
RANKED = {"clip_id": FILE, "rank": 1, "score": 0.5, "model": PROBE, "model_version": PROBE}


@pytest.fixture(scope="module")
def campaigns(hostile):
    """Two campaigns, of a text and of a recording, and answers of two people who differ."""
    texts = Campaign(name=PROBE, guidelines=f"{PROBE} [go](javascript:window.hacked=4)", created_by=PROBE)
    sounds = Campaign(name="sounds", created_by="Lead")
    with Store(hostile.database) as store:
        for label in ("relevant", "not_relevant"):
            store.add_judgement(
                Judgement(
                    query_text=PROBE, annotator=f"{PROBE[:60]} {label}", label=label, comment=PROBE, **ABOUT | RANKED
                )
            )
        said = {"caption": PROBE, "caption_language": "en", "annotator": PROBE}
        store.add_caption(Caption(query_text=PROBE, **said, **ABOUT | RANKED))
        recordings = hostile.folder / "recordings"
        audio.write_wav(hostile.folder / "asked.wav", np.sin(np.arange(16_000) / 8).astype(np.float32) / 2)
        sha256 = save_recording(recordings, hostile.folder / "asked.wav")
        given = {"recording_sha256": sha256, "consent": True, "language": None}
        store.add_judgement(Judgement(query_text=None, annotator="Owner", label="relevant", **ABOUT | RANKED | given))
        for campaign in (texts, sounds):
            store.save_campaign(campaign)
        asked = {"language": "en", "gallery": PROBE, "clip_id": FILE}
        store.add_items(
            [
                Item(campaign_id=texts.campaign_id, query_text=PROBE, **asked),
                Item(
                    campaign_id=sounds.campaign_id,
                    query_text=None,
                    recording_sha256=sha256,
                    **asked | {"language": None},
                ),
            ]
        )
    return texts, sounds


@pytest.fixture
def page(chromium, hostile, campaigns):
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    page, wrong = context.new_page(), []
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.goto(hostile.url)
    page.wait_for_selector("#preparation .prepared", state="attached")
    yield page
    page.wait_for_timeout(200)
    ran = page.evaluate("window.hacked")
    made = page.locator("img[src=x], svg[onload]").count()
    context.close()
    assert (ran, made, wrong) == (None, 0, [])


def shown(page, selector: str) -> str:
    return " ".join(page.locator(selector).all_inner_texts())


def section(page, name: str, selector: str) -> None:
    page.click(f"#review [data-section={name}]")
    page.wait_for_selector(f"#review {selector}")


def test_a_probe_is_text_where_a_visitor_asks(page):
    page.fill("#query textarea", PROBE)
    page.click("#search")
    page.wait_for_selector(".card")
    assert PROBE in shown(page, "#results .card"), "the caption"
    assert PROBE[:50] in shown(page, "#history"), "the query, shortened"

    show_tab(page, "compare")
    page.fill("#compare-rows textarea", f"en\t{PROBE}\t{PROBE}\nde\tHund\tdog\n{PROBE}\tx\n")
    page.click("#compare-run")
    page.wait_for_selector(".comparison .words tbody tr")
    assert PROBE in shown(page, ".words"), "the word"
    assert "<img" in shown(page, ".left-out"), "the code"

    show_tab(page, "about")
    page.evaluate(f"localStorage.setItem('cacara-annotator', {json.dumps(PROBE)})")
    page.reload()
    page.wait_for_selector("#query textarea")
    show_tab(page, "about")
    page.wait_for_function("document.querySelector('#about .token')?.textContent.includes('<img')")
    assert shown(page, "#about .token") == PROBE


def test_a_probe_is_text_on_the_map_and_on_a_tape(page, hostile):
    show_tab(page, "recordings")
    page.wait_for_selector("#recordings-source .drop")
    page.set_input_files("#recordings-source input[type=file]", hostile.folder / "gallery" / FILE)
    page.wait_for_selector("#recordings-source .state[data-phase=ready]")
    assert "<img src=x onerror" in shown(page, "#recordings-source .state"), "the file's name"
    page.fill("#recordings-query textarea", PROBE)
    page.click("#recordings-find")
    page.wait_for_selector("#recordings-found .found li")

    show_tab(page, "map")
    page.wait_for_selector(".map[data-drawn]", timeout=120_000)
    page.fill(".map-ask [name=query]", PROBE)
    page.press(".map-ask [name=query]", "Enter")
    page.wait_for_selector(".map-placed")
    assert PROBE in shown(page, ".map-side"), "the query and the captions near it"
    page.locator(".map-near.audio button").filter(has_text="<img").first.click()
    page.wait_for_selector(".map-picked audio")
    assert PROBE in shown(page, ".map-picked"), "the caption"
    page.select_option(".map [name=colour]", "concept")
    page.wait_for_timeout(500)  # the map is drawn anew, with the probe as a colour's name


def test_a_probe_is_text_where_a_language_is_taught_and_a_model_trained(page):
    show_tab(page, "teach")
    page.wait_for_selector("#teach-rows textarea")
    page.fill("#teach-code input", "sw")
    page.fill("#teach-rows textarea", f"{PROBE}\t{PROBE}\n{PROBE}\n")
    page.click("#teach-check")
    page.wait_for_selector(".teach-report table")
    assert page.locator(".left-out").first.is_visible()
    show_tab(page, "improve")
    page.wait_for_selector(".improve-models")
    page.wait_for_selector(".improve-collected tbody tr, .improve-collected dd, .improve-collected li")
    assert PROBE[:40] in shown(page, ".improve-collected"), "the annotator"
    assert PROBE in shown(page, ".improve-models"), "the registry's history"


def test_a_probe_is_text_as_the_name_of_a_model_and_as_why_it_failed(page):
    page.click("#model input")
    page.get_by_role("option", name=PROBE).click()
    page.wait_for_selector("#model-notice .failed")
    assert f"{PROBE} cannot be read" in shown(page, "#model-notice")


def test_a_probe_is_text_in_files_of_words_and_of_pairs(page, tmp_path):
    show_tab(page, "compare")
    words = tmp_path / f"{PROBE[:40].replace('/', '')}.tsv"
    words.write_text(f"en\t{PROBE}\t{PROBE}\nde\tHund\tdog\n{PROBE}\tx\n", encoding="utf-8")
    page.set_input_files("#compare-tab input[type=file]", words)
    page.wait_for_function("document.querySelector('#compare-rows textarea').value.includes('<img')")
    page.click("#compare-run")
    page.wait_for_selector(".comparison .words tbody tr")
    assert PROBE in shown(page, ".words"), "the word"
    show_tab(page, "teach")
    page.wait_for_selector("#teach-rows textarea")
    page.fill("#teach-code input", "sw")
    pairs = words.with_suffix(".csv")
    pairs.write_text(f'"{PROBE.replace(chr(34), chr(34) * 2)}",mbwa\n{PROBE[2:]}\n', encoding="utf-8")
    page.set_input_files("#teach-file input[type=file]", pairs)
    page.wait_for_function("document.querySelector('#teach-file').textContent.includes('<img')")
    page.click("#teach-check")
    page.wait_for_selector(".teach-report table")


def test_a_probe_is_text_in_the_question_and_ones_own_answers(page, hostile, campaigns):
    texts, sounds = campaigns
    page.goto(f"{hostile.url}?campaign={texts.campaign_id}")
    page.fill("#annotate [data-form=register] [name=name]", f"{PROBE[:70]} me")
    page.check("#annotate [name=agreed]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#annotate .annotate-token code")
    assert PROBE[:70] in shown(page, "#annotate .annotate-sign"), "the annotator"
    page.click("#annotate [data-action=campaigns]")
    page.wait_for_selector("#annotate .annotate-item[data-item]")
    assert PROBE in shown(page, "#annotate .annotate-desk h2"), "the campaign"
    assert PROBE in shown(page, "#annotate .annotate-text"), "the guidelines"
    assert PROBE in shown(page, "#annotate .annotate-query"), "the query"
    assert page.locator("#annotate a[href^=javascript]").count() == 0
    page.keyboard.press("c")
    page.keyboard.insert_text(PROBE)
    page.keyboard.press("Escape")
    page.wait_for_selector("#annotate .annotate:not([aria-busy])")
    page.keyboard.press("1")
    page.wait_for_selector("#annotate .annotate-done")
    page.wait_for_selector("#annotate .annotate:not([aria-busy])")
    page.click("#annotate [data-action=mine]")
    page.wait_for_selector("#annotate .annotate-mine tbody tr")
    assert PROBE in shown(page, "#annotate .annotate-mine"), "the query and the description"

    # A question that asks with a recording: who holds it hears it, by a token that no address carries.
    page.goto(f"{hostile.url}?campaign={sounds.campaign_id}")
    page.wait_for_function("document.querySelector('#annotate audio.asked')?.readyState >= 2")
    assert page.get_attribute("#annotate audio.asked", "src").startswith("blob:")


def test_a_probe_is_text_in_every_section_of_the_review(page, tmp_path):
    show_tab(page, "review")
    page.wait_for_selector("#review [data-action=new]")
    section(page, "campaigns", "tbody tr")
    assert PROBE in shown(page, "#review tbody"), "the campaign"
    section(page, "disagreements", "[data-pair]")
    assert PROBE in shown(page, "#review [data-pair]"), "the query and the comments"
    section(page, "judgements", "[data-form=filter]")
    page.wait_for_selector("#review tbody tr")
    assert PROBE in shown(page, "#review tbody"), "queries, comments and clips"
    for name in ("agreement", "changes"):
        section(page, name, "tbody tr")
        assert PROBE[:40] in shown(page, "#review tbody"), name
    section(page, "progress", "[data-plot=seconds].js-plotly-plot, .review-page p")
    section(page, "data", "[data-form=import]")
    made = Judgement(query_text=f"imported {PROBE}", annotator=PROBE, label="relevant", **ABOUT | RANKED)
    rows = tmp_path / "rows.jsonl"
    rows.write_text(f"{to_line(made)}\n{json.dumps({'type': PROBE})}\n", encoding="utf-8")
    page.set_input_files("#review [name=file]", rows)
    page.click("#review [data-form=import] button")
    page.wait_for_selector("#review .review-imported li")
    assert "<img" in shown(page, "#review .review-imported"), "the line that is none"
    rows.write_text(f"{to_line(made)}\n", encoding="utf-8")
    page.set_input_files("#review [name=file]", rows)
    page.click("#review [data-form=import] button")
    page.wait_for_function("!document.querySelector('#review .review-imported li')")
    section(page, "judgements", "[data-form=filter]")
    page.fill("#review [data-form=filter] [name=text]", "imported")
    page.click("#review [data-form=filter] button")
    page.wait_for_function("document.querySelector('#review tbody').textContent.includes('imported')")
    assert f"imported {PROBE}" in shown(page, "#review tbody"), "the imported row"
