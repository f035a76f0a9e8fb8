"""The Improve tab's handlers with plain values: what is counted, what is started, what may be promoted."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
import types
from pathlib import Path

import pytest

from cacara.errors import CacaraError, QueryError, RegistryError
from cacara.model.config import DEFAULT_MODEL
from cacara.model.registry import Registry
from feedback_db.records.opinions import Judgement
from tests.ui.services.test_services import in_event_loop
from training.feedback.data import MinimumFeedback
from ui.improve import actions, curves, rendering, tab
from ui.page.wording import available, wording
from ui.services.engine import Engine
from ui.services.jobs import Jobs
from ui.services.permissions import Access, PermissionRefusedError
from ui.services.services import Feedback, Services
from ui.services.taught_languages import TaughtLanguages
from ui.services.training import FeedbackCounter, Trainable, Trainings

WORDS = wording("en")
HOSTILE = '<img src=x onerror="alert(1)">'
LANGUAGES = {"de": {"before": 40.0, "after": 60.0, "p": 0.01}, "sw": {"before": 30.0, "after": 25.0, "p": 0.8}}
CHANGE = {"before": 40.0, "after": 50.0, "difference": 10.0, "lower": 2.0, "upper": 18.0, "languages": LANGUAGES}
PROGRAM = """
import json, pathlib, sys, time
get = lambda name: sys.argv[sys.argv.index(name) + 1]
def tell(stage, fraction=0.5, **more):
    with open(get("--progress"), "a") as file:
        file.write(json.dumps({"stage": stage, "fraction": fraction, "message": "", **more}) + "\\n")
plan = json.loads(pathlib.Path("plan.json").read_text())
pathlib.Path("arguments.json").write_text(json.dumps(sys.argv[1:]))
run = pathlib.Path(get("--output")); run.mkdir(parents=True, exist_ok=True); (run / "manifest.jsonl").touch()
for step in range(5):
    tell("train", step / 5, kind="sound", step=step, steps=5, loss=2.0 - step / 5, pull=0.1, contrast=0.0)
if plan == "sleep":
    time.sleep(60)
if plan == "fail":
    tell("failed", message="too little <feedback>"); sys.exit(1)
tell("done", 1.0, model="/secret/place", gate=plan)
"""


def verdict(passed: bool) -> dict:
    failed = [] if passed else [f"(a) does not improve {HOSTILE}"]
    held_out = {"measure": "contests won", **CHANGE}
    unjudged = {"measure": "R@10", **CHANGE}
    return {"passed": passed, "failed": failed, "held_out": held_out, "judged": None, "unjudged": unjudged}


def judge(services: Services, query: str, clip: str, label: str, who: str = "ana", language: str | None = "de") -> None:
    row = Judgement(
        query_text=query,
        recording_sha256=None,
        consent=False,
        language=language,
        gallery="g",
        annotator=who,
        clip_id=clip,
        rank=1,
        score=0.5,
        model="cacara",
        model_version="1",
        label=label,
    )
    services.feedback.store().add_judgement(row)


def counted(database: Path) -> dict:
    """Stand for the training's own count, which is tested where it is."""
    found = {"pairs": 70, "positives": 30, "negatives": 40, "queries": 12, "clips": 4}
    return {**found, "needed": dataclasses.asdict(MinimumFeedback()), "missing": {"clips": 6}}


@pytest.fixture
def services(tmp_path) -> Services:
    (tmp_path / "program.py").write_text(PROGRAM)
    jobs = Jobs(tmp_path / "jobs", (sys.executable, str(tmp_path / "program.py")), tmp_path)
    registry, database = Registry(tmp_path / "models"), tmp_path / "feedback.db"
    trainings = Trainings(jobs, registry, TaughtLanguages(tmp_path), database, counting=FeedbackCounter(counted))
    made = Services(Engine(lambda report: None), Feedback(database), trainings=trainings)
    yield made
    if job := jobs.running():
        jobs.cancel(job.job_id)
    for child in jobs._children.values():
        child.wait(10)
    made.feedback.store().close()


def train(services: Services, plan: object, until: str | None = None) -> dict:
    (services.trainings.jobs.folder.parent / "plan.json").write_text(json.dumps(plan))
    actions.improve_start(services)
    for _ in range(600):
        run = actions.improve_status(services)["run"]
        if run["stage"] == until or run["state"] != "running":
            return run
        time.sleep(0.05)
    pytest.fail("it does not end")


