from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedback_db import LABELS, FeedbackError, Judgement, Store, Undo


def judgement(**changes):
    fields = {
        "query_text": "der Hund bellt",
        "recording_sha256": None,
        "consent": False,
        "language": "de",
        "clip_id": "dog",
        "rank": 1,
        "score": 0.5,
        "label": "relevant",
        "model": "demo",
        "model_version": "1",
        "gallery": "tuxpaint",
        "annotator": "Ana",
    }
    return Judgement(**fields | changes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "feedback.db"


@pytest.fixture
def store(path):
    with Store(path) as opened:
        yield opened


storable = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")


# A name holds nothing that cannot be seen.
visible = st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"])


def texts(most, characters=storable):
    return st.text(characters, min_size=1, max_size=most).filter(str.strip)


queries = st.one_of(
    st.fixed_dictionaries(
        {"query_text": texts(2000), "recording_sha256": st.none(), "consent": st.booleans()},
    ),
    st.fixed_dictionaries(
        {
            "query_text": st.none(),
            "recording_sha256": st.text("0123456789abcdef", min_size=64, max_size=64),
            "consent": st.just(True),
        }
    ),
)
judgements = st.builds(
    lambda query, **fields: Judgement(**query, **fields),
    queries,
    language=st.sampled_from([None, "de", "pt-BR", "zh-Hans"]),
    clip_id=texts(1000),
    rank=st.integers(1, 1_000_000),
    score=st.floats(allow_nan=False, allow_infinity=False),
    label=st.sampled_from(LABELS),
    model=texts(200),
    model_version=texts(200),
    gallery=texts(500),
    annotator=texts(100, visible),
    created_utc=st.datetimes().map(lambda time: time.isoformat() + "+00:00"),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=judgements)
def test_any_judgement_in_any_script_comes_back_as_it_was(store, made):
    assert store.add_judgement(made) == made.judgement_id
    assert store.history()[-1] == made


def test_judgements_outlive_the_store(path):
    made = judgement(query_text="犬が吠える 🐶 הכלב נובח")
    with Store(path) as store:
        store.add_judgement(made)
    with Store(path) as store:
        assert store.current_judgements() == [made]


def test_the_store_uses_wal_and_makes_missing_folders(tmp_path):
    path = tmp_path / "deep" / "down" / "feedback.db"
    with Store(path) as store, closing(sqlite3.connect(path)) as other:
        assert store.path == path
        assert other.execute("pragma journal_mode").fetchone() == ("wal",)


def test_a_changed_mind_is_a_new_row_and_the_last_one_counts(store):
    store.add_judgement(judgement(label="relevant"))
    last = judgement(label="not_relevant", rank=7, model="another", created_utc="1970-01-01T00:00:00+00:00")
    store.add_judgement(last)  # the clock jumped back; the order of arrival decides
    assert store.current_judgements() == [last]
    assert len(store.history()) == 2


def test_another_query_clip_or_annotator_is_another_judgement(store):
    store.add_judgement(judgement())
    store.add_judgement(judgement(query_text="der Hund bellt laut"))
    store.add_judgement(judgement(clip_id="cat"))
    store.add_judgement(judgement(annotator="Bo"))
    for sha256 in ("a" * 64, "b" * 64, "b" * 64):
        store.add_judgement(judgement(query_text=None, recording_sha256=sha256, consent=True))
    assert len(store.current_judgements()) == 6
    assert store.counts().current == {"relevant": 6, "partly": 0, "not_relevant": 0, "unsure": 0}


def test_an_undo_brings_back_what_was_said_before(store):
    first, second = judgement(label="relevant"), judgement(label="unsure")
    store.add_judgement(first)
    store.add_judgement(second)
    store.undo(second.judgement_id, "Ana")
    assert store.current_judgements() == [first]
    store.undo(first.judgement_id, "Ana")
    assert store.current_judgements() == []
    *kept, undo_second, undo_first = store.history()
    assert kept == [first, second]
    assert isinstance(undo_second, Undo)
    assert (undo_second.judgement_id, undo_first.judgement_id) == (second.judgement_id, first.judgement_id)
    counts = store.counts()
    assert (counts.judgements, counts.undos, sum(counts.current.values()), counts.annotators) == (2, 2, 0, 0)


def test_an_undo_of_the_unknown_of_another_s_or_of_the_undone_is_refused(store):
    made = judgement()
    with pytest.raises(FeedbackError, match="there is no judgement"):
        store.undo(made.judgement_id, "Ana")
    store.add_judgement(made)
    with pytest.raises(FeedbackError, match="not yours"):
        store.undo(made.judgement_id, "Bo")
    store.undo(made.judgement_id, "Ana")
    with pytest.raises(FeedbackError, match="undone already"):
        store.undo(made.judgement_id, "Ana")
    undo = store.history()[-1]
    with pytest.raises(FeedbackError, match="there is no judgement"):
        store.undo(undo.undo_id, "Ana")
    assert len(store.history()) == 2


def test_eight_threads_that_undo_one_judgement_succeed_once(store):
    made = store.add_judgement(judgement())
    failures = []

    def undo():
        try:
            store.undo(made, "Ana")
        except FeedbackError as error:
            failures.append(error)

    run_threads(8, undo)
    assert len(failures) == 7
    assert store.counts().undos == 1


def test_the_same_judgement_twice_is_refused_and_stored_once(store):
    made = judgement()
    store.add_judgement(made)
    with pytest.raises(FeedbackError, match="there already"):
        store.add_judgement(made)
    assert store.history() == [made]


def run_threads(number, target):
    threads = [threading.Thread(target=target) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_eight_threads_that_write_eight_each_lose_nothing(store):
    stored = []
    run_threads(8, lambda: stored.extend(store.add_judgement(judgement()) for _ in range(8)))
    assert sorted(row.judgement_id for row in store.history()) == sorted(stored)
    assert len(stored) == 64
