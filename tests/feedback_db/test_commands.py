"""``python -m feedback_db``, as it is typed."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from feedback_examples import campaign, item, judgement
from sqlite_utils import Database

from feedback_db import FeedbackError, Store, recording_path, recordings_folder, save_recording
from feedback_db.__main__ import main
from feedback_db.exchange.export import export
from feedback_db.store.migrations import MIGRATIONS


@pytest.fixture
def path(tmp_path):
    with Store(tmp_path / "feedback.db") as store:
        made = campaign()
        store.save_campaign(made)
        asked = item(made, known_label="relevant")
        store.add_items([asked])
        store.judge_item(asked.item_id, "Ana", "relevant", seconds_taken=2)
        undone = judgement(annotator="Bo", label="partly")
        store.add_judgement(undone)
        store.undo(undone.judgement_id, "Bo")
        sha256 = save_recording(recordings_folder(store.path), b"RIFF")
        # Such a name is refused on the page; what was collected elsewhere may hold it.
        odd = judgement(query_text=None, recording_sha256=sha256, consent=True, annotator="Cy\x1b[2J")
        assert store.add_records([odd]).new == 1
    return tmp_path / "feedback.db"


@pytest.fixture
def run(path, capsys):
    def run(command, *arguments, database=path):
        code = main([command, *map(str, arguments), "--database", str(database)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_stats_tell_people_and_campaigns_without_control_signs(run):
    code, out, _ = run("stats")
    assert code == 0
    assert "3 made, 2 count now: 2 relevant, 0 partly" in out
    assert "person Ana: 1 judgements, median 2.0 s, checks 1 of 1 right" in out
    assert "campaign Pilot: 0 of 0 answers" in out
    assert "\x1b" not in out
    told = json.loads(run("stats", "--json")[1])
    assert told["counts"]["undos"] == 1


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_an_export_imported_elsewhere_gives_the_same_judgements(run, path, tmp_path, ending):
    output = tmp_path / f"out.{ending}"
    assert run("export", output)[0] == 0
    copy = tmp_path / "copy.db"
    Store(copy).close()
    code, out, _ = run("import", output, database=copy)
    assert code == 0, out
    assert run("import", output, database=copy)[1].startswith("0 new")
    with Store(path) as store, Store(copy) as other:
        assert other.history() == store.history()
        assert other.current_judgements() == store.current_judgements()


def test_bad_lines_are_told_and_nothing_is_imported_unless_asked(run, tmp_path, path):
    output = tmp_path / "more.jsonl"
    export([judgement(clip_id="hen")], output, "jsonl")
    undo = {"type": "undo", "judgement_id": "9" * 32, "annotator": "Ana"}
    output.write_text(output.read_text() + '{"type": "judgement"}\n')
    code, _, err = run("import", output)
    assert code == 1
    assert "more.jsonl, line 2: query_text" in err
    assert "1 bad lines, nothing was imported" in err
    output.write_text(output.read_text().splitlines()[0] + "\n" + json.dumps(undo) + "\n")
    code, _, err = run("import", output)
    assert (code, "line 2: there is no judgement 999" in err) == (1, True)
    assert len(Store(path).history()) == 4
    code, out, _ = run("import", output, "--skip-bad")
    assert (code, out) == (0, "1 new, 0 known already, 1 bad\n")


def test_a_current_export_leaves_out_what_was_taken_back(run, tmp_path):
    run("export", tmp_path / "now.jsonl", "--current", "--anonymous")
    told = [json.loads(line) for line in (tmp_path / "now.jsonl").read_text().splitlines()]
    assert [record["annotator"] for record in told] == ["annotator-1", "annotator-2"]


def test_a_backup_made_while_others_write_is_whole_and_can_be_used(run, path, tmp_path):
    stop = threading.Event()
    stored = []

    def write():
        with Store(path, busy_timeout_seconds=30) as store:
            while not stop.is_set():
                stored.append(store.add_judgement(judgement(clip_id=f"clip {len(stored)}")))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(stored) < 5:
            pass
        acknowledged = list(stored)
        assert run("backup", tmp_path / "saved")[0] == 0
    finally:
        stop.set()
        writer.join()
    restored = tmp_path / "saved" / "feedback.db"
    code, out, _ = run("verify", database=restored)
    assert code == 0, out
    with Store(restored) as store:
        assert set(acknowledged) <= {event.judgement_id for event in store.current_judgements()}
        store.add_judgement(judgement())
    assert "is there already" in run("backup", tmp_path / "saved")[2]
    assert not list(tmp_path.glob("*.partial"))


def test_verify_tells_of_a_missing_and_of_a_changed_recording(run, path):
    assert run("verify")[0] == 0
    with Store(path) as store:
        (sha256,) = {made.recording_sha256 for made in store.current_judgements()} - {None}
    kept = recording_path(recordings_folder(path), sha256)
    kept.write_bytes(b"other")
    assert "has other bytes" in run("verify")[1]
    kept.unlink()
    code, out, _ = run("verify")
    assert (code, "is missing" in out) == (1, True)


def test_a_person_is_forgotten_by_their_token(run, tmp_path, path):
    token = tmp_path / "token"
    token.write_text(run("token", "Ana")[1])
    options = ("--token-file", token)
    assert run("forget", *options)[1].startswith("1 events, 0 recordings")
    code, out, _ = run("forget", *options, "--archive", tmp_path / "mine.zip", "--delete")
    assert (code, "deleted 1 events" in out, (tmp_path / "mine.zip").is_file()) == (0, True, True)
    assert "token is nobody's" in run("forget", *options)[2]
    with Store(path) as store:
        assert "Ana" not in {made.annotator for made in store.current_judgements()}


def test_a_wrong_database_is_one_line_and_makes_no_file(tmp_path):
    command = [sys.executable, "-m", "feedback_db", "stats", "--database", str(tmp_path / "none.db")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=os.environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: there is no feedback database")
    assert list(tmp_path.iterdir()) == []


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {each.name: (each.stat().st_mtime_ns, each.read_bytes()) for each in folder.iterdir() if each.is_file()}


@pytest.mark.parametrize("command", [("stats",), ("verify",), ("export", "out.csv")])
def test_what_only_reads_writes_nothing(run, path, tmp_path, command, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = contents(tmp_path)
    assert run(*command)[0] == 0
    assert contents(tmp_path) == before


@pytest.mark.parametrize("command", [("stats",), ("verify",), ("export", "out.csv")])
def test_no_database_is_made_of_an_empty_or_foreign_file(run, tmp_path, command):
    folder = tmp_path / "foreign"
    folder.mkdir()
    (folder / "empty.db").touch()
    (folder / "text.db").write_text("type,query_text\n" * 100)
    with closing(sqlite3.connect(folder / "other.db")) as other:
        other.execute("create table shopping (what)")
    before = contents(folder)
    for name, told in (("empty", "is empty"), ("text", "is not an SQLite"), ("other", "belongs to another program")):
        code, out, error = run(*command, database=folder / f"{name}.db")
        assert (code, out) == (1, "") and told in error
    assert contents(folder) == before


def test_an_older_schema_is_read_as_the_newest_and_stays_as_it_was(run, tmp_path):
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old)) as connection:
        MIGRATIONS.apply(Database(connection), stop_before="m003_graded_labels")
    before = old.read_bytes()
    code, out, _ = run("stats", database=old)
    assert code == 0 and "0 made" in out and "0 partly" in out
    assert old.read_bytes() == before


def test_what_another_program_is_writing_is_read_and_nothing_can_be_written(path):
    with Store(path) as writer:
        writer.add_judgement(judgement(annotator="Di"))
        with Store(path, read_only=True) as reader:
            assert reader.counts().judgements == 4
            writer.add_judgement(judgement(annotator="Ed"))
            assert reader.counts().judgements == 5
            with pytest.raises(FeedbackError, match="was opened for reading"):
                reader.add_judgement(judgement())


def test_a_database_that_is_written_to_while_it_is_read_is_told(path):
    with Store(path, read_only=True) as reader:
        assert reader.counts().judgements == 3
        with Store(path) as writer:
            writer.add_judgement(judgement(annotator="Di"))
        with pytest.raises(FeedbackError, match="was written to while it was read"):
            reader.counts()


def test_an_import_is_shown_before_it_is_used(run, path, tmp_path):
    with Store(path) as store:
        export(store.records(), tmp_path / "out.csv", "csv")
    there = tmp_path / "new.db"
    Store(there).close()
    code, out, error = run("import", tmp_path / "out.csv", "--check", database=there)
    assert (code, out) == (0, "4 good rows, 0 bad; nothing was imported\n")
    assert (
        error.startswith("read as UTF-8, separated by comma; columns: type = type, ") and len(error.splitlines()) == 5
    )
    with Store(there) as store:
        assert store.history() == []
