"""A team's own folder of clips: ``app.py --gallery FOLDER`` makes it the pool of the campaigns."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

import app as app_module
from cacara.media import audio
from cacara.model import checkpoint
from ui.annotate import actions, handlers
from ui.layout import routes
from ui.review import actions as review_actions
from ui.server.media import sound_url

CLIPS = {
    "birds/Ndege 1.wav": [("sw", "ndege"), ("en", "A bird.")],
    "birds/perroquet à l'aube.wav": [("fr", "perroquet")],
    "<i>rain</i>.wav": [],
}
FOLDER = "Field recordings, Arusha"


@pytest.fixture
def services(tiny_model, tmp_path, monkeypatch):
    """Services of an app that is started over the folder, with a tiny model."""
    folder = tmp_path / FOLDER
    times = np.arange(8_000) / audio.SAMPLE_RATE_HZ
    for number, name in enumerate(CLIPS, 1):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        audio.write_wav(folder / name, (0.3 * np.sin(2 * np.pi * 220 * number * times)).astype(np.float32))
    with (folder / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "language", "text"])
        rows.writerows([name, *said] for name, texts in CLIPS.items() for said in texts)
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(checkpoint, "load", lambda *_, **__: tiny_model)
    settings = app_module.read_settings(["--gallery", str(folder), "--database", str(tmp_path / "feedback.db")], {})
    made = app_module.make_services(settings)
    made.engine._default = made.engine._promoted()
    made.engine._run(made.engine.default)  # in this thread, so that nothing has to wait
    assert made.engine.status.phase == "ready", made.engine.status
    yield made
    made.feedback.store().close()


def test_a_campaign_asks_about_the_clips_of_ones_own_folder_which_are_heard_and_judged(services):
    made = review_actions.review_save_campaign(services, settings={"name": "Arusha", "languages": ["sw", "fr"]})
    told = review_actions.review_add_queries(services, campaign_id=made["campaign_id"], queries="sw: ndege\nfr: pluie")
    assert told == {"added": 2 * len(CLIPS), "problems": []}
    items = services.feedback.store().items(made["campaign_id"])
    assert {(item.query_text, item.clip_id) for item in items} == {(q, c) for q in ("ndege", "pluie") for c in CLIPS}
    assert {item.gallery for item in items} == {FOLDER}

    ana = actions.annotator_register(services, "Ana", agreed=True)["token"]
    heard = set()
    with TestClient(Starlette(routes=routes(services))) as client:
        for _ in items:
            page = handlers.annotate_next(services, ana, made["campaign_id"], ["sw", "fr"])["html"]
            asked = actions.annotation_next(services, ana, made["campaign_id"])["item"]
            assert sound_url(asked["clip"]) in page and "<i>rain" not in page
            assert not re.search("perroquet|Arusha", re.sub(r'src="[^"]*"|url\([^)]*\)|<h2.*?</h2>', "", page)), "blind"
            sound = client.get("/" + sound_url(asked["clip"]))
            assert sound.status_code == 200 and sound.content[:4] == b"RIFF"
            heard.add(asked["clip"])
            actions.annotation_judge(services, ana, asked["item_id"], "relevant")
    assert heard == set(CLIPS)
    said = services.feedback.store().current_judgements(made["campaign_id"])
    assert len(said) == len(items) and {each.gallery for each in said} == {FOLDER}


def test_checks_of_attention_come_from_the_descriptions_beside_the_clips(services):
    made = review_actions.review_save_campaign(services, settings={"name": "Arusha", "languages": ["sw"]})
    assert review_actions.review_add_checks(services, campaign_id=made["campaign_id"], number=1) == {"added": 1}
    (check,) = services.feedback.store().items(made["campaign_id"])
    assert (check.query_text, check.clip_id, check.known_label) == ("ndege", "birds/Ndege 1.wav", "relevant")


def test_what_is_learnt_from_the_answers_is_learnt_over_the_same_folder(services):
    assert services.trainings.gallery.rpartition("/")[2] == FOLDER
