"""Choosing among models: the one before goes on answering, a promotion is followed, few stay in memory."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from cacara.errors import CheckpointError, QueryError, RegistryError
from cacara.galleries.gallery import load_folder
from cacara.model.config import DEFAULT_MODEL
from cacara.model.model import Cacara
from cacara.model.registry import POINTER, Registry
from cacara.search.retriever import Retriever
from cacara.sources.clients import Progress
from tests.ui.services.test_services import make_gallery, make_services
from ui.model_selector.selector import choices, choose, look, models
from ui.page.wording import wording
from ui.search.actions import search_text
from ui.search.judgements import flag
from ui.services import engine as engine_module
from ui.services.engine import Engine
from ui.services.models import ServedModels
from ui.services.services import Feedback, Services

WORDS = wording("en")


class Versions:
    """Tiny models that differ in their version alone, each held back until it is let go."""

    def __init__(self, model: Cacara, folder) -> None:
        self.gallery = load_folder(make_gallery(folder))
        self.model = model
        self.promoted = "m1"
        self.free = {f"m{number}": threading.Event() for number in range(1, 7)}
        self.broken: set[str] = set()
        self.made: list[str] = []

    def offered(self):
        return [(key, f"tiny · {key}") for key in self.free]

    def current(self):
        return self.promoted

    def fallback(self):
        return "m1"

    def prepare(self, model_id, beside, report):
        report(Progress("tuxpaint", "embed", 0.25))
        assert self.free[model_id].wait(10)
        if model_id in self.broken:
            raise CheckpointError(f"{model_id} is <damaged>")
        self.made.append(model_id)
        m = self.model
        config = dataclasses.replace(m.config, version=model_id)
        return Retriever(Cacara(config, m.towers, m.parts, "tiny", m.device), self.gallery, report)


def settle() -> None:
    for thread in threading.enumerate():
        if thread.name == "prepare":
            thread.join(10)


@pytest.fixture
def versions(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(engine_module, "POLLING_SECONDS", 3600.0)  # the tests look themselves
    return Versions(tiny_model, tmp_path / "gallery")


@pytest.fixture
def services(versions, tmp_path):
    versions.free["m1"].set()
    made = Services(Engine(models=versions), Feedback(tmp_path / "feedback.db"))
    made.engine.start()
    settle()
    assert made.engine.status.phase == "ready"
    yield made
    made.feedback.store().close()


def answered(services, model=None) -> str:
    return search_text(services, "dog", "en", model=model)["model_version"]


def test_while_a_chosen_model_prepares_the_one_before_answers(services, versions):
    now = choose(services, "m2", "")
    assert (now.answering, now.waiting) == ("", True)
    assert "tiny · m2" in now.notice
    assert "tiny · m1" in now.notice
    assert answered(services, now.answering) == "m1"
    with pytest.raises(QueryError, match="Still preparing"):
        answered(services, "m2")
    versions.free["m2"].set()
    settle()
    now = choose(services, "m2", now.answering)
    assert (now.answering, now.notice, now.waiting) == ("m2", "", False)
    assert answered(services, now.answering) == "m2"
    assert answered(services) == "m1"  # other visitors'


def test_a_flag_records_the_model_and_version_that_answered(services, versions):
    versions.free["m2"].set()
    choose(services, "m2", "")
    settle()
    for model in ("m2", None):
        found = search_text(services, "dog", "en", model=model)
        flag(services, found["search_id"], found["hits"][0]["clip_id"], "relevant", f"me-{model}")
    assert [(row.model, row.model_version) for row in services.feedback.store().current_judgements()] == [
        ("tiny", "m2"),
        ("tiny", "m1"),
    ]


def test_a_promotion_is_picked_up_once_it_is_ready(services, versions):
    versions.promoted = "m3"
    services.engine.follow_promotion()
    assert answered(services) == "m1"
    versions.free["m3"].set()
    settle()
    services.engine.follow_promotion()
    assert answered(services) == "m3"
    assert choices(services)[0] == ("Current: tiny", "")
    versions.promoted = "m1"  # rolled back: it is in memory still
    services.engine.follow_promotion()
    assert answered(services) == "m1"


def test_a_promoted_model_that_is_damaged_leaves_the_old_one_and_is_not_tried_for_ever(services, versions):
    versions.broken.add("m3")
    versions.free["m3"].set()
    versions.promoted = "m3"
    for _ in range(3):
        services.engine.follow_promotion()
        settle()
    assert answered(services) == "m1"
    assert services.engine.status_of("m3").phase == "failed"
    said = choose(services, "m3", "")
    settle()
    said = choose(services, "m3", "") if said.waiting else said
    assert services.engine.default == "m1"


def test_a_failed_choice_is_told_as_text(services, versions):
    versions.broken.add("m4")
    versions.free["m4"].set()
    choose(services, "m4", "")
    settle()
    begun = []
    services.engine._begin = begun.append
    for _ in range(3):  # a page that waits looks every second
        now = look(services, "m4", "")
        assert "m4 is &lt;damaged&gt;" in now.notice
        assert (now.answering, now.waiting) == ("", False)
    assert begun == [], "looking tries nothing again"
    choose(services, "m4", "")
    assert begun == ["m4"], "choosing does"


def test_a_damaged_promotion_at_the_start_gives_way_to_the_bundled_model(versions, tmp_path):
    versions.promoted = "m2"
    versions.broken.add("m2")
    versions.free["m1"].set()
    versions.free["m2"].set()
    engine = Engine(models=versions)
    engine.start()
    settle()
    settle()
    assert engine.retriever(WORDS).model.version == "m1"


@pytest.mark.parametrize("damage", ["no folder can be there", "no json"])
def test_a_registry_that_cannot_be_read_leaves_the_bundled_models(tmp_path, caplog, damage):
    place = tmp_path / "models"
    if damage == "no json":
        place.mkdir()
        (place / POINTER).write_text("{")
    else:
        place.write_text("a file in the way")
    shelf = ServedModels(Registry(place / "deeper" if damage != "no json" else place), None, "cpu")
    engine = Engine(models=shelf)
    engine._begin = lambda model: None  # which model is asked for is looked at, not its weights
    engine.start()
    assert engine.default == DEFAULT_MODEL and DEFAULT_MODEL in dict(engine.offered())
    assert shelf._registry.find(DEFAULT_MODEL).model_id == DEFAULT_MODEL
    engine.follow_promotion()
    assert engine.default == DEFAULT_MODEL
    told = [row for row in caplog.records if "which model was promoted" in row.message]
    assert len(told) == (damage == "no json"), "once, and only when something is damaged"


def test_only_a_few_models_stay_in_memory_and_the_default_always(services, versions):
    for key, free in versions.free.items():
        free.set()
        services.engine.choose(key)
        settle()
    ready = [row["id"] for row in models(services)["models"] if row["phase"] == "ready"]
    assert ready == ["m1", "m5", "m6"]


@pytest.mark.parametrize("model", ["/etc", "../final", "tiny@9"])
def test_a_model_that_is_not_offered_is_refused(services, model):
    with pytest.raises(RegistryError, match="no model"):
        answered(services, model)
    with pytest.raises(RegistryError, match="no model"):
        choose(services, model, "")


def test_an_engine_of_one_model_has_nothing_to_choose(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("CACARA_CACHE", str(tmp_path / "cache"))
    services = make_services(tiny_model, tmp_path)
    assert choose(services, "", "").answering == ""
    assert models(services) == {"default": "", "models": []}


def test_the_shelf_offers_the_bundled_models_and_the_one_the_app_was_started_with(tmp_path):
    shelf = ServedModels(Registry(tmp_path), None, "cpu", str(tmp_path / "runs" / "final"))
    assert [key for key, _ in shelf.offered()][:2] == [str(tmp_path / "runs" / "final"), "cacara"]
    assert shelf.current() == shelf.fallback() == str(tmp_path / "runs" / "final")
    plain = ServedModels(Registry(tmp_path), None, "cpu")
    assert (plain.current(), plain.fallback()) == (DEFAULT_MODEL, DEFAULT_MODEL)
    with pytest.raises(RegistryError, match="no model"):
        plain.prepare("/etc", [], lambda progress: None)
