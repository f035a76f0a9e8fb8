"""Teaching from feedback as the tab does it: what is offered, what the gate said, and what a person's word changes."""

from __future__ import annotations

import dataclasses
import json
import time

import pytest
from feedback_examples import caption

from cacara.errors import CacaraError, QueryError
from cacara.model.parts import acquirer_files
from tests.ui.teach.test_teach import ROWS, WORDS, acquirer_file, model, services, wait  # noqa: F401
from ui.page.wording import available, wording
from ui.services.permissions import Access, PermissionRefusedError
from ui.services.services import Services
from ui.services.training import FeedbackCounter, Trainings
from ui.teach import actions, feedback, rendering, tab

HOSTILE = '<img src=x onerror="alert(1)">'
PROGRAM = """
import json, pathlib, shutil, sys, time
get = lambda name: sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None
tell = lambda **row: print(json.dumps(row), file=open(get("--progress"), "a"))
assert sys.argv[1] == "teach_feedback" and get("--database") and get("--gallery") is None
tell(stage="training", fraction=0.4, message="step 2 of 5")
mode = pathlib.Path("mode.txt").read_text()
if mode == "slow":
    time.sleep(60)
if get("--pairs"):
    assert len(pathlib.Path(get("--pairs")).read_text(encoding="utf-8").splitlines()) == 26  # a heading before them
name = get("--language") + ".safetensors"
output = pathlib.Path(get("--output")); output.mkdir(parents=True)
shutil.copy("made.safetensors", output / name)
passed = mode == "passed"
if passed:
    pathlib.Path(get("--register")).mkdir(parents=True, exist_ok=True)
    shutil.copy("made.safetensors", pathlib.Path(get("--register")) / name)
change = {"measure": "R@10", "before": 12.5, "after": 62.5}
tell(stage="done", fraction=1.0, message="", warnings=["<b>few</b>", "current " + str(get("--current"))],
     gate={"passed": passed, "failed": [] if passed else ["(a) <b>not better</b>"], "said": ["(b) <i>all</i> the same"],
           "feedback": change, "dev": None, "others": {"texts": 40, "languages": 3, "changed": {}},
           "pairs": {"taught": 30, "taught_from_feedback": 25, "held_out": 10}})
"""
FOUND = {
    "languages": [
        {"language": "sw", "pairs": 80, "feedback": 80, "concepts": 40, "captions": 12, "missing": {}},
        {
            "language": "fi",
            "pairs": 20,
            "feedback": 20,
            "concepts": 19,
            "captions": 0,
            "missing": {"pairs": 40, "feedback": 10, "concepts": 1},
        },
    ],
}


def counted(services: Services, found: dict) -> Services:  # noqa: F811
    """Services whose training counts what is given, when it has counted."""
    made = dataclasses.replace(
        services, trainings=dataclasses.replace(services.trainings, teachable=FeedbackCounter(count))
    )
    count.found = found
    while feedback.teach_offers(made)["counting"]:
        time.sleep(0.01)
    return made


def count(database) -> dict:
    return count.found


@pytest.fixture
def offered(services, tmp_path) -> Services:  # noqa: F811
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "mode.txt").write_text("passed")
    return counted(services, FOUND)


def test_languages_are_offered_with_what_there_is_and_what_is_missing(offered):
    found = feedback.teach_offers(offered)
    assert [(row["name"], row["pairs"]) for row in found["languages"]] == [("Swahili", 80), ("Finnish", 20)]
    now = tab.look(offered)
    assert now.offered == [("Swahili (sw)", "sw"), ("Finnish (fi)", "fi")]
    assert "✓ enough" in now.offers
    assert "40 pairs in all, 10 pairs out of feedback, 1 different things" in now.offers
    with pytest.raises(QueryError, match="Too little feedback in Finnish. Missing: 40 pairs in all"):
        feedback.teach_from_feedback(offered, "fi")
    assert actions.teach_status(offered)["last"] is None


def test_they_are_counted_anew_when_there_is_other_feedback(offered, services):  # noqa: F811
    asked = []
    fresh = dataclasses.replace(
        offered.trainings, teachable=FeedbackCounter(lambda database: asked.append(database) or {"languages": []})
    )
    made = dataclasses.replace(offered, trainings=fresh)
    assert feedback.teach_offers(made)["languages"] is None or asked
    for number in range(2):
        made.feedback.store().add_caption(caption(caption=f"uusi {number}", caption_language="fi"))
        while feedback.teach_offers(made)["counting"] or len(asked) < number + 1:
            time.sleep(0.01)
    assert len(asked) >= 2
    assert "Nobody has corrected" in tab.look(made).offers


