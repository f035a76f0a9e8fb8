"""Sending a selection of the map to a campaign: what becomes a question, what is refused, who may."""

from __future__ import annotations

import dataclasses
import html
import re
import time

import markupsafe
import numpy as np
import pytest

from cacara.embedding_map.plane import EmbeddingMap, MapInputs, MapPoint
from cacara.errors import CacaraError, QueryError
from feedback_db import Campaign, FeedbackError, Item
from tests.ui.services.test_services import CAPTIONS, make_services
from ui.annotate import actions as annotate_actions
from ui.map import actions, campaigns, handlers
from ui.page.wording import available, wording
from ui.services.permissions import Access, PermissionRefusedError
from ui.services.services import Feedback

HOSTILE = '"><img src=x onerror=alert(1)><b>dog</b>'
TOKEN = "the-lead's-own-token"
SOUNDS = len(CAPTIONS)


@pytest.fixture(scope="module")
def prepared(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sending")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACARA_CACHE", str(folder / "cache"))
        yield make_services(tiny_model, folder)


@pytest.fixture(scope="module")
def key(prepared):
    """The key of the drawn map: seven texts in three languages, and four sounds."""
    began = handlers.map_open(prepared)
    deadline = time.monotonic() + 300
    while handlers.map_progress(prepared, began["key"])["state"] == "fitting":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return handlers.map_open(prepared)["map"]["key"]


@pytest.fixture
def services(prepared, key, tmp_path):
    made = dataclasses.replace(prepared, feedback=Feedback(tmp_path / "feedback.db"))
    yield made
    made.feedback.store().close()


@pytest.fixture
def points(services, key):
    return services.maps.recall(key, wording("en")).inputs.points


def rows(points, kind: str, *texts: str) -> list[int]:
    return [row for row, point in enumerate(points) if point.kind == kind and (not texts or point.text in texts)]


def items(services, campaign_id: str) -> list[Item]:
    return services.feedback.store().items(campaign_id)


def test_each_selected_sound_is_asked_about_once_with_the_words_and_their_language(services, key, points):
    chosen = [*rows(points, "audio")[:3], rows(points, "text")[0]]
    told = campaigns.map_send(
        services, key, chosen, name="  Dogs  of the\tnorth ", query=" Hund ", language="de", lead="Lea"
    )
    assert (told["added"], told["known"], told["waiting"], told["left_out"]) == (3, 0, 0, 0)
    (campaign,) = services.feedback.store().campaigns()
    assert (campaign.name, campaign.languages, campaign.created_by) == ("Dogs of the north", ("de",), "Lea")
    made = items(services, campaign.campaign_id)
    assert {(each.query_text, each.language, each.clip_kind, each.gallery) for each in made} == {
        ("Hund", "de", "sound", "gallery")
    }
    near = {
        each["clip_id"]: each
        for each in actions.map_neighbours(services, "Hund", "de", top_k=50)["neighbours"]["audio"]
    }
    assert {each.clip_id for each in made} == {points[row].clip_id for row in chosen[:3]}
    for each in made:
        assert each.rank == near[each.clip_id]["rank"]
        assert each.score == pytest.approx(near[each.clip_id]["score"], abs=1e-5)
        assert 0 <= each.priority <= 1 and each.known_label is None
    assert f'href="?campaign={campaign.campaign_id}"' in told["html"]
    assert "Questions added to <bdi>Dogs of the north</bdi>: 3." in told["html"]


def test_what_was_sent_is_what_an_annotator_is_asked(services, key, points):
    told = campaigns.map_send(services, key, rows(points, "audio"), name="Bells", query="bell", language="en")
    person = annotate_actions.annotator_register(services, "Ana", agreed=True)
    seen = set()
    for _ in range(SOUNDS):
        asked = annotate_actions.annotation_next(services, person["token"], told["campaign_id"])["item"]
        assert asked["query"] == "bell" and asked["clip_kind"] == "sound"
        seen.add(asked["clip"])
        annotate_actions.annotation_judge(services, person["token"], asked["item_id"], "unsure")
    assert seen == set(CAPTIONS)
    assert annotate_actions.annotation_next(services, person["token"], told["campaign_id"])["item"] is None


