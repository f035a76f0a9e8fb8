"""The models that were promoted to answer: a folder of versions, and one small file that says which is current.

::

    models/registry.json                 which model answers, which did before, and what was done when
    models/versions/NAME/VERSION/        a model folder, as ``checkpoint`` writes it; never changed once it is there
    models/registry.lock                 held while one of them is written

Whoever reads needs no lock: versions are there before the file names them, and the file is replaced whole. A program
that runs sees a promotion by reading the file again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cacara.errors import CheckpointError, RegistryError
from cacara.model.config import DEFAULT_MODEL, ModelConfig
from cacara_files import atomic

FORMAT_VERSION = 1
POINTER = "registry.json"
VERSIONS = "versions"
GATE = "gate.json"
"""Beside a trained model's folder: whether it may be promoted (``training.feedback.gate`` writes it)."""
BUNDLED = Path(__file__).parents[1] / "bundled"
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One model that can be chosen.

    Attributes:
        model_id: The name of a bundled model, or ``NAME@VERSION`` of a promoted one.
        name: The model's name.
        version: Its version.
        folder: Where it lies.
        promoted_utc: When it was promoted, ISO-8601; None for a bundled one.
        forced: It was promoted although its gate had failed or was missing.
        gate: What the gate found, JSON values; empty for a bundled one or without a gate.
    """

    model_id: str
    name: str
    version: str
    folder: Path
    promoted_utc: str | None = None
    forced: bool = False
    gate: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        return {**dataclasses.asdict(self), "folder": str(self.folder), "gate": dict(self.gate)}


class Registry:
    """The promoted models of one folder, beside the bundled ones; safe for many processes."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is read or made yet."""
        self.folder = Path(os.path.abspath(folder))

    def entries(self) -> list[Entry]:
        """Return every model that can be chosen: the bundled ones by name, then the promoted ones, newest first.

        Raises:
            RegistryError: The registry's file is damaged.
        """
        return [*bundled(), *reversed(self._promoted(self._read()))]

    def find(self, model_id: str) -> Entry:
        """Return a bundled or promoted model; nothing else on the disk can be named.

        Raises:
            RegistryError: There is no such model, or the registry's file is damaged.
        """
        # The bundled ones can be had whatever became of the registry's file.
        if found := next((entry for entry in bundled() if entry.model_id == model_id), None):
            return found
        entries = {entry.model_id: entry for entry in self.entries()}
        if model_id not in entries:
            raise RegistryError(f"no model {model_id!r:.100}; wanted one of {', '.join(entries)}")
        return entries[model_id]

    def current(self) -> str:
        """Return the id of the model that answers: the one last promoted, else the bundled default.

        Raises:
            RegistryError: The registry's file is damaged.
        """
        stack = self._read()["stack"]
        return stack[-1] if stack else DEFAULT_MODEL

    def history(self) -> list[dict[str, Any]]:
        """Return what was done, oldest first: ``action``, ``model_id``, ``previous`` and ``time_utc`` each.

        Raises:
            RegistryError: The registry's file is damaged.
        """
        return self._read()["history"]

    def promote(self, folder: Path, gate: Path | None = None, *, force: bool = False) -> Entry:
        """Copy a trained model into the registry and let it answer.

        Args:
            folder: The model folder; its weights are loaded once to see that they fit.
            gate: The gate's report; None takes ``gate.json`` beside the folder.
            force: Promote also what failed the gate, or has no report of it.

        Raises:
            RegistryError: The gate failed or is missing and ``force`` is off; the report is of other weights; or the
                folder of the registry cannot be written.
            CheckpointError: It is no model folder, or its weights do not fit.
        """
        from cacara.model import checkpoint

        model = checkpoint.load(checkpoint.find(folder), "cpu")
        report = _read_gate(gate or Path(folder).absolute().parent / GATE, model.fingerprint, force)
        name, version = _safe("name", model.name), _safe("version", model.version)
        model_id = f"{name}@{version}"
        with self._writing():
            content = self._read()
            place = self._put(Path(folder), name, version)
            entry = Entry(model_id, name, version, place, _now_utc(), force and not report.get("passed"), report)
            known = [row for row in content["models"] if row["model_id"] != model_id]
            content["models"] = [*known, {key: value for key, value in entry.to_json().items() if key != "folder"}]
            self._point(content, "promote", model_id, [*content["stack"], model_id])
        return entry

    def rollback(self) -> str:
        """Let the model answer that did before the current one, and return its id.

        Raises:
            RegistryError: Nothing is promoted, or the folder of the registry cannot be written.
        """
        with self._writing():
            content = self._read()
            if not content["stack"]:
                raise RegistryError(f"nothing to roll back: the bundled model {DEFAULT_MODEL} answers already")
            rest = content["stack"][:-1]
            self._point(content, "rollback", rest[-1] if rest else DEFAULT_MODEL, rest)
        return self.current()

    def _point(self, content: dict[str, Any], action: str, model_id: str, stack: list[str]) -> None:
        """Write the registry's file: beside its place, then put there."""
        previous = content["stack"][-1] if content["stack"] else DEFAULT_MODEL
        # Promoted again and again, a model stands in the stack once a run of it.
        content["stack"] = [each for position, each in enumerate(stack) if position == 0 or stack[position - 1] != each]
        row = {"action": action, "model_id": model_id, "previous": previous, "time_utc": _now_utc()}
        content["history"] = [*content["history"], row]
        with atomic.replacing(self.folder / POINTER) as partial, partial.open("w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())

    def _put(self, source: Path, name: str, version: str) -> Path:
        """Copy a model folder to its place, unless these very files are there."""
        place = self.folder / VERSIONS / name / version
        if place.exists():
            if _bytes(place) != _bytes(source):
                raise RegistryError(f"{name}@{version} is in the registry with other weights; give this one a version")
            return place
        with atomic.replacing(place) as partial:
            shutil.copytree(source, partial)
        return place

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "registry.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise RegistryError(f"the models folder {self.folder} cannot be written: {error}") from error

    def _read(self) -> dict[str, Any]:
        path = self.folder / POINTER
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):  # nothing can have been promoted to there
            return {"format_version": FORMAT_VERSION, "stack": [], "models": [], "history": []}
        except (OSError, ValueError, RecursionError) as error:
            raise RegistryError(f"{path} cannot be read: {error}") from error
        if not isinstance(content, dict) or content.get("format_version") != FORMAT_VERSION:
            raise RegistryError(f"{path} is of another format; wanted format_version {FORMAT_VERSION}")
        if wrong := [key for key in ("stack", "models", "history") if not isinstance(content.get(key), list)]:
            raise RegistryError(f"{path} lacks the list {wrong[0]}")
        return content

    def _promoted(self, content: Mapping[str, Any]) -> list[Entry]:
        entries = []
        for row in content["models"]:
            try:
                name, version = _safe("name", row["name"]), _safe("version", row["version"])
                place = self.folder / VERSIONS / name / version
                # Somebody may have put a link there; what it points to is not a model of this folder.
                if place.resolve() == self.folder.resolve() / VERSIONS / name / version and place.is_dir():
                    values = (row["promoted_utc"], bool(row["forced"]), row["gate"])
                    entries.append(Entry(f"{name}@{version}", name, version, place, *values))
            except (KeyError, TypeError) as error:
                raise RegistryError(f"{self.folder / POINTER}: a model's row is malformed ({error})") from error
        return entries


