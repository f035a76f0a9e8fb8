"""Review queries: disagreement between people, and who changed what."""

from __future__ import annotations

import pytest
from feedback_examples import adjudication, campaign, item, judgement

from feedback_db import Store


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "feedback.db") as opened:
        yield opened


def say(store, annotator, clip_id, label, **changes):
    made = judgement(annotator=annotator, clip_id=clip_id, label=label, **changes)
    store.add_judgement(made)
    return made


def test_the_table_for_agreement_has_each_person_s_last_label_of_each_pair(store):
    say(store, "Ana", "dog", "unsure")
    say(store, "Ana", "dog", "relevant")
    say(store, "Bo", "dog", "partly")
    say(store, "Bo", "cat", "relevant", language="pt-BR")
    table = store.label_table()
    assert [(row.annotator, row.label, row.language) for row in table] == [
        ("Ana", "relevant", "sw"),
        ("Bo", "partly", "sw"),
        ("Bo", "relevant", "pt-BR"),
    ]
    assert table[0].pair_id == table[1].pair_id != table[2].pair_id
    assert [row.annotator for row in store.label_table(language="pt-BR")] == ["Bo"]


def test_attention_checks_are_left_out_of_agreement(store):
    made = campaign()
    store.save_campaign(made)
    check, plain = item(made, known_label="relevant"), item(made, clip_id="cat")
    store.add_items([check, plain])
    for asked in (check, plain):
        store.judge_item(asked.item_id, "Ana", "relevant")
    assert len(store.label_table(made.campaign_id)) == 1
    assert len(store.label_table(made.campaign_id, checks=True)) == 2
    (row,) = [row for row in store.review_rows()[0] if row.known_label]
    assert row.judgement.item_id == check.item_id


def test_disagreements_come_widest_first_and_the_decided_last(store):
    for clip_id, labels in {
        "near": ("relevant", "partly"),
        "same": ("relevant", "relevant"),
        "decided": ("relevant", "not_relevant"),
        "far": ("relevant", "not_relevant"),
    }.items():
        for annotator, label in zip(("Ana", "Bo"), labels, strict=True):
            say(store, annotator, clip_id, label)
    store.adjudicate(adjudication(clip_id="decided", label="partly"))
    found = store.disagreements()
    assert [(pair.clip_id, pair.spread, pair.adjudicated) for pair in found] == [
        ("far", 1.0, None),
        ("near", 0.5, None),
        ("decided", 1.0, "partly"),
    ]
    assert found[0].labels == {"Ana": "relevant", "Bo": "not_relevant"}


def test_rows_tell_what_counts_what_was_changed_and_what_was_undone(store):
    undone, changed, current = (say(store, "Ana", clip, "relevant") for clip in ("cow", "dog", "dog"))
    store.undo(undone.judgement_id, "Ana")
    rows, total = store.review_rows()
    assert total == 3
    assert [(row.judgement, row.state) for row in rows] == [
        (current, "current"),
        (changed, "changed"),
        (undone, "undone"),
    ]


def test_rows_are_filtered_and_paged(store):
    for number in range(5):
        say(store, "Ana", f"dog {number}", "relevant")
    wanted = say(store, "Bo", "100%_DOG", "not_relevant", query_text="Cão grande", language="pt")
    filters = {"annotator": "Bo", "language": "pt", "label": "not_relevant", "model": "demo", "state": "current"}
    for name, value in (*filters.items(), ("text", "ão GRANDE"), ("text", "%_dog")):
        rows, total = store.review_rows(**{name: value} if name not in ("model", "state") else filters)
        assert ([row.judgement for row in rows], total) == ([wanted], 1), name
    rows, total = store.review_rows(limit=2, offset=4)
    assert ([row.judgement.clip_id for row in rows], total) == (["dog 1", "dog 0"], 6)
    assert store.review_rows(text="' or 1=1 --") == ([], 0)


def test_changes_tell_who_did_what_the_newest_first(store):
    made = say(store, "Ana", "dog", "relevant")
    store.adjudicate(adjudication())
    store.undo(made.judgement_id, "Ana")
    changes = store.changes(limit=2)
    assert [(change.seq, type(change.event).__name__) for change in changes] == [(3, "Undo"), (2, "Adjudication")]
    assert [change.seq for change in store.changes(annotator="Ana")] == [3, 1]


def test_statistics_of_a_person_count_only_what_counts(store):
    for seconds, clip in ((1, "dog"), (2, "cat"), (9, "cow")):
        say(store, "Ana", clip, "relevant", seconds_taken=seconds)
    undone = say(store, "Ana", "hen", "partly", seconds_taken=100)
    store.undo(undone.judgement_id, "Ana")
    (ana,) = store.annotator_statistics()
    assert (ana.judgements, ana.undos, ana.labels["relevant"], ana.labels["partly"]) == (3, 1, 3, 0)
    assert (ana.mean_seconds, ana.median_seconds, ana.reliability) == (4.0, 2.0, None)
    (nobody,) = store.annotator_statistics(annotator="Nobody")
    assert (nobody.judgements, nobody.median_seconds, nobody.first_utc) == (0, None, None)