def test_a_language_that_passed_is_read_at_once(offered, model):  # noqa: F811
    before = model.encode_text(["hund"], "sw")
    feedback.teach_from_feedback(offered, "sw", ROWS)
    last = wait(offered)["last"]
    assert (last["state"], last["source"], last["gate"]["passed"], last["in_use"]) == ("done", "feedback", True, True)
    assert not (model.encode_text(["hund"], "sw") == before).all()
    now = tab.look(offered)
    assert "✓ Swahili can be used now" in now.job and not now.usable
    assert "12.5" in now.job and "62.5" in now.job and "40 texts of 3 other languages" in now.job
    actions.forget(offered, "sw", "")
    assert (model.encode_text(["hund"], "sw") == before).all()
    assert "can be used now" not in tab.look(offered).job


def test_one_that_did_not_pass_is_used_only_when_a_person_says_so(offered, model, tmp_path):  # noqa: F811
    (tmp_path / "mode.txt").write_text("stopped")
    before = model.encode_text(["hund"], "sw")
    now = tab.start_from_feedback(offered, "sw", False, "", None, "")
    assert now.running and not now.usable
    wait(offered)
    now = tab.look(offered)
    assert now.usable and "did not pass the gate" in now.job and "(a) &lt;b&gt;not better" in now.job
    assert actions.teach_status(offered)["taught"] == []
    assert (model.encode_text(["hund"], "sw") == before).all()
    now = tab.use(offered, "")
    assert not now.usable and "although it did not pass" in now.job
    assert not (model.encode_text(["hund"], "sw") == before).all()
    with pytest.raises(QueryError, match="nothing that could be taken"):
        feedback.teach_use(offered)


def test_what_reads_the_language_now_is_what_the_gate_is_to_compare_with(offered, model):  # noqa: F811
    place = offered.trainings.taught.folder_of("mla") / "sw.safetensors"
    acquirer_files.write(place, acquirer_file(model, "sw", seed=8))
    feedback.teach_from_feedback(offered, "sw")
    assert wait(offered)["last"]["warnings"][1] == f"current {place}"


def test_it_can_be_cancelled_and_the_newest_of_both_ways_is_shown(offered, tmp_path):
    (tmp_path / "mode.txt").write_text("slow")
    feedback.teach_from_feedback(offered, "sw")
    assert tab.look(offered).running
    with pytest.raises(CacaraError, match="running already"):
        actions.teach_start(offered, "sw", ROWS)
    tab.cancel(offered, "")
    last = wait(offered)["last"]
    assert (last["state"], last["source"]) == ("cancelled", "feedback")
    assert not tab.look(offered).usable
    assert offered.trainings.taught.of("mla") == {}


def test_on_a_public_server_only_the_team_lead_teaches_and_uses(offered):
    public = dataclasses.replace(offered, access=Access(public=True, admin_token="right"))
    for token in ("", "wrong"):
        for refused in (
            lambda token=token: feedback.teach_from_feedback(public, "sw", "", token),
            lambda token=token: feedback.teach_use(public, token),
        ):
            with pytest.raises(PermissionRefusedError):
                refused()
        assert "team lead" in tab.use(public, token).notice
        assert "team lead" in tab.start_from_feedback(public, "sw", False, "", None, token).notice
    assert feedback.teach_from_feedback(public, "sw", "", "right")["last"]["source"] == "feedback"
    wait(public)


def test_what_cannot_be_started_is_told(offered, monkeypatch):
    assert "Choose a language" in tab.start_from_feedback(offered, None, False, "", None, "").notice
    assert "English" in tab.start_from_feedback(offered, "en-GB", False, "", None, "").notice
    assert "more pairs are needed" in tab.start_from_feedback(offered, "fi", True, "a\tb", None, "").notice
    monkeypatch.setattr(Trainings, "models", lambda self: [])
    assert "mla is not installed" in tab.start_from_feedback(offered, "sw", False, "", None, "").notice


@pytest.mark.parametrize("code", [code for _, code in available()])
def test_hostile_counts_and_words_of_the_gate_are_text_in_every_language(offered, code):
    words = wording(code)
    found = {"counting": False, "problem": "", "languages": [FOUND["languages"][1] | {"name": HOSTILE}]}
    assert "<img" not in rendering.offers(found, words)
    assert "<img" not in rendering.offers({**found, "problem": HOSTILE}, words)
    gate = {
        "passed": False,
        "failed": [HOSTILE],
        "said": [HOSTILE],
        "others": {"texts": HOSTILE},
        "dev": {"before": HOSTILE},
    }
    last = {"gate": gate, "name": HOSTILE, "model": HOSTILE, "in_use": False, "warnings": [HOSTILE]}
    html = rendering.verdict(last, words)
    assert "<img" not in html and html.count("&lt;img") >= 4


def test_programs_get_plain_values_from_feedback(offered):
    json.dumps(feedback.teach_offers(offered))
    json.dumps(feedback.teach_from_feedback(offered, "sw"))
    json.dumps(wait(offered))
