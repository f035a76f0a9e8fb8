"""The Review tab's handlers, HTML and routes, on a tiny real model and a real database, without a server."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cacara.errors import CacaraError, QueryError
from feedback_db import Campaign, Caption, FeedbackError, Judgement, LabelRow
from feedback_db.records.lines import to_line
from tests.ui.services.test_services import make_services
from ui.page.wording import available, wording
from ui.review import actions, agreement, figures, handlers
from ui.review.rendering import SECTIONS
from ui.review.routes import EXPORT, IMPORT, review_routes
from ui.services.permissions import Access
from ui.services.services import Feedback

HOSTILE = '<img src=x onerror="alert(1)">'
OURS = {"X-Cacara": "1"}


@pytest.fixture(scope="module")
def prepared(tiny_model, tmp_path_factory):
    return make_services(tiny_model, tmp_path_factory.mktemp("review"))


@pytest.fixture
def services(prepared, tmp_path):
    made = dataclasses.replace(prepared, feedback=Feedback(tmp_path / "feedback.db"))
    yield made
    made.feedback.store().close()


@pytest.fixture
def client(services):
    return TestClient(Starlette(routes=review_routes(services)))


def judge(services, annotator: str, label: str, query: str = "dog", **fields) -> Judgement:
    """Store a judgement of the dog."""
    about = {"recording_sha256": None, "consent": False, "language": "en", "gallery": "g", "clip_id": "dog.wav"}
    made = {"rank": 1, "score": 0.5, "model": "m", "model_version": "1", "seconds_taken": 2.0}
    judgement = Judgement(query_text=query, label=label, annotator=annotator, **(about | made | fields))
    services.feedback.store().add_judgement(judgement)
    return judgement


def rows(labels: dict[str, list[str]], language: str = "en") -> list[LabelRow]:
    return [
        LabelRow(annotator=name, pair_id=str(place), label=label, language=language)
        for name, given in labels.items()
        for place, label in enumerate(given)
        if label
    ]


def test_alpha_is_one_for_the_same_labels_and_falls_with_each_difference():
    same = ["relevant", "not_relevant", "partly", "relevant"]
    assert agreement.agreement("", rows({"a": same, "b": same})).alpha == pytest.approx(1.0)
    near = agreement.agreement("", rows({"a": same, "b": ["partly", *same[1:]]})).alpha
    far = agreement.agreement("", rows({"a": same, "b": ["not_relevant", *same[1:]]})).alpha
    assert 1.0 > near > far


def test_alpha_is_what_krippendorffs_definition_gives_for_two_people():
    # Coincidences by hand: values 1 and 0, pairs (1,1), (0,0), (1,0): disagreement 1 - (2 of 6) / (expected 18 of 30).
    found = agreement.agreement(
        "", rows({"a": ["relevant", "not_relevant", "relevant"], "b": ["relevant", "not_relevant", "not_relevant"]})
    )
    assert found.alpha == pytest.approx(1 - (2 / 6) / (18 / 30))
    assert (found.pairs, found.people) == (3, 2)


def test_unsure_is_no_answer_and_without_a_choice_there_is_no_alpha():
    assert agreement.agreement("", rows({"a": ["relevant"], "b": ["unsure"]})) == agreement.Agreement("", 0, 0, None)
    assert agreement.agreement("", rows({"a": ["relevant"], "b": ["relevant"]})).alpha is None
    assert agreement.agreement("", []).alpha is None


def test_agreement_is_told_by_language_and_by_person():
    labels = {"a": ["relevant", "not_relevant"], "b": ["relevant", "not_relevant"]}
    told = agreement.by_language(rows(labels) + rows({"a": ["relevant", ""], "c": ["not_relevant", ""]}, "sw"))
    assert [each.name for each in told] == ["", "en", "sw"]
    assert told[1].alpha == pytest.approx(1.0) and told[2].alpha < 0.5
    assert [each.name for each in agreement.by_person(rows(labels))] == ["a", "b"]


def test_a_campaign_is_made_changed_and_filled(services):
    made = actions.review_save_campaign(
        services, settings={"name": "Birds", "languages": ["de", "en"], "wanted_judgements": 3}, lead="Lea"
    )
    campaign_id = made["campaign_id"]
    actions.review_save_campaign(services, campaign_id=campaign_id, settings={"open": False}, lead="Max")
    store = services.feedback.store()
    changed = store.campaign(campaign_id)
    assert (changed.name, changed.wanted_judgements, changed.open, changed.created_by) == ("Birds", 3, False, "Max")
    assert [each.created_by for each in store.campaign_revisions(campaign_id)] == ["Lea", "Max"]
    told = actions.review_add_queries(
        services, campaign_id=campaign_id, queries="de: Hund\nfr: chien", top_k=2, first_line=21
    )
    assert told["added"] == 2
    assert [each["line"] for each in told["problems"]] == [22] and "'fr'" in told["problems"][0]["problem"]
    assert actions.review_add_checks(services, campaign_id=campaign_id, number=2)["added"] == 4
    page = handlers.review_show(services, section="campaigns")["html"]
    assert "2 questions, 4 checks" in page
    assert "Max" in handlers.review_show(services, section="changes")["html"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": ""}, "name"),
        ({"name": "x", "languages": ["???"]}, "languages"),
        ({"name": "x", "languages": "en"}, "languages"),
        ({"name": "x", "wanted_judgements": 0}, "wanted_judgements"),
        ({"name": "x", "campaign_id": "0" * 32}, "settings"),
    ],
)
def test_a_campaign_that_cannot_be_is_refused_by_the_field(services, settings, said):
    with pytest.raises((CacaraError, FeedbackError), match=said):
        actions.review_save_campaign(services, settings=settings)
    assert services.feedback.store().campaigns() == []


def test_nobody_decides_under_the_name_of_somebody_else(services):
    token = services.feedback.store().register("Ana")
    with pytest.raises(FeedbackError, match="Ana"):
        actions.review_save_campaign(services, settings={"name": "x"}, lead="Ana")
    actions.review_save_campaign(services, settings={"name": "x"}, lead="Ana", token=token)
    assert services.feedback.store().campaigns()[0].created_by == "Ana"


def test_the_widest_disagreement_comes_first_and_the_last_word_settles_it(services):
    for query, labels in {
        "near": ("relevant", "partly"),
        "far": ("relevant", "not_relevant"),
        "same": ("partly",) * 2,
    }.items():
        for name, label in zip(("a", "b"), labels, strict=True):
            judge(services, name, label, query)
    pairs = actions.review_disagreements(services)
    assert [pair["query_text"] for pair in pairs] == ["far", "near"]
    actions.review_adjudicate(
        services, pair_id=pairs[0]["pair_id"], label="partly", note="in the background", lead="Lea"
    )
    (decided,) = services.feedback.store().current_adjudications()
    assert (decided.query_text, decided.label, decided.note, decided.annotator) == (
        "far",
        "partly",
        "in the background",
        "Lea",
    )
    assert [pair["query_text"] for pair in actions.review_disagreements(services)] == ["near", "far"]
    assert 'data-label="partly" aria-pressed="true"' in handlers.review_show(services, section="disagreements")["html"]
    with pytest.raises(QueryError, match="pair_id"):
        actions.review_adjudicate(services, pair_id="0" * 32, label="partly")


def test_the_last_word_of_another_tab_is_said_and_not_overwritten(services):
    for name, label in (("a", "relevant"), ("b", "not_relevant")):
        judge(services, name, label, "dog")
    (pair,) = actions.review_disagreements(services)
    actions.review_adjudicate(services, pair_id=pair["pair_id"], label="partly", seen="")
    with pytest.raises(QueryError, match="somebody has decided this: Partly. That stands"):
        actions.review_adjudicate(services, pair_id=pair["pair_id"], label="unsure", seen="")
    assert [each.label for each in services.feedback.store().current_adjudications()] == ["partly"]
    actions.review_adjudicate(services, pair_id=pair["pair_id"], label="unsure", seen="partly")
    assert [each.label for each in services.feedback.store().current_adjudications()] == ["unsure"]


def test_the_table_is_filtered_and_turned_page_by_page(services):
    for number in range(60):
        judge(services, "Ana" if number % 2 else "Ben", "relevant" if number < 30 else "unsure", f"query {number}")
    first = handlers.review_show(services, section="judgements")["html"]
    assert "1–50 of 60" in first and first.count("<audio") == 50
    assert "51–60 of 60" in handlers.review_show(services, section="judgements", offset=50)["html"]
    some = handlers.review_show(services, section="judgements", filters={"annotator": "Ana", "label": "unsure"})["html"]
    assert "1–15 of 15" in some
    assert "1–1 of 1" in handlers.review_show(services, section="judgements", filters={"text": "QUERY 59"})["html"]


def test_the_pictures_show_what_was_judged():
    campaign = Campaign(name="n", created_by="l")
    about = {"recording_sha256": None, "consent": False, "language": "en", "gallery": "g", "clip_id": "c", "rank": None}
    made = {"score": None, "model": None, "model_version": None, "label": "unsure", "campaign_id": campaign.campaign_id}
    said = [
        Judgement(query_text="q", annotator=name, seconds_taken=seconds, created_utc=f"{day}T00:00Z", **about, **made)
        for name, seconds, day in (("b", 1.5, "2026-01-02"), ("a", None, "2026-01-01"), ("b", 3.0, "2026-01-02"))
    ]  # fmt: skip
    told = figures.make_figures(None, said)
    assert told["seconds"] == [{"name": "b", "values": [1.5, 3.0]}]
    assert told["days"] == {"names": ["2026-01-01", "2026-01-02"], "counts": [1, 2]}
    assert told["languages"]["names"] == []


def test_hostile_text_is_shown_as_text_in_every_section(services):
    judge(services, HOSTILE, "relevant", HOSTILE, comment=HOSTILE, clip_id=HOSTILE)
    judge(services, "b", "not_relevant", HOSTILE, clip_id=HOSTILE)
    actions.review_save_campaign(
        services, settings={"name": HOSTILE, "guidelines": f"</textarea>{HOSTILE}"}, lead=HOSTILE
    )
    services.feedback.store().add_caption(
        Caption(
            query_text=None, recording_sha256=None, consent=False, language=None, gallery="g", clip_id="dog.wav",
            rank=None, score=None, model=None, model_version=None, annotator="b", caption=HOSTILE,
            caption_language="en",
        )
    )  # fmt: skip
    (campaign,) = services.feedback.store().campaigns()
    pages = {name: handlers.review_show(services, section=name)["html"] for name in SECTIONS}
    pages["form"] = handlers.review_form(services, campaign_id=campaign.campaign_id)["html"]
    assert all("<img src=x" not in page for page in pages.values())
    assert all(
        "&lt;img src=x" in pages[name] for name in ("judgements", "disagreements", "agreement", "changes", "form")
    )
    assert pages["form"].count("</textarea>") == 2


def test_what_is_exported_is_imported_again_and_is_no_formula(services, client):
    judge(services, "=cmd()", "relevant", "=1+1")
    sent = client.post(f"{EXPORT}?format=csv&which=current", headers=OURS)
    assert sent.status_code == 200
    assert b'"\'=1+1"' in sent.content and b'"=1+1"' not in sent.content
    again = client.post(f"{IMPORT}?kind=csv", headers=OURS, content=sent.content).json()
    assert (again["new"], again["known"], again["problems"]) == (0, 1, [])
    anonymous = client.post(f"{EXPORT}?format=jsonl&which=all&anonymous=yes", headers=OURS).text
    assert "cmd" not in anonymous and "annotator-1" in anonymous
    assert client.post(f"{EXPORT}?format=exe", headers=OURS).status_code == 400


def test_bad_rows_are_told_by_their_line_as_text_and_nothing_is_imported_then(services, client):
    good = to_line(judge(services, "Ana", "relevant")).replace('"Ana"', '"Ben"')
    good = json.dumps(json.loads(good) | {"judgement_id": "a" * 32})
    bad = json.dumps({"type": HOSTILE})
    body = f"{good}\n\n{bad}\nno json\n".encode()
    told = client.post(f"{IMPORT}?kind=jsonl", headers=OURS, content=body).json()
    assert (told["new"], [line for line, _ in told["problems"]]) == (0, [3, 4])
    assert "<img" not in told["html"] and "&lt;img" in told["html"] and "Line 3" in told["html"]
    assert len(services.feedback.store().current_judgements()) == 1
    told = client.post(f"{IMPORT}?kind=jsonl&skip_bad=yes", headers=OURS, content=body).json()
    assert told["new"] == 1
    assert "wanted one of" in client.post(f"{IMPORT}?kind=../x", headers=OURS, content=b"x").text


def test_export_and_import_are_for_this_apps_own_page_and_the_team_lead(services):
    judge(services, "Ana", "relevant")
    guarded = dataclasses.replace(services, access=Access(public=True, admin_token="s3cret"))
    client = TestClient(Starlette(routes=review_routes(guarded)))
    for address in (f"{EXPORT}?format=csv", f"{IMPORT}?kind=csv"):
        assert client.post(address).status_code == 403
        assert client.post(address, headers=OURS).status_code == 403
        assert client.post(address, headers={"X-Cacara-Token": "s3cret"}).status_code == 403
        assert client.get(address).status_code == 405
    assert client.post(f"{EXPORT}?format=csv", headers=OURS | {"X-Cacara-Token": "s3cret"}).status_code == 200


def test_on_a_public_server_nothing_is_shown_or_done_without_the_token(services):
    judge(services, "Ana", "relevant")
    guarded = dataclasses.replace(services, access=Access(public=True, admin_token="s3cret"))
    for section in SECTIONS:
        told = handlers.review_show(guarded, section=section)
        assert told["state"] == "locked" and "Ana" not in told["html"]
    assert handlers.review_show(guarded, "s3cret", "judgements")["state"] == "judgements"
    for call in (*handlers.CALLED[1:], actions.review_agreement, actions.review_disagreements):
        with pytest.raises(CacaraError, match="team lead"):
            call(guarded, "wrong")


@pytest.mark.parametrize("code", [code for _, code in available()])
def test_every_section_is_there_in_every_language(services, code):
    judge(services, "Ana", "relevant")
    for section in SECTIONS:
        page = handlers.review_show(services.speaking(wording(code)), section=section)["html"]
        assert "{" not in re.sub(r"<[^>]*>", "", page)
    page = handlers.review_show(services.speaking(wording(code)), section="data")["html"]
    assert wording(code)("review_export") in page
