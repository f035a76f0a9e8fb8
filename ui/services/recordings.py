"""Long recordings that visitors have opened: a playable copy, embeddings over time, and results of each.

An id is a long random word, so that nobody hears what somebody else opened. All are gone when the app ends, and the
oldest make room for new ones.
"""

from __future__ import annotations

import collections
import dataclasses
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cacara import working_folders
from cacara.errors import CacaraError, QueryError
from cacara.galleries.file_names import as_text
from cacara.media.formats import SOUNDS
from cacara.recordings.export import Search

if TYPE_CHECKING:
    from cacara.model.model import Cacara
    from cacara.recordings.long_recordings import Timeline

MAX_BYTES = 700 << 20
MAX_RECORDINGS = 8
MAX_STORED_BYTES = 4 << 30
SPARE_BYTES = 1 << 30
"""So much of the disk stays free."""
SEARCHES = 50
"""So many searches of a recording are remembered for its export."""
LOCAL_FILES = 500
WAITING_SECONDS = 0.5

logger = logging.getLogger(__name__)

Phase = Literal["queued", "listening", "ready", "failed", "cancelled"]


@dataclasses.dataclass(eq=False)
class OpenRecording:
    """An opened recording.

    Attributes:
        name: The file's name, as its owner has it.
        path: The file that was sent, or that lies on this machine.
        copy: The sound of it as 16-bit PCM, to play.
        phase: Its state.
        busy: A thread is working on it.
        model_id: The model that listens, or did; empty for the only one.
        wanted: Gives that model, or None as long as it is not ready.
        share: Part that was embedded, 0 to 1.
        problem: Reason of a failure, in one line.
        timeline: Its embeddings over time, once a model has processed all of it.
        model: The model that made them.
        searches: Results by query.
    """

    name: str
    path: Path
    copy: Path
    phase: Phase = "queued"
    busy: bool = False
    model_id: str = ""
    wanted: Callable[[], Cacara | None] = lambda: None
    share: float = 0.0
    problem: str = ""
    timeline: Timeline | None = None
    model: Cacara | None = None
    searches: collections.OrderedDict[tuple[str, str | None], Search] = dataclasses.field(
        default_factory=collections.OrderedDict
    )
    stopped: threading.Event = dataclasses.field(default_factory=threading.Event)


class _Stopped(Exception):
    """Somebody pressed Cancel, or chose another model."""


