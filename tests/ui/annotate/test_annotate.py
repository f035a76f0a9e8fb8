"""The Annotate tab's handlers and HTML, on a tiny real model and a real database, without a server."""

from __future__ import annotations

import dataclasses
import re

import pytest

from cacara.errors import CacaraError, QueryError
from feedback_db import Campaign, FeedbackError, Item, Ranking
from feedback_db.errors import StaleAnswerError
from tests.ui.services.test_services import make_services
from ui.annotate import actions, handlers, pooling, rendering
from ui.page.wording import available, wording
from ui.services.permissions import Access, is_admin, refusal
from ui.services.services import Feedback

HOSTILE = '<img src=x onerror="alert(1)">'
ENGLISH = wording("en")
HIDDEN = ("secret-model", "secret-rival", "0.8765", "priority", "known_label")


@pytest.fixture(scope="module")
def prepared(tiny_model, tmp_path_factory):
    return make_services(tiny_model, tmp_path_factory.mktemp("annotate"))


@pytest.fixture
def services(prepared, tmp_path):
    made = dataclasses.replace(prepared, feedback=Feedback(tmp_path / "feedback.db"))
    yield made
    made.feedback.store().close()


@pytest.fixture
def token(services):
    return actions.annotator_register(services, "Ana", True)["token"]


def make_campaign(services, *queries: str, **settings) -> Campaign:
    """Store a campaign with one clip for each query, and what an annotator must not see."""
    campaign = Campaign(**{"name": "Birds", "created_by": "Lead", "wanted_judgements": 1} | settings)
    store = services.feedback.store()
    store.save_campaign(campaign)
    store.add_items(
        Item(
            campaign_id=campaign.campaign_id,
            query_text=query,
            language="en",
            gallery="gallery",
            clip_id="dog.wav",
            model="secret-model",
            model_version="7",
            rank=3,
            score=0.8765,
            priority=0.5,
        )
        for query in queries
    )
    return campaign


def first_item(services, token, campaign) -> dict:
    return actions.annotation_next(services, token, campaign.campaign_id)["item"]


def test_a_name_is_taken_once_and_only_its_token_opens_it(services, token):
    assert handlers.annotate_open(services)["state"] == "nobody"
    assert handlers.annotate_open(services, "wrong")["state"] == "nobody"
    assert handlers.annotate_open(services, token)["name"] == "Ana"
    with pytest.raises(FeedbackError, match="taken"):
        actions.annotator_register(services, " Ana ", True)
    with pytest.raises(FeedbackError, match="nobody's"):
        actions.annotation_next(services, "wrong", "0" * 32)


@pytest.mark.parametrize(
    ("name", "agreed", "said"),
    [
        ("", True, "Type a name"),
        ("Ana", False, "Tick that you agree"),
        ("visitor-1", True, "begin with"),
        (7, True, "Type"),
    ],
)
def test_a_name_is_refused_with_the_reason(services, name, agreed, said):
    with pytest.raises(QueryError, match=said):
        actions.annotator_register(services, name, agreed)


def test_who_signs_in_with_an_account_keeps_the_token_of_this_browser(services):
    assert actions.log_in(services, None, "") is None
    first = actions.log_in(services, "ana", "")
    assert first["annotator"] == "hf:ana"
    assert actions.log_in(services, "ana", first["token"]) == first
    assert actions.log_in(services, "eve", first["token"])["annotator"] == "hf:eve"


def test_the_question_shows_nothing_of_what_a_model_thought(services, token):
    campaign = make_campaign(services, "a bird")
    asked = first_item(services, token, campaign)
    assert set(asked) == {
        "item_id", "campaign_id", "query", "recording", "query_kind", "language", "clip_kind", "clip",
    }  # fmt: skip
    page = handlers.annotate_next(services, token, campaign.campaign_id)["html"]
    assert "a bird" in page
    assert not any(each in page for each in HIDDEN)


def test_an_answer_is_stored_with_what_was_hidden_and_the_next_question_comes(services, token):
    campaign = make_campaign(services, "a bird", "a cow")
    asked = first_item(services, token, campaign)
    done = actions.annotation_judge(
        services, token, asked["item_id"], "partly", ["too_faint"], " hm ", "Ein Vogel", "de", 4.256
    )
    (stored,) = services.feedback.store().current_judgements(campaign.campaign_id)
    assert (stored.judgement_id, stored.label, stored.reasons) == (done["judgement_id"], "partly", ("too_faint",))
    assert (stored.model, stored.rank, stored.score, stored.comment) == ("secret-model", 3, 0.8765, "hm")
    assert (stored.seconds_taken, stored.position, stored.annotator) == (4.26, 1, "Ana")
    (caption,) = services.feedback.store().current_captions(campaign.campaign_id)
    assert (caption.caption, caption.caption_language) == ("Ein Vogel", "de")
    assert first_item(services, token, campaign)["query"] != asked["query"]


