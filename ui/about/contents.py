"""Contents of the About tab: plain values, read from the files and packages that are there."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import importlib.util
import platform
import re
from email.message import Message
from pathlib import Path
from typing import cast

from cacara import sources
from cacara.model import checkpoint

REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"
_LICENCE_CLASSIFIER = "License :: OSI Approved :: "
_MOST_CHARACTERS = 60


@dataclasses.dataclass(frozen=True)
class Package:
    """An installed Python package.

    Attributes:
        name: Its name.
        version: Its version.
        licence: Its licence, as it says itself; empty when it does not.
    """

    name: str
    version: str
    licence: str


def cards() -> dict[str, str]:
    """Return the card of each bundled model, as Markdown without its front matter."""
    found = {name: folder / "README.md" for name, folder in sorted(checkpoint.bundled().items())}
    return {name: _body(path.read_text(encoding="utf-8")) for name, path in found.items() if path.is_file()}


@functools.cache
def packages() -> tuple[Package, ...]:
    """Return Python and the packages that ``requirements.txt`` names, those that are installed, by name."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines() if REQUIREMENTS.is_file() else []
    names = sorted({match[0] for line in lines if (match := re.match(r"[A-Za-z0-9][\w.-]*", line))}, key=str.lower)
    found = [Package("Python", platform.python_version(), "PSF-2.0")]
    for name in names:
        try:
            metadata = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:  # an optional one
            continue
        found.append(Package(name, metadata["Version"], _licence(cast(Message, metadata))))
    return tuple(found)


def fetched() -> tuple[sources.Source, ...]:
    """Return everything of others that is fetched: weights, sounds, pictures, texts and fonts."""
    return tuple(sources.SOURCES[key] for key in sorted(sources.SOURCES))


def can_forget() -> bool:
    """Return whether there is a command that deletes a person's feedback."""
    return importlib.util.find_spec("feedback_db.__main__") is not None


def _body(card: str) -> str:
    if card.startswith("---\n"):
        _, _, card = card[4:].partition("\n---\n")
    return card.strip()


def _licence(metadata: Message) -> str:
    stated = metadata.get("License-Expression") or ""
    if not stated:
        classifiers = metadata.get_all("Classifier") or []
        named = [text.removeprefix(_LICENCE_CLASSIFIER) for text in classifiers if text.startswith(_LICENCE_CLASSIFIER)]
        stated = ", ".join(named) or metadata.get("License") or ""
    first = stated.strip().split("\n")[0]  # some put the whole text there
    return first if len(first) <= _MOST_CHARACTERS else f"{first[:_MOST_CHARACTERS]}…"
