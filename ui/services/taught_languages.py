"""The languages that were taught here: a file each beside the promoted models, which running models read at once.

The bundled models' folders and the registry's versions are never changed. What was taught lies in ``acquirers`` of the
models folder, a folder a model's name; a file fits the models whose tower it was made for, and says so itself.
"""

from __future__ import annotations

import dataclasses
import logging
import re
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from cacara import languages
from cacara.errors import CacaraError, QueryError

if TYPE_CHECKING:
    from cacara.model.model import Cacara
    from cacara.model.parts.acquirer_files import AcquirerFile
    from cacara.model.parts.acquirers import Acquirers
    from cacara.search.retriever import Retriever

FOLDER, SUFFIX = "acquirers", ".safetensors"
"""As in ``cacara.model.parts.acquirer_files``, whose import brings torch: the page is to be there before that."""

logger = logging.getLogger(__name__)

Stamp = tuple[int, int]
"""A file's time in nanoseconds and its size."""


@dataclasses.dataclass
class _Known:
    """State of one model: the stamp of each file, and the acquirers that a taught language replaces."""

    stamps: dict[Path, Stamp] = dataclasses.field(default_factory=dict)
    added: dict[Path, str] = dataclasses.field(default_factory=dict)
    before: dict[str, AcquirerFile] = dataclasses.field(default_factory=dict)


class TaughtLanguages:
    """The taught languages of one models folder; safe for many threads."""

    def __init__(self, models: Path) -> None:
        """Name the folder of the models; nothing is read or made yet."""
        self.folder = models.absolute() / FOLDER
        self._lock = threading.Lock()
        self._known: weakref.WeakKeyDictionary[Cacara, _Known] = weakref.WeakKeyDictionary()

    def folder_of(self, model: str) -> Path:
        """Return where languages that a model is taught are put; the training makes it.

        Args:
            model: The model's name.
        """
        return self.folder / (re.sub(r"[^A-Za-z0-9_.-]", "-", model).strip(".")[:100] or "model")

    def of(self, model: str) -> dict[str, Path]:
        """Return the languages that a model was taught: code to file, by code."""
        return {path.stem: path for path in sorted(self.folder_of(model).glob(f"*{SUFFIX}"))}

    def forget(self, model: str, code: str) -> None:
        """Take a taught language away again; models that run follow with ``refresh``.

        Raises:
            QueryError: The model was not taught it.
        """
        found = self.of(model)
        if code not in found:
            raise QueryError(f"{model} was not taught {code!r:.60}; wanted one of {', '.join(found) or 'none'}")
        found[code].unlink(missing_ok=True)

    def refresh(self, retriever: Retriever) -> None:
        """Let a running model read what is there now: new languages, changed ones, and none that was taken away."""
        model = retriever.model
        if model.config.acquirers is None:
            return
        with self._lock:
            known = self._known.setdefault(model, _Known())
            there = {path: _stamp(path) for path in sorted(self.folder.glob(f"*/*{SUFFIX}"))}
            for path in [each for each in known.stamps if each not in there]:
                del known.stamps[path]
                if (code := known.added.pop(path, None)) is not None:
                    self._take_away(model, known, code)
            for path, stamp in there.items():
                if stamp is not None and known.stamps.get(path) != stamp:
                    known.stamps[path] = stamp
                    self._add(model, known, path)

    def _add(self, model: Cacara, known: _Known, path: Path) -> None:
        from cacara.model.parts.acquirer_files import AcquirerFile, read

        acquirers = _acquirers(model)
        try:
            content = read(path)
            if content.space != acquirers.space:
                return  # of another model in the same folder
            if path.stem != content.language:
                logger.error("%s holds %s; it is not read", path.name, content.language)
                return
            if content.language in acquirers.languages and path not in known.added:
                tensors = {name: value.clone() for name, value in acquirers.tensors(content.language).items()}
                known.before[content.language] = AcquirerFile(content.language, content.space, 0, tensors)
            known.added[path] = acquirers.add(content)
            logger.info("%s reads %s now", model.name, languages.describe(content.language).english_name)
        except CacaraError as error:
            logger.error("%s is not read: %s", path.name, error)

    def _take_away(self, model: Cacara, known: _Known, code: str) -> None:
        if (before := known.before.pop(code, None)) is not None:
            _acquirers(model).add(before)
        else:
            _acquirers(model).remove(code)


def _acquirers(model: Cacara) -> Acquirers:
    from cacara.model.parts.acquirers import Acquirers

    acquirers = model.part(Acquirers)
    assert acquirers is not None
    return acquirers


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
