"""Debian's machine-readable ``copyright`` files: who made a file of a package, and under which licence.

The format is that of https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/. Its paths are those of the
source package, of which an installed file keeps only the end, so a pattern may begin with folders that are gone.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from cacara.errors import SourceError
from training.data.corpora.credits import Credit

MAX_AUTHORS = 3


@dataclasses.dataclass(frozen=True)
class Stanza:
    """One ``Files`` paragraph: its patterns, and the credit of the files that they match."""

    patterns: tuple[str, ...]
    credit: Credit

    def matches(self, relative: str) -> bool:
        """Return whether a path below the sounds' root is meant."""
        return any(fnmatch.fnmatchcase(relative, ending) for pattern in self.patterns for ending in _endings(pattern))


def debian(content: Path, sounds: Sequence[str]) -> dict[str, Credit]:
    """Return the credits of a Debian package's ``copyright`` file; the last paragraph that matches decides.

    Raises:
        SourceError: The package has no such file, or it is of another format.
    """
    files = sorted(content.glob("usr/share/doc/*/copyright"))
    text = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in files)
    if "\nFiles:" not in text:
        raise SourceError(f"{content.name} has no machine-readable copyright file in usr/share/doc")
    stanzas = list(_stanzas(text))
    found: dict[str, Credit] = {}
    for stanza in stanzas:
        found |= {sound: stanza.credit for sound in sounds if stanza.matches(sound)}
    return found


def _stanzas(text: str) -> Iterator[Stanza]:
    for paragraph in re.split(r"\n(?:[ \t]*\n)+", text):
        fields = {
            name: value
            for name, value in re.findall(r"^(Files|Copyright|License):((?:.*\n?)(?:[ \t].*\n?)*)", paragraph, re.M)
        }
        if {"Files", "Copyright", "License"} <= fields.keys():
            licence = fields["License"].strip().splitlines()[0].strip()
            yield Stanza(tuple(fields["Files"].split()), Credit(licence, _authors(fields["Copyright"])))


def _authors(text: str) -> str | None:
    """Return the names of a ``Copyright`` field, without years and addresses."""
    plain = re.sub(r'<[^>]*>|\S+@\S+|copyright|\(c\)|"', "", text, flags=re.IGNORECASE)
    lines = (re.sub(r"^[\d\s,–-]+(by )?", "", line).strip(" ,.") for line in plain.splitlines())
    names = list(dict.fromkeys(name for name in lines if name and name != "no-copyright"))
    if len(names) > MAX_AUTHORS:
        names = [*names[:MAX_AUTHORS], "others"]
    return ", ".join(names) or None


def _endings(pattern: str) -> Iterator[str]:
    """Yield a pattern, and what is left of it when its first folders are gone, as long as that names something."""
    yield pattern
    parts = pattern.split("/")
    yield from ("/".join(parts[first:]) for first in range(1, len(parts)) if parts[first].strip("*?"))