def test_undo_takes_back_the_answer_with_its_description_and_brings_the_question_again(services, token):
    campaign = make_campaign(services, "a bird", "a cow")
    first, store = first_item(services, token, campaign), services.feedback.store()
    actions.annotation_judge(services, token, first["item_id"], "relevant", caption="old", caption_language="en")
    second = first_item(services, token, campaign)
    actions.annotation_judge(services, token, second["item_id"], "relevant", caption="new", caption_language="en")
    undone = actions.annotation_undo(services, token, campaign.campaign_id)
    assert (undone["item_id"], undone["stands"]) == (second["item_id"], None)
    assert [each.query_text for each in store.current_judgements()] == [first["query"]]
    assert [each.query_text for each in store.current_captions()] == [first["query"]]
    assert first_item(services, token, campaign)["item_id"] == second["item_id"]
    actions.annotation_undo(services, token, campaign.campaign_id)
    with pytest.raises(QueryError, match="nothing of yours"):
        actions.annotation_undo(services, token, campaign.campaign_id)


def answer_of_page(html: str) -> tuple[str, str]:
    return re.search('data-item="(.*?)"', html)[1], re.search('data-seen="(.*?)"', html)[1]


def test_a_stale_tab_says_what_stands_and_asks_instead_of_overwriting_it(services, token):
    campaign, store = make_campaign(services, "a bird"), services.feedback.store()
    tabs = [handlers.annotate_next(services, token, campaign.campaign_id)["html"] for _ in range(2)]
    (item, seen), second = map(answer_of_page, tabs)
    assert (item, seen) == second == (item, "")
    handlers.annotate_judge(services, token, item, "relevant", seen=seen)
    late = handlers.annotate_judge(
        services, token, item, "not_relevant", caption="mine", caption_language="en", seen=seen
    )
    assert late["stale"].startswith("You have answered this question in another tab: Relevant. That stands")
    assert [each.label for each in store.current_judgements()] == ["relevant"] and store.current_captions() == []
    assert re.search('data-label="relevant"[^>]* aria-pressed="true"', late["html"])
    replaced = handlers.annotate_judge(services, token, item, "not_relevant", seen=answer_of_page(late["html"])[1])
    assert [each.judgement_id for each in store.current_judgements()] == [replaced["judgement_id"]]

    undone = handlers.annotate_undo(services, token, campaign.campaign_id)
    assert undone["message"] == "Taken back. What you answered before counts again: Relevant."
    assert [each.label for each in store.current_judgements()] == ["relevant"]
    undone = handlers.annotate_undo(services, token, campaign.campaign_id)
    assert undone["message"] == "Taken back. No answer of yours to this question counts now."
    gone = handlers.annotate_judge(services, token, item, "unsure", seen=replaced["judgement_id"])
    assert gone["stale"].startswith("Your answer to this question was taken back in another tab")
    assert store.current_judgements() == []


def test_a_stale_comparison_is_not_overwritten_and_programs_may(services, token):
    campaign, store = make_campaign(services), services.feedback.store()
    ranking = Ranking(model="m", model_version="1", clip_ids=("dog.wav",))
    pair = Item(campaign_id=campaign.campaign_id, query_text="dog", language="en", gallery="g", first=ranking,
                second=dataclasses.replace(ranking, model="n"))  # fmt: skip
    store.add_items([pair])
    actions.annotation_prefer(services, token, pair.item_id, "left", seen="")
    with pytest.raises(StaleAnswerError, match="has changed meanwhile"):
        actions.annotation_prefer(services, token, pair.item_id, "both", seen="")
    told = handlers.annotate_prefer(services, token, pair.item_id, "both", seen="")
    assert "Left is better" in told["stale"]
    actions.annotation_prefer(services, token, pair.item_id, "both")
    assert [each.choice for each in store.current_preferences()] == ["both"]
    with pytest.raises(QueryError, match="seen: found 5"):
        actions.annotation_prefer(services, token, pair.item_id, "both", seen=5)


