from __future__ import annotations

import dataclasses
import datetime

import numpy as np
import pytest

from feedback_db import LABELS, FeedbackError, Judgement, Undo


def judgement(**changes):
    fields = {
        "query_text": "der Hund bellt",
        "recording_sha256": None,
        "consent": False,
        "language": "de",
        "clip_id": "tuxpaint/animals/dog",
        "rank": 1,
        "score": 0.87,
        "label": "relevant",
        "model": "demo",
        "model_version": "1",
        "gallery": "tuxpaint",
        "annotator": "Ana",
    }
    return Judgement(**fields | changes)


def test_a_judgement_gets_an_id_of_its_own_and_the_time_in_utc():
    first, second = judgement(), judgement()
    assert first.judgement_id != second.judgement_id
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(first.created_utc)
    assert datetime.timedelta(0) <= age + datetime.timedelta(milliseconds=1) < datetime.timedelta(minutes=1)


def test_a_judgement_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        judgement().label = "unsure"


@pytest.mark.parametrize("label", LABELS)
def test_every_label_is_accepted(label):
    assert judgement(label=label).label == label


@pytest.mark.parametrize("language", [None, "de", "pt-BR", "zh-Hans", "sr-Latn-RS"])
def test_languages_are_bcp_47_or_unknown(language):
    assert judgement(language=language).language == language


def test_numpy_scalars_become_plain_numbers():
    made = judgement(rank=np.int64(3), score=np.float32(0.5))
    assert (type(made.rank), made.rank, type(made.score), made.score) == (int, 3, float, 0.5)


def test_a_query_of_2000_characters_is_accepted():
    assert len(judgement(query_text="개" * 2000).query_text) == 2000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"query_text": None}, "found neither, wanted one"),
        ({"recording_sha256": "a" * 64, "consent": True}, "found both, wanted one"),
        ({"query_text": None, "recording_sha256": "a" * 64}, "consent"),
        ({"query_text": None, "recording_sha256": "A" * 64, "consent": True}, "64 lower-case hex digits"),
        ({"query_text": None, "recording_sha256": b"a" * 64, "consent": True}, "64 lower-case hex digits"),
        ({"query_text": ""}, "query_text: found '', wanted text of 1 to 2000 characters"),
        ({"query_text": " \n"}, "query_text"),
        ({"query_text": "x" * 2001}, "found 2001 characters, wanted at most 2000"),
        ({"query_text": "bark\ud83d"}, r"U\+D83D at position 5"),
        ({"query_text": "ba\x00rk"}, r"U\+0000 at position 3"),
        ({"query_text": 7}, "query_text: found 7"),
        ({"consent": 1}, "consent: found 1, wanted True or False"),
        ({"language": "pt_BR"}, "BCP-47"),
        ({"language": ""}, "language"),
        ({"clip_id": None}, "clip_id: found None"),
        ({"clip_id": "x" * 1001}, "clip_id: found 1001 characters"),
        ({"rank": 0}, "rank: found 0"),
        ({"rank": True}, "rank: found True"),
        ({"rank": 1.0}, "rank: found 1.0"),
        ({"rank": 10**30}, "rank"),
        ({"score": float("nan")}, "score: found nan, wanted a finite number"),
        ({"score": float("inf")}, "score"),
        ({"score": "0.5"}, "score: found '0.5'"),
        ({"label": "Relevant"}, "wanted one of relevant, partly, not_relevant, unsure"),
        ({"model": ""}, "model"),
        ({"model_version": "\udc80"}, "model_version"),
        ({"gallery": "\t"}, "gallery"),
        ({"annotator": "x" * 101}, "annotator: found 101 characters, wanted at most 100"),
        ({"annotator": "\udfff"}, "annotator"),
        ({"judgement_id": "1"}, "judgement_id: found '1', wanted 32"),
        ({"created_utc": "yesterday"}, "created_utc: found 'yesterday'"),
        ({"created_utc": "2026-01-31T12:00:00"}, "UTC"),
        ({"created_utc": "2026-01-31T12:00:00+02:00"}, "UTC"),
    ],
)
def test_a_field_out_of_its_range_is_refused_with_what_was_found_and_wanted(changes, message):
    with pytest.raises(FeedbackError, match=message) as caught:
        judgement(**changes)
    str(caught.value).encode()  # can be shown
    assert len(str(caught.value)) < 250


def test_a_recording_with_consent_is_accepted():
    made = judgement(query_text=None, recording_sha256="0" * 64, consent=True, language=None)
    assert made.recording_sha256 == "0" * 64


def test_an_undo_needs_a_judgement_and_a_name():
    assert Undo(judgement_id="0" * 32, annotator="Ana").undo_id
    with pytest.raises(FeedbackError, match="judgement_id"):
        Undo(judgement_id="'; drop table events; --", annotator="Ana")
    with pytest.raises(FeedbackError, match="annotator"):
        Undo(judgement_id="0" * 32, annotator="")
