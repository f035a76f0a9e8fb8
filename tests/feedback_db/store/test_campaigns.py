"""Campaigns give the right work to the right person, and count what was done."""

from __future__ import annotations

import dataclasses

import pytest
from feedback_examples import campaign, caption, comparison, item

from feedback_db import FeedbackError, Store


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "feedback.db") as opened:
        yield opened


def start(store, number=6, **changes):
    made = campaign(**changes)
    store.save_campaign(made)
    items = [item(made, clip_id=f"clip {place}") for place in range(number)]
    assert store.add_items(items) == number
    return made, items


def work(store, made, annotator, label="relevant", most=100):
    """Answer until there is nothing more; return the clips in the order given."""
    clips = []
    while len(clips) < most and (lease := store.next_item(made.campaign_id, annotator)):
        store.judge_item(lease.item.item_id, annotator, label)
        clips.append(lease.item.clip_id)
    return clips


def test_campaigns_and_items_come_back_as_they_were(store):
    first, items = start(store, guidelines="# Listen\n<b>twice</b>", check_every=3, order="uncertainty")
    second = campaign(name="Other", languages=())
    store.save_campaign(second)
    hard = comparison(second, language=None)
    store.add_items([hard])
    assert store.campaigns() == [first, second]
    assert store.items(first.campaign_id) == items
    assert store.item(hard.item_id) == hard


def test_a_change_of_a_campaign_replaces_it_in_its_place(store):
    first, _ = start(store)
    store.save_campaign(campaign(name="Other"))
    changed = dataclasses.replace(first, guidelines="new", open=False, created_by="Bo")
    store.save_campaign(changed)
    assert store.campaigns()[0] == changed == store.campaign(first.campaign_id)
    with pytest.raises(FeedbackError, match="closed"):
        store.next_item(first.campaign_id, "Ana")


def test_each_person_gets_each_item_once_until_it_has_all_the_answers_wanted(store):
    made, items = start(store, wanted_judgements=2)
    everything = {asked.clip_id for asked in items}
    assert set(work(store, made, "Ana")) == everything
    assert set(work(store, made, "Bo")) == everything
    assert work(store, made, "Cy") == []
    progress = store.progress(made.campaign_id)
    assert (progress.items, progress.done, progress.answers, progress.wanted) == (6, 6, 12, 12)
    assert (progress.annotators, progress.leased) == (2, 0)


def test_the_random_order_is_each_person_s_own_and_the_same_again(store, tmp_path):
    made, _ = start(store, 30, wanted_judgements=9)
    orders = {name: work(store, made, name) for name in ("Ana", "Bo")}
    assert orders["Ana"] != orders["Bo"]
    with Store(tmp_path / "copy.db") as copy:
        copy.add_records([made, *store.items(made.campaign_id)])
        assert work(copy, made, "Ana") == orders["Ana"]


def test_the_highest_priority_comes_first_and_can_be_changed(store):
    made, items = start(store, 4, order="uncertainty")
    store.set_priorities({asked.item_id: place for place, asked in enumerate(items)})
    assert work(store, made, "Ana", most=1) == ["clip 3"]
    store.set_priorities({items[0].item_id: 9.0})
    assert work(store, made, "Ana") == ["clip 0", "clip 2", "clip 1"]
    with pytest.raises(FeedbackError, match="priority"):
        store.set_priorities({items[0].item_id: float("nan")})


def test_what_people_differ_about_comes_first_in_the_order_of_disagreement(store):
    made, items = start(store, 5, order="disagreement", wanted_judgements=3)
    for annotator, label in (("Ana", "relevant"), ("Bo", "not_relevant")):
        store.judge_item(items[2].item_id, annotator, label)
        store.judge_item(items[4].item_id, annotator, "relevant")
    assert work(store, made, "Cy")[:2] == ["clip 2", "clip 4"]


def test_people_are_given_their_languages_whatever_the_region(store):
    made, _ = start(store, 0)
    portuguese, swahili = item(made, language="pt-BR", query_text="cão"), item(made)
    store.add_items([portuguese, swahili])
    assert store.next_item(made.campaign_id, "Ana", ["pt-PT"]).item == portuguese
    assert store.next_item(made.campaign_id, "Bo", ["de"]) is None
    assert store.next_item(made.campaign_id, "Ana", ["sw"]).item == swahili  # the other one was given back
    assert store.next_item(made.campaign_id, "Bo", ["pt"]).item == portuguese


def test_an_item_in_a_language_the_campaign_has_not_is_refused_with_all_others(store):
    made, _ = start(store, 0)
    with pytest.raises(FeedbackError, match="language: found 'de', wanted one of the campaign's: sw, pt-BR"):
        store.add_items([item(made), item(made, language="de")])
    with pytest.raises(FeedbackError, match="there is no campaign"):
        store.add_items([item(campaign())])
    assert store.items(made.campaign_id) == []


def test_a_skipped_item_is_not_offered_again_but_can_be_gone_back_to(store):
    made, items = start(store, 1)
    lease = store.next_item(made.campaign_id, "Ana")
    store.skip(lease.item.item_id, "Ana")
    store.skip(lease.item.item_id, "Ana")
    assert store.next_item(made.campaign_id, "Ana") is None
    assert store.next_item(made.campaign_id, "Bo").item == items[0]
    store.release("Bo")
    store.lease_item(items[0].item_id, "Ana")
    store.judge_item(items[0].item_id, "Ana", "relevant")
    assert store.progress(made.campaign_id).skips == 1


