"""A person's token lists, hands out and deletes what is theirs, and nothing else."""

from __future__ import annotations

import sqlite3
import zipfile
from contextlib import closing

import pytest
from feedback_examples import campaign, caption, item, judgement

from feedback_db import FeedbackError, Store, recording_path, recordings_folder, save_recording
from feedback_db.exchange.export import export
from feedback_db.records.lines import from_line

SECRET_WORDS = "a query nobody else may read"


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "feedback.db") as opened:
        yield opened


def spoken(store, annotator, sound, **changes):
    """Keep a recording and a judgement about it, as the search page does."""
    sha256 = save_recording(recordings_folder(store.path), sound)
    made = judgement(query_text=None, recording_sha256=sha256, consent=True, annotator=annotator, **changes)
    store.add_judgement(made)
    return sha256


def test_a_token_names_its_person_and_is_kept_as_a_hash_only(store):
    token = store.register("Ana")
    assert store.identify(token) == "Ana"
    assert store.identify("x" + token) is None
    assert store.is_registered("Ana")
    assert token.encode() not in b"".join(path.read_bytes() for path in store.path.parent.glob("feedback.db*"))


def test_a_name_that_is_taken_is_refused_unless_the_operator_claims_it(store):
    first = store.register("Ana")
    store.add_judgement(judgement(annotator="Bo"))
    for name in ("Ana", "Bo"):
        with pytest.raises(FeedbackError, match="is taken"):
            store.register(name)
    second = store.register("Ana", claim=True)
    assert (store.identify(first), store.identify(second)) == (None, "Ana")


def test_a_person_lists_and_takes_away_what_is_theirs(store, tmp_path):
    token = store.register("Ana")
    sha256 = spoken(store, "Ana", b"RIFF Ana")
    spoken(store, "Bo", b"RIFF Bo")
    said = caption()
    store.add_caption(said)
    store.export_mine(token, tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        assert archive.namelist() == ["events.jsonl", f"recordings/{sha256}.wav"]
        lines = archive.read("events.jsonl").decode().splitlines()
        assert archive.read(f"recordings/{sha256}.wav") == b"RIFF Ana"
    assert [from_line(line) for line in lines] == store.list_mine(token)
    assert said in store.list_mine(token)
    assert store.list_my_recordings(token) == [sha256]


def test_forgetting_leaves_tombstones_and_no_trace_in_the_file(store, tmp_path):
    token = store.register("Ana Person")
    made = campaign(created_by="Ana Person")
    store.save_campaign(made)
    store.add_items([item(made), item(made, clip_id="cat")])
    store.skip(store.next_item(made.campaign_id, "Ana Person").item.item_id, "Ana Person")
    store.next_item(made.campaign_id, "Ana Person")
    mine = judgement(annotator="Ana Person", query_text=SECRET_WORDS)
    store.add_judgement(mine)
    store.undo(mine.judgement_id, "Ana Person")
    theirs = judgement(annotator="Bo")
    store.add_judgement(theirs)
    gone = store.forget(token)
    assert (gone.events, gone.others_events, gone.recordings) == (2, 0, ())
    kept, deletion = store.history()
    assert kept == theirs
    assert mine.judgement_id in deletion.event_ids
    assert store.counts().deleted == 2
    store.close()
    for path in tmp_path.glob("feedback.db*"):
        assert b"Ana Person" not in path.read_bytes()
        assert SECRET_WORDS.encode() not in path.read_bytes()


def test_what_was_forgotten_is_in_no_later_export_and_cannot_come_back(store, tmp_path):
    token = store.register("Ana")
    mine = judgement(query_text=SECRET_WORDS)
    store.add_judgement(mine)
    before = store.records()
    store.forget(token)
    export(store.records(people=True), tmp_path / "later.jsonl", "jsonl")
    text = (tmp_path / "later.jsonl").read_text()
    assert SECRET_WORDS not in text
    assert '"Ana"' not in text
    assert store.add_records(before).known == 1
    assert store.current_judgements() == []
    # A copy made before forgets as well, once it is told.
    with Store(tmp_path / "copy.db") as copy:
        copy.add_records(before)
        copy.add_records(store.records())
        assert (copy.current_judgements(), copy.counts().deleted) == ([], 1)


def test_recordings_go_with_their_person_and_with_them_what_others_said_of_these(store):
    token = store.register("Ana")
    own, shared = spoken(store, "Ana", b"RIFF own"), spoken(store, "Ana", b"RIFF shared")
    spoken(store, "Bo", b"RIFF shared")
    made = campaign()
    store.save_campaign(made)
    asked = item(made, query_text=None, recording_sha256=own)
    store.add_items([asked])
    store.judge_item(asked.item_id, "Cy", "relevant")
    gone = store.forget(token)
    assert (gone.events, gone.others_events, gone.recordings) == (2, 1, (own,))
    folder = recordings_folder(store.path)
    assert not recording_path(folder, own).exists()
    assert recording_path(folder, shared).read_bytes() == b"RIFF shared"
    assert (store.has_recording(own), store.has_recording(shared)) == (False, True)
    assert store.items(made.campaign_id) == []
    assert store.verify() == []


def test_a_forgotten_token_is_nobody_s(store):
    token = store.register("Ana")
    store.forget(token)
    for refused in (store.list_mine, store.forget, store.list_my_recordings):
        with pytest.raises(FeedbackError, match="this token is nobody's"):
            refused(token)
    store.register("Ana")


class Deaf:
    """A listener that cannot forget."""

    def stored(self, records):
        pass

    def forgetting(self, annotator, event_ids, recordings):
        raise FeedbackError("the dataset cannot be reached")


def test_a_copy_that_cannot_forget_keeps_the_database_from_forgetting_alone(tmp_path):
    with Store(tmp_path / "feedback.db", listener=Deaf()) as store:
        token = store.register("Ana")
        sha256 = spoken(store, "Ana", b"RIFF")
        with pytest.raises(FeedbackError, match="cannot be reached"):
            store.forget(token)
        assert len(store.list_mine(token)) == 1
        assert recording_path(recordings_folder(store.path), sha256).exists()


def test_no_program_can_delete_what_has_no_tombstone_nor_bring_back_what_has(store):
    token = store.register("Ana")
    mine, theirs = judgement(), judgement(annotator="Bo")
    for made in (mine, theirs):
        store.add_judgement(made)
    store.forget(token)
    with closing(sqlite3.connect(store.path)) as other:
        for statement in (
            "delete from judgements",
            "update events set annotator = '(forgotten)'",
            "update events set annotator = 'Ana' where annotator = '(forgotten)'",
            "delete from deletions",
            "delete from events where annotator = '(forgotten)'",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                other.execute(statement)
    with pytest.raises(FeedbackError, match="refused the row"):
        store.add_judgement(mine)