def test_every_selected_text_asks_about_every_selected_sound_in_its_own_language(services, key, points):
    texts, sounds = rows(points, "text"), rows(points, "audio")
    told = campaigns.map_send(services, key, [*texts, *sounds], name="All", ask="texts")
    assert told["added"] == len(texts) * len(sounds)
    made = items(services, told["campaign_id"])
    assert {(each.query_text, each.language, each.clip_id) for each in made} == {
        (points[text].text, points[text].language, points[sound].clip_id) for text in texts for sound in sounds
    }
    assert set(services.feedback.store().campaign(told["campaign_id"]).languages) == {"en", "de", "ar"}


def test_what_is_there_already_is_not_asked_again_and_what_did_not_fit_comes_next(services, key, points, monkeypatch):
    monkeypatch.setattr(campaigns, "MOST_ITEMS", 10)
    texts, sounds = rows(points, "text"), rows(points, "audio")
    everything = {"positions": [*texts, *sounds], "ask": "texts"}
    first = campaigns.map_send(services, key, name="All", **everything)
    assert (first["added"], first["waiting"]) == (10, 18)
    assert "Still to add: 18" in first["html"]
    asked = [each.query_text for each in items(services, first["campaign_id"])]
    assert max(map(asked.count, asked)) == 2, "each text is asked as often as the others"
    second = campaigns.map_send(services, key, campaign_id=first["campaign_id"], **everything)
    third = campaigns.map_send(services, key, campaign_id=first["campaign_id"], **everything)
    assert [(each["added"], each["waiting"]) for each in (second, third)] == [(10, 8), (8, 0)]
    again = campaigns.map_send(services, key, campaign_id=first["campaign_id"], **everything)
    assert (again["added"], again["known"], again["waiting"]) == (0, 28, 0)
    assert len({(each.query_text, each.language, each.clip_id) for each in items(services, first["campaign_id"])}) == 28


def test_what_fits_is_the_nearest_and_sounds_and_pictures_take_turns():
    def drawn(*of: tuple[str, float]) -> EmbeddingMap:
        made = [MapPoint(kind, f"{kind} {angle}", None, None, "s", f"{kind} {angle}") for kind, angle in of]
        embeddings = np.array([[np.cos(angle), np.sin(angle)] for _, angle in of], np.float32)
        inputs = MapInputs("m", "f", (), True, tuple(made), {})
        return EmbeddingMap(inputs, embeddings, embeddings, "pca", {})

    # Pictures lie nearer than any sound, as happens between kinds.
    made = drawn(("audio", 1.2), ("image", 0.3), ("image", 0.1), ("audio", 1.0), ("image", 0.2))
    asking = campaigns.MapQuery("words", "en", np.array([1, 0], np.float32))
    chosen = campaigns.choose(made, [asking], [0, 1, 2, 3, 4], set(), 3)
    assert chosen == campaigns.NewItems({0: [3, 2, 0]}, 0, 2)
    known = {("words", "en", "audio 1.0"), ("other", "en", "image 0.1")}
    assert campaigns.choose(made, [asking], [0, 1, 2, 3, 4], known, 2) == campaigns.NewItems({0: [2, 0]}, 1, 2)


def test_a_picture_is_a_picture_in_the_campaign_too(services, key, points):
    drawn = services.maps.recall(key, wording("en"))
    picture = MapPoint("image", "A dog.", None, "dog", "gallery", "picture:dog.png")
    seeing = dataclasses.replace(drawn, inputs=dataclasses.replace(drawn.inputs, points=(picture, *points[1:])))
    asking = campaigns.MapQuery("dog", "en", drawn.embeddings[0])
    campaign = Campaign(name="x", created_by="x")
    (made,) = campaigns.make_items(campaign, services.engine.retriever(wording("en")), seeing, [asking], {0: [0]})
    assert (made.clip_id, made.clip_kind) == ("picture:dog.png", "picture")


