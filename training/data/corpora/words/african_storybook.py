"""African Storybook's stories, page by page.

``CODE/NNNN_title.md``: the same number is the same story in every language. A page follows a line ``##``; the last one
states licence and authors. Only stories under CC BY are read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from cacara.errors import SourceError
from training.data.corpora.words.entries import Entry, language_of, text_of

SOURCE = "african-storybook"
_LICENCE = re.compile(r"^\* License: \[?CC[ -]BY\]?\s*$", re.MULTILINE)
_NAME = re.compile(r"(?P<number>\d{4})_.+\.md")
# Folders that are named otherwise than by a code of the language.
_FOLDERS = {"tw-akua": "tw", "tw-asan": "tw", "ha-ne": "ha", "lgg-official": "lgg", "luc": "luc"}


def read(folder: Path) -> Iterator[Entry]:
    """Yield the pages of stories that have as many pages in English.

    Raises:
        SourceError: The folder holds no English story, or one cannot be read.
    """
    english = {number: pages for number, pages in _stories(folder / "en")}
    if not english:
        raise SourceError(f"{folder} holds no English story; wanted the repository asp-source")
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        language = language_of(_FOLDERS.get(inner.name, inner.name))
        if language is None:
            continue
        for number, pages in _stories(inner):
            if len(pages) == len(english.get(number, ())):
                for source, text in zip(english[number], pages, strict=True):
                    if source and text:
                        yield Entry(source, language, text, SOURCE)


def _stories(folder: Path) -> Iterator[tuple[str, list[str]]]:
    for path in sorted(folder.glob("*.md")):
        if not (match := _NAME.fullmatch(path.name)):
            continue
        content = unicodedata.normalize("NFC", text_of(path))
        title, *pages = re.split(r"^##\s*$", content, flags=re.MULTILINE)
        if pages and _LICENCE.search(pages[-1]):
            yield match["number"], [" ".join(page.split()) for page in (title.lstrip("# \ufeff"), *pages[:-1])]