class Recordings:
    """The opened recordings; safe for many threads."""

    def __init__(self, local_folder: Path | None = None) -> None:
        """Make an empty library; it makes its folder when something is opened.

        Args:
            local_folder: A folder of this machine whose recordings may be opened where they are. Only for an app that
                this machine alone can reach.
        """
        self.local_folder = local_folder.resolve() if local_folder else None
        self._folder: Path | None = None
        self._opened: collections.OrderedDict[str, OpenRecording] = collections.OrderedDict()
        self._lock = threading.Lock()
        self._one_by_one = threading.Lock()

    def new_file(self, size_bytes: int) -> Path:
        """Return where an upload may be written.

        Raises:
            QueryError: It is too large, or the disk is too full.
        """
        if not 0 < size_bytes <= MAX_BYTES:
            raise QueryError(f"the file has {size_bytes / 2**20:.4g} MiB; wanted up to {MAX_BYTES >> 20}")
        with self._lock:
            if self._folder is None:
                self._folder = working_folders.make("recordings")
            folder = self._folder
            while self._opened and (
                len(self._opened) >= MAX_RECORDINGS or self._stored_bytes(folder) + size_bytes > MAX_STORED_BYTES
            ):
                self._drop(next(iter(self._opened)))
            if shutil.disk_usage(folder).free < 2 * size_bytes + SPARE_BYTES:
                raise QueryError("the disk of this machine is too full for this recording")
        return folder / secrets.token_urlsafe(16)

    def add(self, name: str, path: Path) -> str:
        """Take a file that was written to ``new_file``, and return the recording's id."""
        return self._add(name, path, path.with_suffix(".wav"))

    def local_files(self) -> list[str]:
        """Return the recordings in the folder of this machine, as places below it; empty if there is no such folder."""
        return list(self._local_paths())[:LOCAL_FILES]

    def _local_paths(self) -> dict[str, Path]:
        """Return the recordings in that folder by the names under which they are offered, which are valid text."""
        if self.local_folder is None:
            return {}
        found = (path for path in self.local_folder.rglob("*") if path.suffix.lower() in SOUNDS and path.is_file())
        named = {as_text(path.relative_to(self.local_folder).as_posix()): path for path in found}
        return dict(sorted(named.items()))

    def add_local(self, name: str) -> str:
        """Open a recording where it lies on this machine, and return its id.

        Args:
            name: One of ``local_files``.

        Raises:
            QueryError: It is none of them.
        """
        offered = self._local_paths().get(name)
        if self.local_folder is None or offered is None:
            raise QueryError(f"no recording {name!r:.100} in the folder that this app was given")
        path = offered.resolve()
        if not path.is_relative_to(self.local_folder):  # a link that leads out of the folder
            raise QueryError(f"{name!r:.100} lies outside the folder that this app was given")
        place = self.new_file(1)
        return self._add(Path(name).name, path, place.with_suffix(".wav"))

    def get(self, recording: str) -> OpenRecording:
        """Return an opened recording.

        Raises:
            QueryError: It is not open, or no longer.
        """
        with self._lock:
            if recording not in self._opened:
                raise QueryError("this recording is no longer open here; open it again")
            return self._opened[recording]

    def listen(self, recording: str, model: Callable[[], Cacara | None], model_id: str = "") -> None:
        """Begin to listen to a recording in the background; nothing happens if this model does so, or did.

        Args:
            recording: Its id.
            model: Gives the model, or None as long as it is not ready.
            model_id: Names it; one that is still listening gives way to another.

        Raises:
            QueryError: It is not open.
        """
        opened = self.get(recording)
        with self._lock:
            if opened.model_id == model_id and (opened.busy or opened.phase == "ready"):
                return
            opened.model_id, opened.wanted = model_id, model
            opened.phase, opened.problem, opened.share = "queued", "", 0.0
            opened.stopped.clear()
            if opened.busy:
                return  # its thread sees that another model is wanted
            opened.busy = True
        threading.Thread(target=self._listen, args=(opened,), name="listen", daemon=True).start()

    def cancel(self, recording: str) -> None:
        """Stop listening to a recording; it stays open."""
        self.get(recording).stopped.set()

    def forget(self, recording: str) -> None:
        """Delete a recording with all that is known of it; one that is not open is no error."""
        with self._lock:
            if recording in self._opened:
                self._drop(recording)

    def _add(self, name: str, path: Path, copy: Path) -> str:
        recording = secrets.token_urlsafe(16)
        with self._lock:
            self._opened[recording] = OpenRecording(name, path, copy)
        return recording

    def _drop(self, recording: str) -> None:
        opened = self._opened.pop(recording)
        opened.stopped.set()
        for path in (opened.copy, opened.path):
            if path.parent == self._folder:
                path.unlink(missing_ok=True)

    @staticmethod
    def _stored_bytes(folder: Path) -> int:
        return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())

    def _listen(self, opened: OpenRecording) -> None:
        while True:
            wanted = opened.wanted
            ended, problem = self._hear(opened, wanted)
            with self._lock:
                if opened.wanted is not wanted and not opened.stopped.is_set():
                    continue
                opened.phase, opened.problem = ended, problem
                opened.share = 1.0 if ended == "ready" else opened.share
                opened.busy = False
            break
        if opened.timeline is None:
            opened.copy.unlink(missing_ok=True)
        elif opened.path.parent == self._folder:
            opened.path.unlink(missing_ok=True)  # the copy is all that is needed from here on

    def _hear(self, opened: OpenRecording, wanted: Callable[[], Cacara | None]) -> tuple[Phase, str]:
        """Listen to a recording from its beginning to its end, and return how that ended and why it failed."""
        try:
            model = _wait_for(opened, wanted)
            with self._one_by_one:
                _check(opened, wanted)
                opened.phase = "listening"
                opened.timeline, opened.model = _heard(opened, model, wanted), model
        except _Stopped:
            return "cancelled", ""
        except CacaraError as error:
            return "failed", " ".join(str(error).split())
        except Exception as error:
            # The thread's outermost frame: whatever it is, the page must not wait for ever.
            logger.exception("listening to a recording failed")
            return "failed", f"unexpected {type(error).__name__}, see the server's log"
        return "ready", ""


def _wait_for(opened: OpenRecording, wanted: Callable[[], Cacara | None]) -> Cacara:
    while True:
        _check(opened, wanted)
        if (found := wanted()) is not None:
            return found
        time.sleep(WAITING_SECONDS)


def _check(opened: OpenRecording, wanted: Callable[[], Cacara | None]) -> None:
    if opened.stopped.is_set() or opened.wanted is not wanted:
        raise _Stopped


def _heard(opened: OpenRecording, model: Cacara, wanted: Callable[[], Cacara | None]) -> Timeline:
    from cacara.media import streaming
    from cacara.recordings import long_recordings

    def read(share: float) -> None:
        _check(opened, wanted)
        opened.share = share

    def listened(seconds: float) -> None:
        _check(opened, wanted)

    before = opened.timeline
    if before is None:
        blocks = streaming.copied(streaming.blocks(opened.path, report=read), opened.copy)
        return long_recordings.embed(model, blocks, report=listened)
    # Another model processed it before; the copy knows nothing of what the file was like.
    timeline = long_recordings.embed(model, streaming.blocks(opened.copy, report=read), report=listened)
    return dataclasses.replace(timeline, notes=before.notes)
