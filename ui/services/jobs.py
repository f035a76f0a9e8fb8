"""Trainings as programs of their own: started, followed, cancelled, and found again after a restart of the app.

A job is a folder beside the feedback database, made and named by the server alone::

    data/jobs/00001-KIND/job.json        what was started, which process it is, and what became of it
    data/jobs/00001-KIND/progress.jsonl  what the training says of itself, a JSON object a line
    data/jobs/00001-KIND/log.txt         what it wrote beside, the newest part of it
    data/jobs/00001-KIND/...             what it was given and what it made
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fcntl
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import psutil

from cacara.errors import CacaraError
from cacara_files import atomic

REPOSITORY = Path(__file__).resolve().parents[2]
TRAINING = (sys.executable, "-m", "training")
NICENESS = 5
"""Searches come before trainings."""
RECORD, PROGRESS, LOG = "job.json", "progress.jsonl", "log.txt"
KEPT = 20
"""So many jobs stay on the disk; the oldest finished ones go."""
LOG_BYTES = 64_000
PROGRESS_BYTES = 2_000_000
GRACE_SECONDS = 30.0
"""A cancelled job that has not ended after this is killed."""
SECRETS = ("CACARA_ADMIN_TOKEN",)
FINAL = ("done", "failed", "cancelled")
_JOB_ID = re.compile(r"(\d{5})-[a-z_]{1,40}", re.ASCII)

State = Literal["running", "done", "failed", "cancelled"]

logger = logging.getLogger(__name__)


class JobError(CacaraError):
    """A training cannot be started, or there is no such one."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        job_id: Names it and its folder.
        kind: The command of ``python -m training``.
        about: Values to show, JSON.
        arguments: The command's arguments.
        pid: Its process, which leads a group of its own.
        born: Start time, which distinguishes that process from a later one with the same number.
        started_utc: ISO-8601.
        state: ``running``, ``done``, ``failed`` or ``cancelled``.
        message: Reason of a failure, in one line; empty otherwise.
        cancelled_utc: Time of its cancellation, or None.
        ended_utc: Time at which its end was seen, or None.
    """

    job_id: str
    kind: str
    about: Mapping[str, Any]
    arguments: tuple[str, ...]
    pid: int
    born: str
    started_utc: str
    state: State = "running"
    message: str = ""
    cancelled_utc: str | None = None
    ended_utc: str | None = None

    @property
    def seconds(self) -> float:
        """Duration of the run so far, or in all."""
        end = datetime.datetime.fromisoformat(self.ended_utc) if self.ended_utc else datetime.datetime.now(datetime.UTC)
        return max(0.0, (end - datetime.datetime.fromisoformat(self.started_utc)).total_seconds())


class Jobs:
    """The trainings of one app, one at a time; safe for many threads and for a second app over the same folder."""

    def __init__(self, folder: Path, command: Sequence[str] = TRAINING, current_folder: Path = REPOSITORY) -> None:
        """Name the folder; nothing is read or made yet.

        Args:
            folder: Folder of the jobs.
            command: What a kind and its arguments are appended to.
            current_folder: Working folder of the command.
        """
        self.folder = Path(os.path.abspath(folder))
        self._command = tuple(command)
        self._current_folder = current_folder
        self._lock = threading.RLock()
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, kind: str, about: Mapping[str, Any], prepare: Callable[[Path], Sequence[str]]) -> Job:
        """Start a training.

        Args:
            kind: The command of ``python -m training``.
            about: Values to show, JSON.
            prepare: Given the job's new folder, writes there what the training reads and returns its arguments
                without ``--progress``.

        Raises:
            JobError: Another one is running, or it cannot be started.
            CacaraError: As ``prepare`` raises it; nothing is left behind then.
        """
        with self._alone():
            self._refuse_second()
            numbers = [int(match[1]) for match in map(_JOB_ID.fullmatch, self._names()) if match]
            place = self.folder / f"{max(numbers, default=0) + 1:05d}-{kind}"
            place.mkdir()
            try:
                job = self._launch(place, kind, about, tuple(map(str, prepare(place))))
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise
            self._prune()
            return job

    def again(self, job_id: str) -> Job:
        """Start a training that was stopped once more, in its own folder, so that it goes on from there.

        Raises:
            JobError: There is no such job, or one is running.
        """
        with self._alone():
            self._refuse_second()
            job = self.find(job_id)
            place = self.folder / job.job_id
            with (place / PROGRESS).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"stage": "again", "fraction": 0.0, "message": ""}) + "\n")
            return self._launch(place, job.kind, job.about, job.arguments)

    def cancel(self, job_id: str) -> Job:
        """Ask a training to stop, by SIGTERM to its process group; nothing happens to one that has ended.

        Raises:
            JobError: There is no such job.
        """
        with self._lock:
            job = self.find(job_id)
            if job.state != "running":
                return job
            job = dataclasses.replace(job, cancelled_utc=job.cancelled_utc or _now_utc())
            self._write(job)
            self._signal(job, signal.SIGTERM)
        return self.find(job_id)

    def find(self, job_id: str) -> Job:
        """Return a job as it is now.

        Raises:
            JobError: There is no such job.
        """
        if not isinstance(job_id, str) or not _JOB_ID.fullmatch(job_id):
            raise JobError(f"no training {job_id!r:.60}; wanted the name of one of this app's")
        return self._settled(self._read(job_id))

    def all(self, kind: str | None = None) -> list[Job]:
        """Return the jobs, the newest first.

        Args:
            kind: Only those of this command; all when None.
        """
        found = []
        for name in sorted(self._names(), reverse=True):
            if kind is None or name.partition("-")[2] == kind:
                with contextlib.suppress(JobError):  # a folder whose record was never written
                    found.append(self.find(name))
        return found

    def latest(self, kind: str) -> Job | None:
        """Return the newest job of a kind, or None."""
        return next(iter(self.all(kind)), None)

    def running(self) -> Job | None:
        """Return the job that is running, or None."""
        return next((job for job in self.all() if job.state == "running"), None)

    def folder_of(self, job: Job) -> Path:
        """Return a job's folder."""
        return self.folder / job.job_id

    def progress(self, job: Job) -> list[dict[str, Any]]:
        """Return a training's own progress reports: ``stage``, ``fraction``, ``message`` and more, oldest first."""
        rows = []
        for line in _tail(self.folder / job.job_id / PROGRESS, PROGRESS_BYTES).split("\n"):
            with contextlib.suppress(ValueError, RecursionError):  # the last line may be half written
                row = json.loads(line)
                if isinstance(row, dict) and isinstance(row.get("stage"), str):
                    rows.append(row)
        return rows

    def log(self, job: Job) -> str:
        """Return the newest part of what a training wrote beside."""
        return _tail(self.folder / job.job_id / LOG, LOG_BYTES)

    def _launch(self, place: Path, kind: str, about: Mapping[str, Any], arguments: tuple[str, ...]) -> Job:
        polite = ("nice", "-n", str(NICENESS)) if shutil.which("nice") else ()
        command = [*polite, *self._command, kind, *arguments, "--progress", str(place / PROGRESS)]
        environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
        try:
            # Appended to, so that it can be cut short while the training writes.
            with (place / LOG).open("ab") as log:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._current_folder,
                    env=environment,
                    start_new_session=True,  # a group of its own, which the app's end does not end
                )
        except OSError as error:
            raise JobError(f"the training cannot be started: {error.strerror or error}") from error
        self._children[child.pid] = child
        job = Job(place.name, kind, dict(about), arguments, child.pid, _birth(child.pid) or "", _now_utc())
        self._write(job)
        logger.info("%s started as process %d", job.job_id, job.pid)
        return job

    def _settled(self, job: Job) -> Job:
        """Return a job with the state that it has now; what became of one that has ended is written down."""
        if job.state != "running":
            return job
        with self._lock:
            if self._alive(job):
                _bound(self.folder / job.job_id / LOG)
                if job.cancelled_utc and _since(job.cancelled_utc) > GRACE_SECONDS:
                    self._signal(job, signal.SIGKILL)
                return job
            job = self._read(job.job_id)
            if job.state != "running":  # another thread was faster
                return job
            last = (self.progress(job) or [{}])[-1]
            stage = last.get("stage")
            state: State = stage if stage in FINAL else "cancelled" if job.cancelled_utc else "failed"  # type: ignore
            message = ""
            if state == "failed":
                lines = [line.strip() for line in self.log(job).splitlines() if line.strip()]
                message = str(last.get("message", "")) if stage == "failed" else (lines or [""])[-1]
            job = dataclasses.replace(job, state=state, message=message[:1000], ended_utc=_now_utc())
            _bound(self.folder / job.job_id / LOG)
            self._write(job)
            logger.info("%s: %s %s", job.job_id, state, message)
            return job

    def _alive(self, job: Job) -> bool:
        child = self._children.get(job.pid)
        if child is not None:
            return child.poll() is None  # and so it leaves no zombie
        return bool(job.born) and _birth(job.pid) == job.born

    def _signal(self, job: Job, number: signal.Signals) -> None:
        if self._alive(job):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(job.pid, number)

    def _refuse_second(self) -> None:
        if other := self.running():
            raise JobError(f"a training is running already ({other.job_id}); wait for its end, or cancel it")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "jobs.lock").open("w")
        except OSError as error:
            raise JobError(f"the jobs folder {self.folder} cannot be written: {error.strerror or error}") from error
        with self._lock, lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _names(self) -> list[str]:
        if not self.folder.is_dir():
            return []
        return [path.name for path in self.folder.iterdir() if _JOB_ID.fullmatch(path.name)]

    def _read(self, job_id: str) -> Job:
        try:
            content = json.loads((self.folder / job_id / RECORD).read_text(encoding="utf-8"))
            return Job(**{**content, "arguments": tuple(content["arguments"])})
        except FileNotFoundError as error:
            raise JobError(f"no training {job_id}; it is no longer kept") from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise JobError(f"the record of the training {job_id} cannot be read: {error}") from error

    def _write(self, job: Job) -> None:
        path = self.folder / job.job_id / RECORD
        atomic.write_text(path, json.dumps(dataclasses.asdict(job), ensure_ascii=False, indent=1) + "\n")

    def _prune(self) -> None:
        for name in sorted(self._names())[:-KEPT]:
            shutil.rmtree(self.folder / name, ignore_errors=True)  # one alone runs, and that is the newest


def _birth(pid: int) -> str | None:
    """Return what distinguishes a process from a later one with its number; None when it has ended."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        # The kernel's own ticks where there are some: they stay when the clock is set.
        with contextlib.suppress(OSError):
            ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {ticks[19]}"
        return f"{process.create_time():.2f}"
    except psutil.Error:
        return None


def _tail(path: Path, most: int) -> str:
    """Return the last bytes of a file as text, from the beginning of a line; empty when there is no such file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            content = file.read(most)
    except OSError:
        return ""
    if size > most:
        content = content.partition(b"\n")[2]
    return content.decode("utf-8", errors="replace")


def _bound(path: Path) -> None:
    """Keep the newest part of a log that has grown large."""
    with contextlib.suppress(OSError):
        if path.stat().st_size > 2 * LOG_BYTES:
            kept = _tail(path, LOG_BYTES)
            with path.open("r+b") as file:
                file.truncate(0)
            with path.open("ab") as file:
                file.write(kept.encode())


def _since(time_utc: str) -> float:
    return (datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(time_utc)).total_seconds()


def _now_utc() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