def bundled() -> list[Entry]:
    """Return the models that ship with the package, by name; no weights are read."""
    entries = []
    for path in sorted(BUNDLED.glob("*/config.json")):
        config = ModelConfig.from_json(json.loads(path.read_text(encoding="utf-8")))
        entries.append(Entry(path.parent.name, config.name, config.version, path.parent))
    return entries


def _read_gate(path: Path, fingerprint: str, force: bool) -> dict[str, Any]:
    """Return the gate's report of a model.

    Raises:
        RegistryError: It is missing, of another model, or says that the model failed; not where ``force`` is on.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(report, dict) or not isinstance(report.get("passed"), bool):
            raise ValueError("it does not say whether the model passed")
    except FileNotFoundError:
        report, problem = {}, f"there is no gate's report {path}"
    except (OSError, ValueError, RecursionError) as error:
        report, problem = {}, f"the gate's report {path} cannot be read: {error}"
    else:
        if report.get("fingerprint") != fingerprint:
            report, problem = {}, f"{path} is the report of another model ({report.get('fingerprint')!r:.40})"
        else:
            failed = "; ".join(str(reason) for reason in report.get("failed", ()))
            problem = "" if report["passed"] else f"the gate failed: {failed or 'no reason given'}"
    if problem and not force:
        raise RegistryError(f"not promoted, as {problem}; --force promotes all the same")
    return report


def _safe(field: str, value: object) -> str:
    if not isinstance(value, str) or not _SAFE.fullmatch(value):
        raise CheckpointError(f"{field} is {value!r:.80}; wanted up to 100 letters, digits, '_', '.', '+' and '-'")
    return value


def _bytes(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _now_utc() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