def test_texts_that_the_campaign_is_not_in_are_left_out_and_told(services, key, points):
    store = services.feedback.store()
    german = store.save_campaign(Campaign(name="Deutsch", languages=("de-AT",), created_by="Lea"))
    chosen = [*rows(points, "text"), rows(points, "audio")[0]]
    told = campaigns.map_send(services, key, chosen, campaign_id=german, ask="texts")
    assert (told["added"], told["left_out"]) == (2, 5)
    assert {each.language for each in items(services, german)} == {"de"}
    assert "not in their language: 5" in told["html"]
    with pytest.raises(QueryError, match=r"campaign is in .*Deutsch.*, and what is asked in Kiswahili"):
        campaigns.map_send(services, key, chosen, campaign_id=german, query="mbwa", language="sw")


def test_words_in_no_known_language_make_a_campaign_for_everybody(services, key, points):
    told = campaigns.map_send(services, key, rows(points, "audio"), name="Any", query="🐕")
    assert services.feedback.store().campaign(told["campaign_id"]).languages == ()
    assert {each.language for each in items(services, told["campaign_id"])} == {None}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"query": ""}, "Type a word"),
        ({"query": 7}, "Type a word"),
        ({"query": "\u202e"}, "empty"),
        ({"query": "x" * 2001}, "2,000"),
        ({"language": "klingon!"}, "klingon"),
        ({"name": " "}, "name"),
        ({"name": ["x"]}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"campaign_id": "0" * 32}, "no campaign"),
        ({"campaign_id": {"$ne": 1}}, "no campaign"),
        ({"ask": "everything"}, "wanted words or texts"),
        ({"ask": "texts"}, "Texts selected: 0"),
        ({"positions": []}, "No sound"),
        ({"positions": [99]}, "positions"),
        ({"key": "0" * 32}, "no longer kept"),
    ],
)
def test_what_cannot_be_sent_is_refused_and_leaves_nothing(services, key, points, given, said):
    asked = {"key": key, "positions": rows(points, "audio"), "name": "x", "query": "dog", "language": "en"}
    with pytest.raises((CacaraError, FeedbackError), match=said):
        campaigns.map_send(services, **asked | given)
    assert services.feedback.store().campaigns() == []


def test_too_many_texts_are_refused_by_their_number(services, key, points, monkeypatch):
    monkeypatch.setattr(campaigns, "MOST_TEXTS", 6)
    with pytest.raises(QueryError, match="Texts selected: 7. Wanted: 1 to 6"):
        campaigns.map_send(services, key, list(range(len(points))), name="x", ask="texts")


def test_a_closed_campaign_takes_nothing_and_is_not_offered(services, key, points):
    store = services.feedback.store()
    closed = store.save_campaign(Campaign(name="Closed", open=False, created_by="Lea"))
    store.save_campaign(Campaign(name="Open", created_by="Lea"))
    with pytest.raises(QueryError, match="Closed is closed"):
        campaigns.map_send(services, key, rows(points, "audio"), campaign_id=closed, query="dog")
    form = campaigns.map_campaigns(services, key, rows(points, "audio"))["html"]
    assert re.findall(r"<option value=\"[0-9a-f]{32}\">(.*?)</option>", form) == ["\u2068Open\u2069"]


def test_a_map_of_another_model_than_answers_now_is_not_sent(services, key, points, monkeypatch):
    monkeypatch.setattr(services.engine.retriever(wording("en")).model, "fingerprint", "another")
    with pytest.raises(QueryError, match="no longer kept"):
        campaigns.map_send(services, key, rows(points, "audio"), name="x", query="dog")