def test_a_question_whose_sound_is_not_here_is_not_asked_and_the_page_tells_whose_it_is(services, token):
    campaign = make_campaign(services, "a bird")
    about = {"campaign_id": campaign.campaign_id, "query_text": "a hen", "language": "en"}
    services.feedback.store().add_items([
        Item(**about, gallery=HOSTILE, clip_id="hen.wav"),
        Item(**about, gallery="renamed", clip_id="cat.wav"),  # a folder has another name now, and the same clips
    ])  # fmt: skip
    asked = []
    while (item := first_item(services, token, campaign)) is not None:
        asked.append(item["clip"])
        actions.annotation_judge(services, token, item["item_id"], "relevant")
    assert sorted(asked) == ["cat.wav", "dog.wav"]
    page = handlers.annotate_next(services, token, campaign.campaign_id)
    assert page["state"] == "done" and "sounds that this app does not have: &lt;img" in page["html"]
    assert HOSTILE not in page["html"]


def test_an_answer_is_changed_with_the_earlier_one_filled_in(services, token):
    campaign = make_campaign(services, "a bird")
    item_id = first_item(services, token, campaign)["item_id"]
    actions.annotation_judge(services, token, item_id, "relevant", ["too_faint"], "", "Vogel", "de")
    assert handlers.annotate_next(services, token, campaign.campaign_id)["state"] == "done"
    assert item_id in handlers.annotate_recent(services, token, campaign.campaign_id)["html"]
    page = handlers.annotate_again(services, token, item_id)["html"]
    assert re.search(r'data-label="relevant" aria-pressed="true"', page)
    assert re.search(r'data-reason="too_faint" aria-pressed="true"', page)
    assert ">Vogel</textarea>" in page
    actions.annotation_judge(services, token, item_id, "unsure", [], "", "Vogel", "de")
    store = services.feedback.store()
    assert [each.label for each in store.current_judgements()] == ["unsure"]
    assert len([each for each in store.history() if type(each).__name__ == "Caption"]) == 1, "it was not said twice"


def test_a_skipped_question_does_not_come_again_unless_asked_for(services, token):
    campaign = make_campaign(services, "a bird", "a cow")
    first = first_item(services, token, campaign)
    actions.annotation_skip(services, token, first["item_id"])
    assert first_item(services, token, campaign)["item_id"] != first["item_id"]
    assert actions.annotation_again(services, token, first["item_id"])["item"] == first


def test_two_people_never_hold_one_question(services, token):
    campaign = make_campaign(services, "a bird")
    other = actions.annotator_register(services, "Ben", True)["token"]
    item = first_item(services, token, campaign)
    assert first_item(services, other, campaign) is None
    with pytest.raises(FeedbackError, match="somebody else"):
        actions.annotation_again(services, other, item["item_id"])


@pytest.mark.parametrize("name", ["Ana", "Ben", "Cleo", "Dora", "Eli"])
def test_a_preference_is_of_the_model_that_stood_on_that_side(services, name):
    campaign = Campaign(name="A or B", created_by="Lead")
    store = services.feedback.store()
    store.save_campaign(campaign)
    sides = {
        "first": Ranking(model="secret-model", model_version="1", clip_ids=("dog.wav", "cat.wav")),
        "second": Ranking(model="secret-rival", model_version="2", clip_ids=("rain.wav", "bell.wav")),
    }
    store.add_items([Item(campaign_id=campaign.campaign_id, query_text="x", language="en", gallery="g", **sides)])
    token = actions.annotator_register(services, name, True)["token"]
    asked = first_item(services, token, campaign)
    page = handlers.annotate_next(services, token, campaign.campaign_id)["html"]
    assert page.count("<audio") == 4
    assert not any(each in page for each in HIDDEN)
    actions.annotation_prefer(services, token, asked["item_id"], "left")
    (made,) = store.current_preferences()
    assert sides[made.choice].clip_ids == tuple(asked["left"])
    assert (
        'data-choice="left" aria-pressed="true"' in handlers.annotate_again(services, token, asked["item_id"])["html"]
    )


def test_hostile_names_queries_and_guidelines_are_shown_as_text(services):
    token = actions.annotator_register(services, HOSTILE, True)["token"]
    campaign = make_campaign(
        services, HOSTILE, name=HOSTILE,
        guidelines=f"{HOSTILE}\n\n[go](javascript:alert(1)) ![p](http://x/y.png) **bold** [ok](https://example.org)",
    )  # fmt: skip
    item = first_item(services, token, campaign)["item_id"]
    pages = [
        handlers.annotate_open(services, token)["html"],
        handlers.annotate_next(services, token, campaign.campaign_id)["html"],
        rendering.registered(HOSTILE, "token", ENGLISH),
    ]
    actions.annotation_judge(services, token, item, "relevant", [], HOSTILE, HOSTILE, "en")
    pages += [
        handlers.annotate_again(services, token, item)["html"],
        handlers.annotate_recent(services, token, campaign.campaign_id)["html"],
        handlers.annotate_mine(services, token)["html"],
    ]
    assert all("<img src=x" not in page and "&lt;img src=x" in page for page in pages)
    assert "<strong>bold</strong>" in pages[1]
    assert 'href="javascript' not in pages[1] and "http://x/y.png" not in re.findall(r'src="([^"]*)"', pages[1])
    assert 'rel="noopener noreferrer nofollow"' in pages[1]