def known(services: Services) -> dict:
    for _ in range(200):
        found = actions.needed(services)
        if not found["counting"]:
            return found
        time.sleep(0.02)
    pytest.fail("it is never counted")


def test_what_was_said_is_counted_by_label_language_and_person(services):
    judge(services, "Hund", "c1", "relevant")
    judge(services, "Hund", "c1", "not_relevant", "ben")
    judge(services, "mbwa", "c1", "relevant", "ben", "sw")
    judge(services, "x", "c2", "unsure", "ben", None)
    found = actions.improve_status(services)["collected"]
    assert found["labels"] == {"relevant": 2, "partly": 0, "not_relevant": 1, "unsure": 1}
    assert list(found["annotators"]) == ["ben", "ana"], "who said most comes first"
    assert found["languages"]["de"]["not_relevant"] == 1
    assert found["languages"][""]["unsure"] == 1
    json.dumps(actions.improve_status(services))


def test_what_is_missing_is_what_the_training_itself_says_and_is_counted_anew_when_more_is_said(services):
    asked = []
    counting = FeedbackCounter(lambda database: asked.append(database) or counted(database))
    made = dataclasses.replace(services, trainings=dataclasses.replace(services.trainings, counting=counting))
    found = known(made)
    assert not found["ready"]
    assert {row["name"]: row["wanted"] for row in found["rows"]} == dataclasses.asdict(MinimumFeedback())
    known(made)
    assert len(asked) == 1
    judge(made, "Hund", "c1", "relevant")
    known(made)
    assert len(asked) == 2
    html = tab.look(made, "").needed
    assert "Missing: 6 sounds or pictures" in html
    assert "start" not in tab.look(made, "").can


def test_a_count_that_fails_is_told_and_not_shown_as_a_number(services):
    def fail(database):
        raise RegistryError(f"damaged {HOSTILE}")

    made = dataclasses.replace(
        services, trainings=dataclasses.replace(services.trainings, counting=FeedbackCounter(fail))
    )
    assert known(made)["rows"] is None
    html = tab.look(made, "").needed
    assert "damaged &lt;img" in html and "<img" not in html


def test_a_training_begins_with_the_model_that_answers_and_only_with_paths_of_the_server(services):
    run = train(services, verdict(True))
    assert (run["state"], run["base"]) == ("done", f"{DEFAULT_MODEL} {actions.base_model(services).version}")
    given = json.loads((services.trainings.jobs.folder.parent / "arguments.json").read_text())
    assert given[:3] == ["finetune_feedback", "--recipe", "training/recipes/feedback.yaml"]
    assert given[given.index("--database") + 1] == str(services.trainings.database)
    assert Path(given[given.index("--base") + 1]).name == DEFAULT_MODEL
    assert "/secret/place" not in json.dumps(actions.improve_status(services))


def test_the_curve_is_drawn_while_it_learns_and_it_can_be_cancelled_and_go_on(services):
    run = train(services, "sleep", until="train")
    assert run["state"] == "running"
    now = tab.look(services, "")
    assert now.waiting and now.can == {"cancel"}
    stopped = tab.act(services, "cancel", "")
    for _ in range(200):
        stopped = tab.look(services, "")
        if "resume" in stopped.can:
            break
        time.sleep(0.05)
    assert "can go on" in stopped.run and '<polyline class="loss"' in stopped.run
    (services.trainings.jobs.folder.parent / "plan.json").write_text(json.dumps(verdict(False)))
    assert tab.act(services, "resume", "").notice == ""
    for _ in range(200):
        if (run := actions.improve_status(services)["run"])["state"] == "done":
            break
        time.sleep(0.05)
    assert run["gate"]["passed"] is False
    assert [step for step, _ in run["curves"]["sound"]["losses"]["loss"]] == [0, 1, 2, 3, 4], "each step once"


def test_what_the_gate_refused_says_why_and_cannot_be_promoted(services):
    run = train(services, verdict(False))
    assert not run["promotable"]
    now = tab.look(services, "")
    assert "promote" not in now.can
    assert "(a) does not improve &lt;img" in now.run and "<img" not in now.run
    assert "Deutsch (de)" in now.run and "40.0 % before, 50.0 % after" in now.run
    assert now.run.count("<section>") == 2, "what was held out stands for what dev does not ask"
    assert "problem" in tab.act(services, "promote", "").notice, "nor by a page that is out of date"
    assert services.trainings.registry.history() == []
    assert services.trainings.registry.current() == DEFAULT_MODEL


