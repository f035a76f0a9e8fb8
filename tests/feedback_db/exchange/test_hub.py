"""Feedback of a Space survives the loss of its disk: the real scheduler, with a stand-in for the network alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from feedback_examples import campaign, caption, item, judgement
from huggingface_hub import HfApi

from feedback_db import FeedbackError, recording_path, recordings_folder, save_recording
from feedback_db.exchange.hub import HubSettings, HubStore
from feedback_db.exchange.journal import Journal

SETTINGS = HubSettings(dataset="lab/feedback", token="none", every_minutes=600, push_seconds=20)


class Hub(HfApi):
    """A dataset in memory: what goes over the network is replaced, and nothing else."""

    def __init__(self):
        super().__init__(token="none")
        self.files: dict[str, bytes] = {}
        self.commits = 0
        self.squashed = 0
        self.down = False

    def _reach(self):
        if self.down:
            raise ConnectionError("no network")

    def create_repo(self, repo_id, *, private=None, repo_type=None, exist_ok=False, **_):
        self._reach()
        assert (private, repo_type, exist_ok) == (True, "dataset", True)
        return SimpleNamespace(repo_id=repo_id)

    def create_commit(self, repo_id, operations, *, repo_type=None, **_):
        self._reach()
        for operation in operations:
            if hasattr(operation, "path_or_fileobj"):
                with operation.as_file() as file:
                    self.files[operation.path_in_repo] = file.read()
            else:
                del self.files[operation.path_in_repo]
        self.commits += 1

    def snapshot_download(self, repo_id, *, repo_type=None, local_dir=None, allow_patterns=None, **_):
        self._reach()
        for name, content in self.files.items():
            path = Path(local_dir) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def list_repo_files(self, repo_id, *, repo_type=None, **_):
        self._reach()
        return list(self.files)

    def super_squash_history(self, repo_id, *, repo_type=None, **_):
        self._reach()
        self.squashed += 1


@pytest.fixture
def hub():
    return Hub()


@pytest.fixture
def start(tmp_path, hub):
    """Start a Space; its scheduler is stopped at the end even if it was "killed"."""
    started = []

    def start(disk="disk"):
        space = HubStore(tmp_path / disk / "feedback.db", SETTINGS, api=hub)
        started.append(space)
        return space

    yield start
    for space in started:
        space._scheduler.stop()
        space.store.close()


def test_a_restart_on_an_empty_disk_loses_nothing(start, hub, tmp_path):
    space = start("first")
    store = space.store
    made = campaign()
    store.save_campaign(made)
    store.add_items([item(made), item(made, clip_id="cat")])
    token = store.register("Ana")
    lease = store.next_item(made.campaign_id, "Ana")
    answer = store.judge_item(lease.item.item_id, "Ana", "partly")
    store.skip(store.next_item(made.campaign_id, "Ana").item.item_id, "Ana")
    store.undo(answer.judgement_id, "Ana")
    sha256 = save_recording(recordings_folder(store.path), b"RIFF")
    store.add_judgement(judgement(query_text=None, recording_sha256=sha256, consent=True))
    store.add_caption(caption())
    before = store.records(people=True)
    space.close()
    shutil.rmtree(tmp_path / "first")

    again = start("second")
    assert again.store.records(people=True) == before
    assert again.store.identify(token) == "Ana"
    assert recording_path(recordings_folder(again.store.path), sha256).read_bytes() == b"RIFF"
    assert not any("feedback.db" in name for name in hub.files)


def test_each_process_has_a_file_of_its_own_and_later_runs_come_later(start, hub):
    first, second = judgement(label="unsure"), judgement(label="relevant", created_utc="1970-01-01T00:00:00+00:00")
    for disk, made in (("one", first), ("two", second)):
        space = start(disk)
        space.store.add_judgement(made)
        space.close()
    assert sorted(name[:15] for name in hub.files) == ["journal/000001-", "journal/000002-"]
    assert start("three").store.current_judgements() == [second]


def test_a_disk_that_outlives_the_process_gives_what_was_never_pushed(start, hub):
    space = start()
    pushed, made = judgement(clip_id="cat"), judgement()
    space.store.add_judgement(pushed)
    space.push()
    hub.down = True
    space.store.add_judgement(made)
    with pytest.raises(FeedbackError, match=r"the dataset lab/feedback cannot be read or written \(no network\)"):
        space.push()
    space._scheduler.stop()  # killed
    space.store.close()
    hub.down = False
    again = start()
    again.push()
    assert again.store.history() == [pushed, made]
    assert any(made.judgement_id.encode() in content for content in hub.files.values())


def test_what_the_journal_missed_is_noted_at_the_next_start(start, tmp_path):
    space = start()
    made = judgement()
    space.store.add_judgement(made)
    space.close()
    for path in (tmp_path / "disk" / "journal").glob("*.jsonl"):
        path.unlink()
    assert start()._journal.read() == [made]


def test_a_restart_notes_nothing_twice(start, hub):
    space = start()
    space.store.add_judgement(judgement())
    space.store.forget(space.store.register("Ana", claim=True))
    space.close()
    lines = sum(content.count(b"\n") for content in hub.files.values())
    start().close()
    assert sum(content.count(b"\n") for content in hub.files.values()) == lines


def test_forgetting_cleans_the_dataset_and_its_history(start, hub):
    space = start()
    store = space.store
    token = store.register("Ana")
    sha256 = save_recording(recordings_folder(store.path), b"RIFF")
    store.add_judgement(judgement(query_text=None, recording_sha256=sha256, consent=True))
    kept = judgement(annotator="Bo")
    store.add_judgement(kept)
    space.push()
    assert f"recordings/{sha256[:2]}/{sha256}.wav" in hub.files
    hub.down = True
    with pytest.raises(FeedbackError, match="no network"):
        store.forget(token)
    assert len(store.list_mine(token)) == 1
    hub.down = False
    assert store.forget(token).recordings == (sha256,)
    space.push()
    assert hub.squashed == 1
    assert not any("recordings" in name for name in hub.files)
    assert not any(b"Ana" in content or sha256.encode() in content for content in hub.files.values())
    space.close()
    again = start("other").store
    assert again.current_judgements() == [kept]


def test_a_hub_that_cannot_be_reached_at_the_start_is_refused(start, hub):
    hub.down = True
    with pytest.raises(FeedbackError, match="check its name, the token and the network"):
        start()


def test_half_a_line_of_a_killed_process_is_passed_over(tmp_path, caplog):
    journal = Journal(tmp_path / "journal")
    first, second = judgement(), judgement(clip_id="cat")
    journal.stored([first])
    journal.path.write_bytes(journal.path.read_bytes() + b'{"type": "judg')
    journal.stored([second])
    assert Journal(tmp_path / "journal").read() == [first, second]
    assert "line 2" in caplog.text


def test_records_that_cannot_be_written_now_are_written_with_the_next(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.path.mkdir()
    first, second = judgement(), judgement(clip_id="cat")
    journal.stored([first])
    assert "1 records could not yet be written" in journal.problem()
    journal.path.rmdir()
    journal.stored([second])
    assert (journal.read(), journal.problem()) == ([first, second], "")
