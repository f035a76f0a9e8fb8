"""AudioSet's and COCO's class names, from Frigate's interface: ``audio.json`` and ``objects.json`` of each locale."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from cacara.errors import SourceError
from training.data.corpora.words.entries import Entry, language_of, plain

SOURCE = "frigate-names"
FILES = ("audio", "objects")


def read(folder: Path) -> Iterator[Entry]:
    """Yield the entries; values with ``[``, which a language has where nobody translated them, are left out.

    Raises:
        SourceError: There is no English file, or one is damaged.
    """
    root = folder / "web" / "public" / "locales"
    for name in FILES:
        english = _names(root / "en" / f"{name}.json")
        for path in sorted(root.glob(f"*/{name}.json")):
            language = language_of(path.parent.name)
            if language is None:
                continue
            for key, value in _names(path).items():
                if key in english and "[" not in value and (text := plain(value)):
                    yield Entry(english[key], language, text, SOURCE, "noun")


def _names(path: Path) -> Mapping[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    flat: dict[str, str] = {}
    pending = [("", content)]
    while pending:
        prefix, value = pending.pop()
        if isinstance(value, dict):
            pending += [(f"{prefix}.{key}", inner) for key, inner in value.items()]
        elif isinstance(value, str):
            flat[prefix] = value
    return flat