def test_what_is_mine_is_listed_and_deleted_when_the_name_is_typed(services, token):
    campaign = make_campaign(services, "a bird")
    actions.annotation_judge(services, token, first_item(services, token, campaign)["item_id"], "relevant")
    assert "a bird → Relevant" in handlers.annotate_mine(services, token)["html"]
    with pytest.raises(QueryError, match="nothing was deleted"):
        handlers.annotate_forget(services, token, "Anna")
    assert "Deleted: 1 entries" in handlers.annotate_forget(services, token, "Ana")["html"]
    assert services.feedback.store().current_judgements() == []
    with pytest.raises(FeedbackError, match="nobody's"):
        handlers.annotate_mine(services, token)


def test_the_first_campaign_is_made_from_the_gallery(services, token):
    page = handlers.annotate_open(services, token)
    assert 'data-action="examples"' in page["html"]
    begun = handlers.annotate_examples(services, token)
    assert begun["state"] == "asked"
    items = services.feedback.store().items(begun["campaign"])
    judged = [item for item in items if item.known_label is None]
    assert {item.language for item in judged} == {"en", "de", "ar"}
    assert all(item.model == "tiny" and item.rank and item.score is not None for item in judged)
    assert {item.known_label for item in items} == {None, "relevant", "not_relevant"}
    wrong = [item for item in items if item.known_label == "not_relevant"]
    clip = services.engine.retriever(ENGLISH).clip
    assert all(item.query_text not in str(clip(item.clip_id).captions) for item in wrong)


def test_pasted_queries_name_their_language_or_not():
    lines = "sw: ndege\n\nrain: heavy\npt-BR\tcachorro\nxx: y"
    assert pooling.parse_queries(lines, ["en"]) == [
        (1, "ndege", "sw"), (3, "rain: heavy", "en"), (4, "cachorro", "pt-BR"), (5, "xx: y", "en"),
    ]  # fmt: skip
    assert pooling.parse_queries("x", ["en", "sw"]) == [(1, "x", None)]
    with pytest.raises(QueryError, match="found 0"):
        pooling.parse_queries(" \n", [])


def test_a_query_in_a_language_that_is_not_the_campaigns_is_told_by_its_line(services):
    campaign = Campaign(name="n", languages=("de",), created_by="Lead")
    retriever = services.engine.retriever(ENGLISH)
    made = pooling.make_items(campaign, retriever, pooling.parse_queries("de: Hund\nen: dog", ["de"]), 2)
    assert [item.query_text for item in made.items] == ["Hund", "Hund"]
    assert [line for line, _ in made.problems] == [2] and "'en'" in made.problems[0][1]
    with pytest.raises(QueryError, match="top_k"):
        pooling.make_items(campaign, retriever, [], 0)


def test_the_uncertainty_of_a_list_grows_as_its_scores_draw_together():
    assert pooling.uncertainty([0.5]) == 0.0
    assert pooling.uncertainty([0.4, 0.4, 0.4]) == pytest.approx(1.0)
    assert pooling.uncertainty([0.9, 0.1]) < pooling.uncertainty([0.5, 0.45]) < 1.0


def test_on_a_public_server_the_team_leads_work_needs_the_operators_token(services, token):
    public = dataclasses.replace(services, access=Access(public=True))
    assert "CACARA_ADMIN_TOKEN" in refusal(public, "")
    guarded = dataclasses.replace(services, access=Access(public=True, admin_token="s3cret"))
    for wrong in ("", "s3cre", "S3cret", None):
        with pytest.raises(CacaraError, match="team lead"):
            handlers.annotate_examples(guarded, token, wrong)
    assert 'data-action="examples"' not in handlers.annotate_open(guarded, token)["html"]
    assert is_admin(guarded, "s3cret") and is_admin(services, "")
    assert "s3cret" not in repr(guarded.access)


@pytest.mark.parametrize("code", [code for _, code in available()])
def test_every_page_is_there_in_every_language(services, token, code):
    campaign = make_campaign(services, "a bird")
    page = handlers.annotate_next(services.speaking(wording(code)), token, campaign.campaign_id)["html"]
    assert wording(code)("annotate_skip") in page
    assert "{" not in re.sub(r"<[^>]*>", "", page)