def test_only_what_is_of_a_gallery_at_hand_is_given_out(store):
    made, _ = start(store, 2, wanted_judgements=1)
    pair = comparison(made)
    store.add_items([dataclasses.replace(pair, gallery="other"), item(made, clip_id="far.wav", gallery="other")])
    found = store.galleries(made.campaign_id)
    assert {name: sorted(clips) for name, clips in found.items()} == {
        "tuxpaint": ["clip 0", "clip 1"],
        "other": sorted(["far.wav", pair.first.clip_ids[0]]),
    }
    assert store.next_item(made.campaign_id, "Ana", galleries=[]) is None
    assert store.next_item(made.campaign_id, "Ana", galleries=["other"]).item.gallery == "other"
    assert store.next_item(made.campaign_id, "Ana", galleries=["tuxpaint"]).item.gallery == "tuxpaint"


def test_an_undone_answer_is_asked_again(store):
    made, _ = start(store, 1, wanted_judgements=1)
    lease = store.next_item(made.campaign_id, "Ana")
    answer = store.judge_item(lease.item.item_id, "Ana", "relevant")
    assert store.next_item(made.campaign_id, "Ana") is None
    store.undo(answer.judgement_id, "Ana")
    assert store.next_item(made.campaign_id, "Ana").item == lease.item


def test_every_third_answer_is_to_an_item_with_a_known_answer(store):
    made, _ = start(store, 10, check_every=3, wanted_judgements=1)
    store.add_items([item(made, clip_id=f"check {n}", known_label="not_relevant") for n in range(2)])
    clips = work(store, made, "Ana")
    assert [place for place, clip in enumerate(clips, 1) if clip.startswith("check")] == [3, 6]
    assert len(clips) == 12
    # Everybody is checked, however often others were.
    assert not work(store, made, "Bo")
    store.add_items([item(made, clip_id=f"more {n}") for n in range(3)])
    assert work(store, made, "Bo")[2].startswith("check")
    (statistics,) = store.annotator_statistics(made.campaign_id, "Ana")
    assert (statistics.checks, statistics.checks_right, statistics.reliability) == (2, 0, 0.0)


def test_an_answer_carries_what_the_person_was_not_shown(store):
    made, items = start(store, 1)
    store.next_item(made.campaign_id, "Ana")
    answer = store.judge_item(items[0].item_id, "Ana", "partly", reasons=["too_faint"], comment="far", seconds_taken=2)
    assert store.current_judgements(made.campaign_id) == [answer]
    assert (answer.model, answer.rank, answer.score, answer.position) == ("demo", 3, 0.25, 1)
    assert (answer.item_id, answer.reasons, answer.seconds_taken) == (items[0].item_id, ("too_faint",), 2.0)


def test_a_comparison_takes_a_preference_and_a_question_a_label(store):
    made, items = start(store, 1)
    pair = comparison(made)
    store.add_items([pair])
    with pytest.raises(FeedbackError, match="is a comparison"):
        store.judge_item(pair.item_id, "Ana", "relevant")
    with pytest.raises(FeedbackError, match="is no comparison"):
        store.prefer_item(items[0].item_id, "Ana", "first")
    chosen = store.prefer_item(pair.item_id, "Ana", "second", seconds_taken=4.5)
    assert (chosen.first_model, chosen.second_model, chosen.choice) == ("old", "new", "second")
    assert store.lease_item(pair.item_id, "Ana").left == chosen.left


def test_sides_are_drawn_for_each_item_and_person(store):
    made, _ = start(store, 0)
    pairs = [comparison(made) for _ in range(40)]
    store.add_items(pairs)
    sides = [store.lease_item(pair.item_id, "Ana").left for pair in pairs]
    assert 8 <= sides.count("first") <= 32


def test_a_caption_of_an_item_s_clip_keeps_the_lease(store):
    made, items = start(store, 1)
    store.next_item(made.campaign_id, "Ana")
    said = store.caption_item(items[0].item_id, "Ana", "cachorro late", "pt-BR")
    assert store.current_captions(made.campaign_id) == [said]
    assert store.progress(made.campaign_id).leased == 1
    assert said.clip_id == caption(clip_id="clip 0").clip_id


def test_progress_is_told_by_language(store):
    made, items = start(store, 2, wanted_judgements=2)
    store.add_items([item(made, language="pt-BR"), item(made, clip_id="check", known_label="relevant")])
    store.judge_item(items[0].item_id, "Ana", "relevant")
    progress = store.progress(made.campaign_id)
    assert (progress.items, progress.checks, progress.answers) == (3, 1, 1)
    assert progress.languages["sw"].wanted == 4
    assert progress.languages["pt-BR"].answers == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "name"),
        ({"order": "first"}, "order: found 'first', wanted one of random, uncertainty, disagreement"),
        ({"wanted_judgements": 0}, "wanted_judgements: found 0"),
        ({"lease_seconds": 1}, "lease_seconds: found 1"),
        ({"languages": ("pt_BR",)}, "languages"),
        ({"guidelines": "x" * 20_001}, "guidelines: found 20001 characters"),
        ({"open": 1}, "open: found 1"),
    ],
)
def test_a_campaign_that_cannot_work_is_refused(changes, message):
    with pytest.raises(FeedbackError, match=message):
        campaign(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip_id": None}, "clip_id: found None, wanted a clip, or None with a first and a second ranking"),
        ({"known_label": "right"}, "known_label"),
        ({"priority": float("inf")}, "priority"),
        ({"query_text": None}, "found neither"),
    ],
)
def test_an_item_that_asks_nothing_is_refused(changes, message):
    with pytest.raises(FeedbackError, match=message):
        item(campaign(), **changes)
