"""Strings of others, read where they stand in a fetched source, so that none need be stored here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from cacara import languages
from cacara.errors import LanguageError

_CONTENT_FOLDERS = {
    "tuxpaint": "usr/share/tuxpaint/stamps",
    "cldr": "package/annotations",
    "frigate-names": "web/public/locales",
}


def text_hash(text: str) -> str:
    """Return the first 16 hex digits of the sha256 of ``text``, NFC-normalised, in UTF-8."""
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()[:16]


def content_folder(source: str, folder: Path) -> Path:
    """Return the folder that ``member`` and ``reference`` are relative to.

    A fetched package is unpacked with its outer folders; a system-wide install is found without them.
    """
    inner = folder / _CONTENT_FOLDERS.get(source, ".")
    return inner if inner.is_dir() else folder


def read_stamp_texts(path: Path) -> dict[str, str]:
    """Return a stamp's descriptions by locale as written: English first, then ``locale.utf8=text``; no blank ones.

    Bytes that are no UTF-8 become U+FFFD: one odd letter in a package is no reason to do without all its sounds.
    """
    english, *others = path.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    pairs = (line.partition(".utf8=") for line in others)
    texts = {"en": english, **{locale.strip(): text for locale, separator, text in pairs if separator}}
    return {locale: text.strip() for locale, text in texts.items() if text.strip()}


class TuxPaintTexts:
    """Descriptions of Tux Paint's stamps: ``animals/mammals/dogs/dog.txt#sw``, English is ``#en``.

    A file's first line is English, the others are ``locale.utf8=text``; the locale stays as written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = content_folder("tuxpaint", folder)
        self._files: dict[str, dict[str, str]] = {}

    def __call__(self, reference: str) -> str:
        """Return the text at ``reference``; KeyError or OSError when there is none."""
        member, _, locale = reference.partition("#")
        if member not in self._files:
            self._files[member] = read_stamp_texts(self._folder / member)
        return self._files[member][locale]


class CldrTexts:
    """Emoji names of CLDR: ``sw/1F327`` or ``sw/1F408-200D-2B1B``, language folder and code points."""

    def __init__(self, folder: Path) -> None:
        self._folder = content_folder("cldr", folder)
        self._files: dict[str, dict[str, dict[str, list[str]]]] = {}

    def __call__(self, reference: str) -> str:
        """Return the name at ``reference``; KeyError or OSError when there is none."""
        language, _, code_points = reference.partition("/")
        if language not in self._files:
            content = (self._folder / language / "annotations.json").read_text(encoding="utf-8")
            self._files[language] = json.loads(content)["annotations"]["annotations"]
        character = "".join(chr(int(point, 16)) for point in code_points.split("-"))
        return self._files[language][character]["tts"][0].strip()


class FrigateTexts:
    """Names of sounds and things in Frigate's interface: ``sw/audio.json#bicycle_bell``, locale, file and key."""

    def __init__(self, folder: Path) -> None:
        self._folder = content_folder("frigate-names", folder)
        self._files: dict[str, dict[str, str]] = {}

    def __call__(self, reference: str) -> str:
        """Return the name at ``reference``; KeyError or OSError when there is none."""
        member, _, key = reference.partition("#")
        if member not in self._files:
            self._files[member] = json.loads((self._folder / member).read_text(encoding="utf-8"))
        return self._files[member][key].strip()


@dataclasses.dataclass(frozen=True)
class LineFormat:
    """Line format of a source of texts.

    Attributes:
        cell: Which of the cells between tabs holds it, from 0.
        separator: What stands between several texts in that cell; None when it holds one.
    """

    cell: int = 0
    separator: str | None = None

    def texts(self, line: str) -> list[str]:
        """Return the texts of a line, none when it has too few cells."""
        cells = line.split("\t")
        if len(cells) <= self.cell:
            return []
        parts = cells[self.cell].split(self.separator) if self.separator else [cells[self.cell]]
        return [part.strip() for part in parts]


class LineTexts:
    """Texts in files of lines: ``dict/S/swh.tsv#1204`` or ``gatitos/en_ti.tsv#31/2``, file, line and which of several.

    Lines and texts count from 1.
    """

    def __init__(self, source: str, line_format: LineFormat, folder: Path) -> None:
        """Read ``source`` below the folder that it was fetched to."""
        self._folder = content_folder(source, folder)
        self._format = line_format
        self._files: dict[str, list[str]] = {}

    def __call__(self, reference: str) -> str:
        """Return the text at ``reference``; LookupError, ValueError or OSError when there is none."""
        member, _, place = reference.partition("#")
        line, _, part = place.partition("/")
        texts = self._format.texts(self._lines(member)[int(line) - 1])
        return texts[int(part or 1) - 1]

    def entries(self, member: str) -> Iterator[tuple[str, str]]:
        """Yield (reference, text) of every text in a file; OSError when there is no such file."""
        for number, line in enumerate(self._lines(member), start=1):
            texts = self._format.texts(line)
            for part, text in enumerate(texts, start=1):
                yield f"{member}#{number}" + (f"/{part}" if len(texts) > 1 else ""), text

    def _lines(self, member: str) -> list[str]:
        if member not in self._files:
            content = (self._folder / member).read_text(encoding="utf-8", errors="replace")
            self._files[member] = content.split("\n")
        return self._files[member]


LINE_FORMATS: Mapping[str, LineFormat] = {
    "gatitos": LineFormat(1, ","),
    "omw-wikt": LineFormat(2),
    "panlexia": LineFormat(2),
    "tatoeba": LineFormat(),
}
TextReader = Callable[[str], str]
TEXT_READERS: Mapping[str, Callable[[Path], TextReader]] = {
    "tuxpaint": TuxPaintTexts,
    "cldr": CldrTexts,
    "frigate-names": FrigateTexts,
    **{source: partial(LineTexts, source, line_format) for source, line_format in LINE_FORMATS.items()},
}


def stamp_captions(path: Path) -> dict[str, tuple[str, ...]]:
    """Return a stamp's descriptions by BCP-47 language; locales that are no language are left out."""
    captions: dict[str, tuple[str, ...]] = {}
    for locale, text in read_stamp_texts(path).items():
        try:
            captions.setdefault(languages.normalise(locale), (text,))
        except LanguageError:
            continue
    return captions
