"""Trainings as programs of their own, with small programs in the place of the training."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import pytest

from ui.services import jobs
from ui.services.jobs import Job, JobError, Jobs

PROGRAM = """
import json, os, sys, time, signal
kind, how, progress = sys.argv[1], sys.argv[2], sys.argv[sys.argv.index("--progress") + 1]
def tell(stage, fraction=0.5, **more):
    with open(progress, "a") as file:
        file.write(json.dumps({"stage": stage, "fraction": fraction, "message": "", **more}) + "\\n")
def stop(*_):
    tell("cancelled"); sys.exit(130)
if how != "deaf":
    signal.signal(signal.SIGTERM, stop)
else:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
tell("train", pid=os.getpid(), group=os.getpgrp(), token=os.environ.get("CACARA_ADMIN_TOKEN"))
if how == "done":
    tell("done", 1.0, score=3)
elif how == "failed":
    tell("failed", message="too few <pairs>"); sys.exit(1)
elif how == "dies":
    print("error: out of luck"); sys.exit(3)
elif how == "noisy":
    for number in range(5000): print("line", number, "x" * 60, flush=True)
    tell("done", 1.0)
else:
    time.sleep(60)
"""


@pytest.fixture
def made(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    opened = []

    def make() -> Jobs:
        opened.append(Jobs(tmp_path / "jobs", (sys.executable, str(program)), tmp_path))
        return opened[-1]

    yield make
    for each in opened:
        for job in each.all():
            if each._alive(job):
                os.killpg(job.pid, signal.SIGKILL)
        for child in each._children.values():
            child.wait(10)


def start(desk: Jobs, how: str) -> Job:
    return desk.start("teach", {"language": "sw"}, lambda folder: [how])


def wait(desk: Jobs, job: Job, until=lambda job: job.state != "running") -> Job:
    for _ in range(400):
        if until(now := desk.find(job.job_id)):
            return now
        time.sleep(0.05)
    pytest.fail(f"still {now.state}: {desk.log(now)}")


def told(desk: Jobs, job: Job) -> dict:
    wait(desk, job, lambda now: desk.progress(now) != [])
    return desk.progress(job)[0]


def test_a_training_runs_in_a_group_of_its_own_without_the_apps_secret_and_its_end_is_kept(made, monkeypatch):
    monkeypatch.setenv("CACARA_ADMIN_TOKEN", "secret")
    desk = made()
    ended = wait(desk, start(desk, "done"))
    assert (ended.state, ended.message, ended.job_id) == ("done", "", "00001-teach")
    row, last = desk.progress(ended)
    assert row["group"] == ended.pid != os.getpgrp()
    assert row["token"] is None
    assert last["score"] == 3
    assert made().find(ended.job_id) == ended


def test_one_runs_at_a_time_also_beside_another_app(made):
    desk = made()
    job = start(desk, "sleeps")
    with pytest.raises(JobError, match="running already"):
        start(made(), "done")
    assert [each.job_id for each in desk.all()] == [job.job_id], "what was refused leaves nothing"
    assert desk.running() == job


def test_a_cancelled_training_ends_and_another_may_start(made):
    desk = made()
    job = start(desk, "sleeps")
    told(desk, job)
    desk.cancel(job.job_id)
    assert wait(desk, job).state == "cancelled"
    assert wait(desk, start(desk, "done")).job_id == "00002-teach"


def test_a_training_that_does_not_listen_is_killed_after_a_while(made, monkeypatch):
    monkeypatch.setattr(jobs, "GRACE_SECONDS", 0.2)
    desk = made()
    job = start(desk, "deaf")
    told(desk, job)
    desk.cancel(job.job_id)
    assert wait(desk, job).state == "cancelled"


def test_a_restarted_app_finds_what_runs_follows_it_and_can_cancel_it(made):
    first = made()
    job = start(first, "sleeps")
    told(first, job)
    second = made()  # as after a restart: it has no child
    assert second.running() == job
    second.cancel(job.job_id)
    first._children[job.pid].wait(10)
    assert wait(second, job).state == "cancelled"


def test_another_process_with_the_same_number_is_not_taken_for_it_nor_signalled(made):
    desk = made()
    job = wait(desk, start(desk, "done"))
    path = desk.folder / job.job_id / jobs.RECORD
    record = json.loads(path.read_text()) | {"state": "running", "ended_utc": None, "pid": os.getpid(), "born": "x 1"}
    path.write_text(json.dumps(record))
    after = made()
    assert after.cancel(job.job_id).state == "done", "this process would have been ended"


def test_why_it_failed_is_told_whether_it_said_so_or_not(made):
    desk = made()
    assert wait(desk, start(desk, "failed")).message == "too few <pairs>"
    died = wait(desk, start(desk, "dies"))
    assert (died.state, died.message) == ("failed", "error: out of luck")


def test_one_that_was_stopped_goes_on_in_its_own_folder(made):
    desk = made()
    job = start(desk, "sleeps")
    told(desk, job)
    os.killpg(job.pid, signal.SIGKILL)
    assert wait(desk, job).state == "failed"
    second = desk.again(job.job_id)
    assert (second.job_id, second.state) == (job.job_id, "running")
    assert second.pid != job.pid
    wait(desk, second, lambda now: len(desk.progress(now)) == 3)
    assert [row["stage"] for row in desk.progress(second)] == ["train", "again", "train"]


def test_the_log_stays_small_and_ends_with_the_newest_line(made, monkeypatch):
    monkeypatch.setattr(jobs, "LOG_BYTES", 2_000)
    desk = made()
    ended = wait(desk, start(desk, "noisy"))
    assert (desk.folder / ended.job_id / jobs.LOG).stat().st_size <= 4_000
    assert desk.log(ended).splitlines()[-1].startswith("line 4999 ")


def test_old_ones_go(made, monkeypatch):
    monkeypatch.setattr(jobs, "KEPT", 2)
    desk = made()
    for _ in range(3):
        wait(desk, start(desk, "done"))
    assert [job.job_id for job in desk.all("teach")] == ["00003-teach", "00002-teach"]
    assert desk.all("other") == []


def test_what_cannot_be_prepared_leaves_nothing_behind(made):
    desk = made()

    def prepare(folder):
        (folder / "pairs.tsv").write_text("x")
        raise JobError("no good")

    with pytest.raises(JobError, match="no good"):
        desk.start("teach", {}, prepare)
    assert desk.all() == [] and not list(desk.folder.glob("0*"))


@pytest.mark.parametrize("name", ["../../etc", "00001-teach/..", "", "00009-teach", None, "٠٠٠٠١-teach"])
def test_no_path_can_be_asked_for(made, name):
    with pytest.raises(JobError, match="no training"):
        made().find(name)


def test_a_half_written_or_strange_line_of_progress_is_passed_over(made):
    desk = made()
    job = wait(desk, start(desk, "done"))
    with (desk.folder / job.job_id / jobs.PROGRESS).open("a") as file:
        file.write('[1]\n{"stage": 1}\n{"stage": "tr')
    assert [row["stage"] for row in desk.progress(job)] == ["train", "done"]
