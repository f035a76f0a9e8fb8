"""The Map tab's handlers, its background work and its HTML, on a tiny real model without a server."""

from __future__ import annotations

import csv
import dataclasses
import io
import threading
import time
from types import SimpleNamespace

import markupsafe
import pytest

from cacara.embedding_map import store
from cacara.embedding_map.plane import KINDS
from cacara.embedding_map.points import MapStopped
from cacara.errors import CacaraError, QueryError
from feedback_db.records.opinions import FeedbackError
from tests.ui.services.test_services import make_services
from ui.map import actions, handlers, rendering
from ui.map.rendering import question, shell
from ui.page.wording import available, wording
from ui.services.engine import Status
from ui.services.maps import MapCache
from ui.services.services import Services

ME = "visitor-1"
ENGLISH = wording("en")


@pytest.fixture(scope="module")
def services(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        made = make_services(tiny_model, folder)
        yield made
        made.feedback.store().close()


@pytest.fixture(scope="module")
def opened(services):
    """The map of the usual languages, fitted in the background as the page has it done."""
    first = handlers.map_open(services, visitor=ME)
    assert first["state"] == "fitting"
    assert "progress" in first["html"] and 'data-action="stop"' in first["html"]
    deadline = time.monotonic() + 300
    while handlers.map_progress(services, first["key"])["state"] == "fitting":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return handlers.map_open(services, visitor=ME)


def rows_of(opened, kind: str) -> list[int]:
    kinds = opened["map"]["kind"]
    return [row for row, code in enumerate(kinds["codes"]) if kinds["names"][code] == kind]


def row_called(opened, text: str, kind: str) -> int:
    return next(row for row in rows_of(opened, kind) if opened["map"]["text"][row] == text)


def test_a_map_that_is_not_stored_is_made_in_the_background_and_then_opened(opened):
    assert opened["state"] == "ready"
    drawn = opened["map"]
    assert len(drawn["x"]) == len(drawn["y"]) == len(drawn["text"]) == len(drawn["clip"]) == 11
    assert {len(drawn[name]["codes"]) for name in ("kind", "language", "concept", "source")} == {11}
    assert opened["languages"]["de"] == "Deutsch"
    assert sum(drawn["pictured"]) == 1  # the dog's
    assert "0.00" in opened["measures"] or "1." in opened["measures"] or "0." in opened["measures"]


def test_before_the_model_is_there_the_page_is_told_to_wait():
    engine = SimpleNamespace(status=Status("preparing", step="weights", fraction=0.4))
    answer = handlers.map_open(Services(engine, None))
    assert answer["state"] == "preparing"
    assert "weights 40%" in answer["html"]


def test_a_point_has_its_sound_picture_and_neighbours_in_every_kind(services, opened):
    key = opened["map"]["key"]
    dog = row_called(opened, "A dog.", "audio")
    found = handlers.map_point(services, key, dog)["html"]
    assert "<audio" in found and "<img" in found
    assert 'class="map-near text"' in found and 'class="map-near audio"' in found
    assert found.count("data-position") == 1 + min(actions.TOP_K, 7) + 3  # itself, texts, the other sounds


def test_hostile_captions_are_shown_as_text(services, opened):
    row = row_called(opened, 'A <b>cat</b> & "kitten".', "text")
    key = opened["map"]["key"]
    for answer in (
        handlers.map_point(services, key, row),
        handlers.map_select(services, key, [row], '"><img src=x onerror=alert(1)>'),
        handlers.map_place(services, key, "<img src=x onerror=alert(1)> dog"),
    ):
        assert "<b>" not in answer["html"].replace("<dd><b>", "")
        assert "<img src=x" not in answer["html"]
    assert markupsafe.escape('A <b>cat</b> & "kitten".') in handlers.map_point(services, key, row)["html"]


def test_words_are_placed_near_the_text_they_equal(services, opened):
    answer = actions.map_neighbours(services, "Ein Hund.", "de")
    row = row_called(opened, "Ein Hund.", "text")
    scores = {near["position"]: near["score"] for near in answer["neighbours"]["text"]}
    assert scores[row] == pytest.approx(max(scores.values()), abs=1e-4) == pytest.approx(1.0, abs=1e-4)
    assert [near["rank"] for near in answer["neighbours"]["audio"]] == [1, 2, 3, 4]
    assert set(answer["neighbours"]) <= set(KINDS)
    assert -1 <= answer["x"] <= 1 and -1 <= answer["y"] <= 1


def test_the_endpoint_begins_a_map_that_is_not_there_and_says_so(services, monkeypatch):
    monkeypatch.setattr(store, "make", lambda *_: pytest.fail("not in this thread"))
    begun = []
    monkeypatch.setattr(
        MapCache, "make", lambda self, *given: begun.append(given) or SimpleNamespace(step="wait", fraction=None)
    )
    with pytest.raises(QueryError, match="being drawn .Waiting for another map"):
        actions.map_neighbours(services, "dog", languages=["en"])
    assert begun


@pytest.mark.parametrize("query", ["", "   ", None, 7])
def test_nothing_cannot_be_placed(services, opened, query):
    with pytest.raises(QueryError, match="Type a word"):
        handlers.map_place(services, opened["map"]["key"], query)


@pytest.mark.parametrize("positions", [None, "all", [-1], [11], [1.5], [True], ["1"], list(range(12))])
def test_rows_that_are_none_of_the_map_are_refused(services, opened, positions):
    with pytest.raises(QueryError, match="positions"):
        handlers.map_select(services, opened["map"]["key"], positions)


@pytest.mark.parametrize("languages", ["en", {"en": 1}, [1], [None]])
def test_languages_that_are_no_list_of_codes_are_refused(services, languages):
    with pytest.raises(QueryError, match="list of language codes"):
        handlers.map_open(services, languages=languages)


def test_a_map_that_this_server_never_showed_is_refused(services):
    with pytest.raises(QueryError, match="no longer kept"):
        handlers.map_point(services, "0" * 32, 0)


def test_a_selection_is_told_in_full_and_shown_up_to_a_limit(services, opened, monkeypatch):
    monkeypatch.setattr(rendering, "ROWS_SHOWN", 3)
    monkeypatch.setattr(handlers.rendering, "ROWS_SHOWN", 3)
    answer = handlers.map_select(services, opened["map"]["key"], list(range(11)))["html"]
    assert "11 selected" in answer and "7 texts, 4 sounds" in answer
    assert answer.count("<tr>") == 1 + 3 and "3 of 11" in answer


def test_texts_alone_cannot_be_judged(services, opened):
    key, texts = opened["map"]["key"], rows_of(opened, "text")
    assert "map-judge" not in handlers.map_select(services, key, texts)["html"]
    with pytest.raises(QueryError, match="0 sounds and pictures"):
        handlers.map_flag(services, key, texts, "dog", "relevant", ME)


def test_what_is_flagged_together_is_stored_with_rank_and_score_and_can_be_undone(services, opened):
    key = opened["map"]["key"]
    chosen = [*rows_of(opened, "audio")[:2], rows_of(opened, "text")[0]]
    answer = handlers.map_flag(services, key, chosen, "  Hund ", "relevant", ME, language="de")
    assert "Stored for 2" in answer["message"] and "1 texts were left out" in answer["message"]
    stored = services.feedback.store().current_judgements()
    assert {(each.query_text, each.language, each.label, each.annotator) for each in stored} == {
        ("Hund", "de", "relevant", ME)
    }
    near = actions.map_neighbours(services, "Hund", "de", top_k=50)["neighbours"]["audio"]
    ranks = {each["clip_id"]: (each["rank"], pytest.approx(each["score"], abs=1e-5)) for each in near}
    assert {each.clip_id: (each.rank, each.score) for each in stored} == {
        clip: ranks[clip] for clip in (each.clip_id for each in stored)
    }
    with pytest.raises(FeedbackError, match="not yours"):
        handlers.map_undo(services, answer["judgement_ids"], "somebody else")
    assert handlers.map_undo(services, answer["judgement_ids"], ME) == {"undone": 2}
    assert services.feedback.store().current_judgements() == []


def test_an_unknown_label_stores_nothing(services, opened):
    with pytest.raises(FeedbackError, match="label"):
        handlers.map_flag(services, opened["map"]["key"], rows_of(opened, "audio"), "dog", "lovely", ME)
    assert services.feedback.store().current_judgements() == []


def test_an_export_has_a_line_a_point_and_its_name_says_which_map(services, opened):
    answer = handlers.map_export(services, opened["map"]["key"], [0, 10])
    rows = list(csv.DictReader(io.StringIO(answer["csv"])))
    assert [row["kind"] for row in rows] == ["text", "audio"]
    assert answer["name"].startswith("map-tiny-") and answer["name"].endswith(".csv")
    assert float(rows[0]["x"]) == pytest.approx(opened["map"]["x"][0], abs=1e-4)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", " =1", "＝1", "\r=1"])
def test_a_formula_is_exported_as_text(text):
    assert actions._harmless(text) == f"'{text}"
    assert actions._harmless(f"a {text}") == f"a {text}"


def test_a_map_goes_on_while_anybody_waits_and_ends_with_the_last(services, monkeypatch):
    began, ended = threading.Event(), threading.Event()

    def slow(retriever, inputs, report, stopped):
        began.set()
        while not stopped():
            time.sleep(0.01)
        ended.set()
        raise MapStopped("the making of the map was stopped")

    monkeypatch.setattr(store, "make", slow)
    desk, (retriever, inputs) = MapCache(), actions.find_inputs(services, ["ar"], True, "")
    desk.make(retriever, inputs, "one", ENGLISH)
    desk.make(retriever, inputs, "two", ENGLISH)
    assert began.wait(10)
    desk.stop(inputs.key, "one")
    assert not ended.wait(0.1)
    desk.stop(inputs.key, "two")
    assert ended.wait(10)
    deadline = time.monotonic() + 10
    while desk.job(inputs.key).phase == "fitting" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert desk.job(inputs.key).phase == "stopped"


def test_a_failure_is_told_in_one_line_and_the_next_wish_begins_anew(services, monkeypatch):
    def failing(*_):
        raise CacaraError("the disk\nis on <fire>")

    monkeypatch.setattr(store, "make", failing)
    desk, (retriever, inputs) = MapCache(), actions.find_inputs(services, ["ar"], True, "")
    job = desk.make(retriever, inputs, ME, ENGLISH)
    deadline = time.monotonic() + 10
    while job.phase == "fitting" and time.monotonic() < deadline:
        time.sleep(0.01)
    told = handlers.map_progress(dataclasses.replace(services, maps=desk), inputs.key)
    assert told["state"] == "failed"
    assert "the disk is on &lt;fire&gt;" in told["html"] and 'data-action="draw"' in told["html"]
    assert desk.make(retriever, inputs, ME, ENGLISH) is not job


def test_only_so_many_maps_are_wanted_at_once(services, monkeypatch):
    monkeypatch.setattr("ui.services.maps.MOST_JOBS", 1)
    release = threading.Event()

    def waiting(*_):
        release.wait(10)
        raise MapStopped("stopped")

    monkeypatch.setattr(store, "make", waiting)
    desk = MapCache()
    first = desk.make(*actions.find_inputs(services, ["ar"], True, ""), ME, ENGLISH)
    assert first.step == "start", "there is no other map to wait for"
    monkeypatch.setattr("ui.services.maps.MOST_JOBS", 2)
    assert desk.make(*actions.find_inputs(services, ["ar", "en"], True, ""), ME, ENGLISH).step == "wait"
    monkeypatch.setattr("ui.services.maps.MOST_JOBS", 1)
    with pytest.raises(QueryError, match="2 maps are being drawn"):
        desk.make(*actions.find_inputs(services, ["en"], True, ""), ME, ENGLISH)
    release.set()


@pytest.mark.parametrize("code", [code for _, code in available()])
def test_the_frame_is_there_in_every_language(code):
    frame = question(wording(code)) + shell(wording(code))
    assert f'dir="{wording(code).direction}"' in frame
    assert 'name="query"' in frame and 'class="map-plot"' in frame
    assert "map_" not in frame  # a key instead of its text


def test_the_drawing_library_is_served_from_here_packed_or_plain():
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    from ui.map.routes import ADDRESS, plotly_route

    with TestClient(Starlette(routes=[plotly_route()])) as client:
        packed = client.get(ADDRESS, headers={"accept-encoding": "gzip"})
        plain = client.get(ADDRESS, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert packed.content == plain.content and b"plotly.js" in plain.content[:200]
    assert packed.headers["content-type"].startswith("text/javascript")