def test_a_failure_is_told_as_text_in_every_language(services):
    train(services, "fail")
    for _, code in available():
        html = tab.look(services.speaking(wording(code)), "").run
        assert "too little &lt;feedback&gt;" in html and "<feedback>" not in html


def test_promotion_and_return_go_through_the_registry(services, monkeypatch):
    done = []
    train(services, verdict(True))
    monkeypatch.setattr(Registry, "promote", lambda self, folder, gate: done.append((folder, gate)))
    monkeypatch.setattr(Registry, "rollback", lambda self: done.append("rollback"))
    actions.improve_promote(services)
    actions.improve_rollback(services)
    folder = services.trainings.jobs.folder / "00001-finetune_feedback" / "run"
    assert done == [(folder / "final", folder / "gate.json"), "rollback"]


def test_nothing_is_promoted_rolled_back_or_resumed_before_there_is_something(services):
    for handler in (actions.improve_promote, actions.improve_resume, actions.improve_rollback):
        with pytest.raises(CacaraError):
            handler(services)
    assert actions.improve_cancel(services)["run"] is None


def test_on_a_public_server_names_and_buttons_are_the_team_leads(services):
    judge(services, "Hund", "c1", "relevant")
    public = dataclasses.replace(services, access=Access(public=True, admin_token="right"))
    for token in ("", "wrong"):
        assert actions.improve_status(public, token)["collected"]["annotators"] is None
        assert tab.look(public, token).can == frozenset()
        for what in ("start", "resume", "cancel", "promote", "rollback"):
            assert "team lead" in tab.act(public, what, token).notice
    with pytest.raises(PermissionRefusedError):
        actions.improve_start(public)
    assert list(actions.improve_status(public, "right")["collected"]["annotators"]) == ["ana"]


def test_a_base_that_cannot_be_tuned_is_told_before_anything_starts(services, monkeypatch):
    real = services.trainings.models()[0]
    other = dataclasses.replace(real, config=types.SimpleNamespace(projectors=object()))
    monkeypatch.setattr(Trainings, "models", lambda self: [dataclasses.replace(other, model_id=DEFAULT_MODEL)])
    with pytest.raises(QueryError, match="another kind"):
        actions.improve_start(services)
    monkeypatch.setattr(Trainings, "models", lambda self: list[Trainable]())
    with pytest.raises(QueryError, match="is not here"):
        actions.improve_start(services)


def test_hostile_names_are_text(services):
    judge(services, "Hund", HOSTILE, "relevant", "<b>ana</b>")
    now = tab.look(services, "")
    assert "&lt;b&gt;ana" in now.collected and "<b>" not in now.collected


def test_curves_pass_over_what_is_no_number_and_keep_the_last_point():
    rows = [{"stage": "train", "kind": "sound", "step": n, "steps": 2000, "loss": 1 / (n + 1)} for n in range(2000)]
    rows += [{"stage": "train", "kind": "sound", "step": "x", "loss": 1}, {"stage": "gate", "step": 1, "kind": "sound"}]
    rows += [{"stage": "train", "kind": "sound", "step": 1999, "steps": 2000, "loss": float("nan"), "pull": True}]
    points = actions.curves(rows)["sound"]["losses"]["loss"]
    assert len(points) <= 2 * actions.CURVE_POINTS and points[-1] == [1999.0, 1 / 2000]
    assert [line["name"] for line in curves.drawings(actions.curves(rows), WORDS)[0]["lines"]] == ["loss", "pull"]
    assert curves.drawings({}, WORDS) == []


def test_a_promoted_model_that_is_being_prepared_is_told():
    found = {"answers": "cacara", "current": "x@1", "phase": "preparing", "fixed": False, "history": []}
    assert "x@1 was chosen and is being prepared" in rendering.models(found, WORDS)
    assert "cannot be prepared" in rendering.models(found | {"phase": "failed"}, WORDS)


def test_both_tabs_that_train_are_on_the_page_with_named_endpoints(services):
    pytest.importorskip("gradio")
    from ui.layout import create_app

    page = in_event_loop(lambda: create_app(services))
    named = {function.api_name for function in page.fns.values()}
    doing = {f"improve_{what}" for what in ("status", "start", "resume", "cancel", "promote", "rollback")}
    assert doing | {f"teach_{what}" for what in ("check", "start", "status", "cancel")} <= named
    labels = {block.label for block in page.blocks.values() if type(block).__name__ == "Tab"}
    assert {"Teach a language", "Improve"} <= labels
