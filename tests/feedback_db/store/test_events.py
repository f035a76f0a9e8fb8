"""Opinions of every kind: stored, changed, taken back, and never more than meant."""

from __future__ import annotations

import dataclasses

import pytest
from feedback_examples import adjudication, caption, judgement, preference

from feedback_db import LABELS, FeedbackError, Store
from feedback_db.records.opinions import FORGOTTEN


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "feedback.db") as opened:
        yield opened


FULL = {
    "index_version": "2026-02",
    "campaign_id": "a" * 32,
    "item_id": "b" * 32,
    "position": 7,
    "seconds_taken": 3.25,
}
MADE = [
    judgement(**FULL, reasons=("too_faint", "other_sounds_too"), comment="kimya", clip_kind="picture"),
    judgement(rank=None, score=None, model=None, model_version=None, label="partly"),
    judgement(query_text=None, recording_sha256="c" * 64, consent=True, query_kind="picture"),
    caption(**FULL, caption="بشرى \u202e <b>"),
    caption(query_text=None, rank=None, score=None, model=None, model_version=None),
    preference(**FULL),
    adjudication(note="heard twice", campaign_id="a" * 32),
]


@pytest.mark.parametrize("made", MADE, ids=lambda made: type(made).__name__)
def test_every_kind_of_opinion_comes_back_as_it_was(store, made):
    assert store.add_records([made]).new == 1
    assert store.history() == [made]
    current = store.current_judgements() + store.current_captions()
    assert current + store.current_preferences() + store.current_adjudications() == [made]


def test_history_keeps_the_order_of_arrival_over_all_kinds(store):
    store.add_preference(MADE[5])
    store.add_judgement(MADE[0])
    store.adjudicate(MADE[6])
    store.add_caption(MADE[3])
    store.undo(MADE[0].judgement_id, "Ana")
    *opinions, undo = store.history()
    assert opinions == [MADE[5], MADE[0], MADE[6], MADE[3]]
    assert undo.judgement_id == MADE[0].judgement_id


@pytest.mark.parametrize("label", LABELS)
def test_the_last_of_a_person_s_labels_for_a_pair_counts(store, label):
    store.add_judgement(judgement(label="unsure"))
    last = judgement(label=label)
    store.add_judgement(last)
    assert store.current_judgements() == [last]


def test_a_sound_and_a_picture_of_one_name_are_two_clips(store):
    store.add_judgement(judgement())
    store.add_judgement(judgement(clip_kind="picture", label="not_relevant"))
    assert [made.label for made in store.current_judgements()] == ["relevant", "not_relevant"]


def test_a_caption_in_another_language_does_not_replace_the_first(store):
    first, other, better = caption(), caption(caption_language="pt-BR"), caption(caption="mbwa")
    for made in (first, other, better):
        store.add_caption(made)
    assert store.current_captions() == [other, better]
    store.undo(better.caption_id, "Ana")
    assert store.current_captions() == [first, other]


def test_the_last_adjudication_of_a_pair_counts_whoever_made_it(store):
    store.adjudicate(adjudication())
    last = adjudication(annotator="Other lead", label="relevant")
    store.adjudicate(last)
    assert store.current_adjudications() == [last]


def test_an_undone_preference_no_longer_counts(store):
    made = preference()
    store.add_preference(made)
    with pytest.raises(FeedbackError, match="not yours"):
        store.undo(made.preference_id, "Bo")
    store.undo(made.preference_id, "Ana")
    assert store.current_preferences() == []
    assert (store.counts().preferences, store.counts().undos) == (0, 1)


def test_one_campaign_s_judgements_can_be_read_alone(store):
    ours = judgement(campaign_id="a" * 32)
    store.add_judgement(ours)
    store.add_judgement(judgement(clip_id="cat"))
    assert store.current_judgements("a" * 32) == [ours]


def test_order_does_not_depend_on_the_clock(store):
    later = judgement(created_utc="2031-01-01T00:00:00+00:00", label="not_relevant")
    after_the_jump = judgement(created_utc="1970-01-01T00:00:00+00:00")
    store.add_judgement(later)
    store.add_judgement(after_the_jump)
    assert store.current_judgements() == [after_the_jump]
    assert store.history() == [later, after_the_jump]


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (judgement, {"reasons": "too_faint"}, "reasons: found 'too_faint'"),
        (judgement, {"reasons": ("<script>",)}, "reasons"),
        (judgement, {"reasons": tuple(f"r{n}" for n in range(21))}, "at most 20"),
        (judgement, {"seconds_taken": -1}, "seconds_taken: found -1"),
        (judgement, {"seconds_taken": float("nan")}, "seconds_taken"),
        (judgement, {"position": 0}, "position: found 0"),
        (judgement, {"clip_kind": "video"}, "clip_kind: found 'video', wanted one of text, sound, picture"),
        (judgement, {"query_kind": "sound"}, "query_kind: found 'sound', wanted one of text"),
        (judgement, {"campaign_id": "x"}, "campaign_id: found 'x'"),
        (judgement, {"comment": ""}, "comment"),
        (judgement, {"annotator": FORGOTTEN}, "another name"),
        (caption, {"caption": " "}, "caption: found ' '"),
        (caption, {"caption_language": None}, "caption_language: found None"),
        (caption, {"recording_sha256": "a" * 64, "consent": True}, "found both"),
        (preference, {"choice": "left"}, "choice: found 'left', wanted one of first, second, both, neither"),
        (preference, {"left": "both"}, "left: found 'both'"),
        (preference, {"first_clip_ids": ()}, "1 to 100 clip ids"),
        (preference, {"second_clip_ids": ("dog", "dog")}, "that differ"),
        (preference, {"query_text": None}, "found neither"),
        (adjudication, {"label": "maybe"}, "label: found 'maybe'"),
        (adjudication, {"note": "\x00"}, r"U\+0000"),
    ],
)
def test_a_field_out_of_its_range_is_refused(make, changes, message):
    with pytest.raises(FeedbackError, match=message):
        make(**changes)


def test_an_undo_that_comes_before_its_opinion_in_a_file_is_stored_too(store, tmp_path):
    made = judgement()
    store.add_judgement(made)
    store.undo(made.judgement_id, "Ana")
    _, undo = store.history()
    with Store(tmp_path / "copy.db") as copy:
        assert copy.add_records([undo, made]).new == 2
        assert copy.history() == [made, undo]
        refused = copy.add_records([dataclasses.replace(undo, undo_id="5" * 32, judgement_id="6" * 32)]).refused
    assert "there is no judgement 666" in refused[0]