def test_only_the_team_lead_sends_and_others_are_told_why(services, key, points):
    chosen = rows(points, "audio")
    guarded = dataclasses.replace(services, access=Access(public=True, admin_token=TOKEN))
    for wrong in ("", "guess"):
        with pytest.raises(PermissionRefusedError, match="team lead"):
            campaigns.map_send(guarded, key, chosen, name="x", query="dog", admin=wrong)
        locked = campaigns.map_campaigns(guarded, key, chosen, admin=wrong)
        assert locked["state"] == "locked" and "Only the team lead" in locked["html"]
        assert 'name="admin"' in locked["html"] and 'name="campaign"' not in locked["html"]
        assert ('role="alert"' in locked["html"]) == bool(wrong)
    assert services.feedback.store().campaigns() == []
    assert campaigns.map_campaigns(guarded, key, chosen, admin=TOKEN)["state"] == "open"
    assert campaigns.map_send(guarded, key, chosen, name="x", query="dog", admin=TOKEN)["added"] == SOUNDS

    nobody = dataclasses.replace(services, access=Access(public=True))
    locked = campaigns.map_campaigns(nobody, key, chosen)["html"]
    assert "CACARA_ADMIN_TOKEN" in locked and 'name="admin"' not in locked


def test_nobody_sends_under_the_name_of_somebody_else(services, key, points):
    services.feedback.store().register("Ana")
    with pytest.raises(FeedbackError, match="Ana"):
        campaigns.map_send(services, key, rows(points, "audio"), name="x", query="dog", lead="Ana")


def prefilled(answer: dict[str, str]) -> tuple[str, str]:
    text = re.search(r'name="asked"[^>]* value="([^"]*)"', answer["html"])
    language = re.search(r'<option value="([^"]*)" selected>', answer["html"])
    return html.unescape(text[1]), language[1] if language else ""


def test_the_words_to_begin_with_are_the_live_ones_else_the_only_selected_text(services, key, points):
    sound, (german,), (arabic,) = (
        rows(points, "audio")[0],
        rows(points, "text", "Ein Hund."),
        rows(points, "text", "كلب."),
    )
    live = {"query": "mbwa", "language": "sw"}
    assert prefilled(campaigns.map_campaigns(services, key, [german, sound], **live)) == ("mbwa", "sw")
    assert prefilled(campaigns.map_campaigns(services, key, [german, sound])) == ("Ein Hund.", "de")
    assert prefilled(campaigns.map_campaigns(services, key, [german, arabic, sound])) == ("", "")
    assert prefilled(campaigns.map_campaigns(services, key, [sound])) == ("", "")


def test_selected_texts_are_offered_with_how_many_questions_they_make(services, key, points, monkeypatch):
    everything = list(range(len(points)))
    form = campaigns.map_campaigns(services, key, everything)["html"]
    assert "7 × 4 = 28" in form and "At most" not in form
    assert 'name="ask"' not in campaigns.map_campaigns(services, key, rows(points, "audio"))["html"]
    monkeypatch.setattr(campaigns, "MOST_ITEMS", 27)
    assert "At most 27 questions" in campaigns.map_campaigns(services, key, everything)["html"]


def test_the_control_stands_where_there_is_something_to_send(services, key, points):
    assert 'data-action="send"' in handlers.map_select(services, key, rows(points, "audio"))["html"]
    assert 'data-action="send"' not in handlers.map_select(services, key, rows(points, "text"))["html"]


@pytest.mark.parametrize("code", [code for _, code in available()])
def test_hostile_text_stays_text_in_every_language(services, key, points, code):
    services.feedback.store().save_campaign(Campaign(name=HOSTILE, created_by="x"))
    chosen = rows(points, "audio")
    told = campaigns.map_send(services.speaking(wording(code)), key, chosen, name=HOSTILE, query=HOSTILE, language="en")
    form = campaigns.map_campaigns(services.speaking(wording(code)), key, chosen, query=HOSTILE, language=HOSTILE)
    for shown in (told["html"], form["html"]):
        assert markupsafe.escape(HOSTILE) in shown
        assert "<img" not in shown and "<b>dog" not in shown and "map_" not in shown
    assert told["name"] == HOSTILE and items(services, told["campaign_id"])[0].query_text == HOSTILE
