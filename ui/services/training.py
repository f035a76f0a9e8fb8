"""Trainings of the Teach and Improve tabs: jobs, models that they begin with, models that come of them."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import os
import subprocess
import threading
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara.errors import CacaraError, CheckpointError
from cacara.model.registry import Registry
from ui.services.jobs import REPOSITORY, SECRETS, TRAINING, JobError, Jobs
from ui.services.taught_languages import TaughtLanguages

if TYPE_CHECKING:
    from cacara.model.config import ModelConfig
    from ui.services.services import Services

STATUS_SECONDS = 300.0
Ask = Callable[[Path], dict[str, Any]]

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Trainable:
    """A model that a training may begin with.

    Attributes:
        model_id: As the model menu has it.
        name: The model's name.
        version: The version of its weights.
        folder: Its folder.
        config: Its configuration.
    """

    model_id: str
    name: str
    version: str
    folder: Path
    config: ModelConfig


@dataclasses.dataclass(frozen=True)
class Trainings:
    """Trainings and everything they need.

    Attributes:
        jobs: The trainings.
        registry: The promoted models.
        taught: The languages that were taught here.
        database: The feedback database's file.
        gallery: Place of the app's gallery, see ``cacara.galleries.places``; None for the default one.
        given: The model that whoever started the app wants to answer, whatever is promoted; None for the promoted one.
        counting: Counts the feedback that can be trained on.
        suggested: Reads which words the feedback suggests; None asks the training.
    """

    jobs: Jobs
    registry: Registry
    taught: TaughtLanguages
    database: Path
    gallery: str | None = None
    given: str | None = None
    counting: FeedbackCounter = dataclasses.field(default_factory=lambda: FeedbackCounter())
    suggested: FeedbackCounter = None  # type: ignore[assignment]  # set below, as it asks for the gallery

    def __post_init__(self) -> None:
        if self.suggested is None:
            object.__setattr__(self, "suggested", FeedbackCounter(functools.partial(_ask_suggested, self.gallery)))

    def models(self) -> list[Trainable]:
        """Return the models that are here: the one the app was started with, the bundled and the promoted ones.

        Raises:
            RegistryError: The registry's file is damaged.
        """
        found = []
        places = {entry.model_id: entry.folder for entry in self.registry.entries()}
        if self.given is not None and self.given not in places:
            places = {self.given: Path(self.given), **places}
        for model_id, folder in places.items():
            if config := _config(folder.absolute()):
                found.append(Trainable(model_id, config.name, config.version, folder.absolute(), config))
        return found


class FeedbackCounter:
    """Counter of the feedback that can be trained on, as the training itself counts it: slow, so in the background."""

    def __init__(self, ask: Ask | None = None) -> None:
        """Make one that has counted nothing yet.

        Args:
            ask: Counts the feedback of a database; None asks ``python -m training feedback_status``.
        """
        self._ask = ask or _ask
        self._lock = threading.Lock()
        self._key: Hashable = None
        self._found: dict[str, Any] | None = None
        self._problem = ""
        self._busy = False

    def look(self, database: Path, key: Hashable) -> tuple[dict[str, Any] | None, str, bool]:
        """Return what was counted last, why it could not be, and whether it is being counted.

        Args:
            database: The feedback database's file.
            key: Another key means that there is other feedback now, to be counted anew.
        """
        with self._lock:
            if key != self._key and not self._busy:
                self._key, self._busy = key, True
                threading.Thread(target=self._count, args=(database,), name="counting", daemon=True).start()
            return self._found, self._problem, self._busy

    def _count(self, database: Path) -> None:
        found, problem = None, ""
        try:
            found = self._ask(database)
        except CacaraError as error:
            problem = str(error)
        except Exception as error:  # the thread's outermost frame: the tab must not wait for ever
            logger.exception("the feedback cannot be counted")
            problem = f"unexpected {type(error).__name__}, see the server's log"
        with self._lock:
            self._found, self._problem, self._busy = found or self._found, problem, False


def trainings_of(services: Services) -> Trainings:
    """Return the trainings.

    Raises:
        JobError: This app was started without one.
    """
    if services.trainings is None:
        raise JobError("this app has no place for trainings; start it with python app.py")
    return services.trainings


def _ask(database: Path) -> dict[str, Any]:
    return _run_command(["feedback_status", "--database", str(database.absolute()), "--needed", "{}"])


def _ask_suggested(gallery: str | None, database: Path) -> dict[str, Any]:
    shown = ["--gallery", gallery] if gallery else []
    return _run_command(["feedback_words", "--database", str(database.absolute()), *shown])


def _run_command(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the JSON that a command of the training prints."""
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    try:
        ended = subprocess.run(
            [*TRAINING, *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            cwd=REPOSITORY,
            env=environment,
            timeout=STATUS_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:  # its own text has the command, with paths of this machine
        raise JobError(f"the feedback cannot be counted: it took longer than {STATUS_SECONDS:g} s") from error
    except OSError as error:
        raise JobError(f"the feedback cannot be counted: {error.strerror}") from error
    if ended.returncode:
        lines = ended.stderr.decode("utf-8", "replace").strip().splitlines()
        raise JobError((lines or ["the feedback cannot be counted"])[-1][:500])
    found = json.loads(ended.stdout)
    if not isinstance(found, dict):
        raise JobError("the training's count of the feedback is of another form")
    return found


@functools.lru_cache(maxsize=64)
def _config(folder: Path) -> ModelConfig | None:
    """Return a model folder's configuration; None for one that cannot be read, which is logged."""
    from cacara.model import checkpoint

    try:
        return checkpoint.read_config(checkpoint.find(folder))
    except CheckpointError as error:
        logger.error("%s", error)
        return None
