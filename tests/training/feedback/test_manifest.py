from __future__ import annotations

import dataclasses

import pytest

from feedback_db.records.opinions import Caption, Judgement
from feedback_db.records.review import Pair
from feedback_db.store.store import Store
from training.feedback import manifest
from training.run_folder import RunError


def pair(query: str, clip: str, adjudicated: str | None = None, **labels: str) -> Pair:
    return Pair(
        pair_id=f"{query}/{clip}",
        query_text=query,
        recording_sha256=None,
        query_kind="text",
        language="de",
        clip_id=clip,
        clip_kind="sound",
        gallery="g",
        labels=labels,
        adjudicated=adjudicated,
    )


def build(*pairs: Pair, captions=(), attention=None) -> manifest.Manifest:
    return manifest.build(pairs, captions, attention or {}, "2026-11-22T10:00:00.000+00:00")


def test_labels_become_grades_and_unsure_says_nothing():
    made = build(
        pair("hund", "dog", ana="relevant"),
        pair("hund", "wolf", ana="partly"),
        pair("hund", "cat", ana="not_relevant"),
        pair("hund", "rain", ana="unsure"),
    )
    assert {row.clip_id: row.grade for row in made.rows} == {"dog": 1.0, "wolf": 0.5, "cat": 0.0}
    assert made.left_out == {"unsure": 1}
    assert (made.positives, made.judgements, made.date) == (2, 3, "2026-11-22")


def test_agreement_makes_a_pair_weigh_more_and_disagreement_less():
    made = build(
        pair("hund", "dog", ana="relevant", ben="relevant", eva="relevant"),
        pair("hund", "wolf", ana="relevant"),
        pair("hund", "cat", ana="relevant", ben="not_relevant", eva="relevant"),
    )
    weights = {row.clip_id: row.weight for row in made.rows}
    assert weights["dog"] > weights["wolf"] > 0.5
    assert weights["dog"] > weights["cat"]


def test_who_contradicts_all_others_is_believed_less():
    pairs = [pair("hund", f"clip {n}", ana="relevant", ben="relevant", eva="not_relevant") for n in range(20)]
    believed, fits = manifest.estimate([*pairs, pair("katze", "x", eva="relevant")], {})
    assert believed["eva"] < 0.4 < 0.85 < believed["ana"]
    assert min(fits[each.pair_id] for each in pairs) > 0.9
    assert fits["katze/x"] < 0.5


def test_attention_checks_tell_the_careful_from_the_careless():
    single = [pair("hund", "dog", ana="relevant"), pair("hund", "cat", ben="relevant")]
    made = build(*single, attention={"ana": (20, 0), "ben": (10, 10)})
    weights = {row.clip_id: row.weight for row in made.rows}
    assert weights["dog"] > 0.8
    assert weights["cat"] < 0.35
    blind = build(*single, attention={"ana": (20, 0), "ben": (0, 40)})
    assert {row.clip_id: row.grade for row in blind.rows}["cat"] == 0.0  # wrong so often that it means the reverse


def test_a_team_leads_word_is_certain():
    (row,) = build(pair("hund", "dog", adjudicated="not_relevant", ana="relevant", ben="relevant")).rows
    assert (row.grade, row.weight, row.source) == (0.0, 1.0, "adjudication")


def test_pairs_nobody_can_be_sure_of_are_left_out():
    made = build(pair("hund", "dog", ana="relevant", ben="not_relevant"))
    assert (made.rows, dict(made.left_out)) == ((), {"people disagree": 1})


def test_the_same_feedback_gives_the_same_bytes_in_any_order_and_without_names(tmp_path):
    pairs = [pair("hund", "dog", ana="relevant"), pair("katze", "cat", ben="partly")]
    one, other = build(*pairs), build(*reversed(pairs))
    assert one.text() == other.text()
    assert "ana" not in one.text()
    manifest.write(one, tmp_path / "manifest.jsonl")
    read = manifest.read(tmp_path / "manifest.jsonl")
    assert (read.hash, read.rows) == (one.hash, one.rows)
    assert build(pairs[0]).hash != one.hash


def test_a_damaged_manifest_is_told(tmp_path):
    (tmp_path / "manifest.jsonl").write_text('{"format_version": 9}\n')
    with pytest.raises(RunError, match="format_version is 9"):
        manifest.read(tmp_path / "manifest.jsonl")


def test_a_database_becomes_a_manifest_with_captions_and_without_what_was_undone(tmp_path):
    about = {"recording_sha256": None, "consent": False, "gallery": "g", "annotator": "ana"}
    ranked = {"rank": 1, "score": 0.5, "model": "cacara", "model_version": "1"}
    judged = Judgement(query_text="hund", language="de", clip_id="dog", label="relevant", **about, **ranked)
    with Store(tmp_path / "feedback.db") as store:
        store.add_judgement(judged)
        wrong = dataclasses.replace(judged, clip_id="cat", judgement_id="0" * 32)
        store.undo(store.add_judgement(wrong), "ana")
        store.add_caption(
            Caption(
                query_text="hund",
                language="de",
                clip_id="wolf",
                caption=" ein  Wolf ",
                caption_language="de",
                **about,
                **ranked,
            )
        )
    made = manifest.read_store(tmp_path / "feedback.db")
    assert [(row.query, row.clip_id, row.source) for row in made.rows] == [
        ("text:ein Wolf", "wolf", "caption"),
        ("text:hund", "dog", "judgement"),
    ]


def test_a_missing_database_is_told_and_not_made(tmp_path):
    with pytest.raises(RunError, match="there is no feedback database"):
        manifest.read_store(tmp_path / "no.db")
    assert not (tmp_path / "no.db").exists()
