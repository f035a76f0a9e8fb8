"""Names of things on a map, OpenStreetMap's presets: ``dist/translations/CODE.json`` of id-tagging-schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cacara.errors import SourceError
from training.data.corpora.words.entries import Entry, language_of, plain

SOURCE = "osm-presets"


def read(folder: Path) -> Iterator[Entry]:
    """Yield the names of presets.

    Raises:
        SourceError: There is no English file, or one is damaged.
    """
    (root, *_) = [*sorted(folder.rglob("translations")), folder]
    english = _names(root / "en.json")
    for path in sorted(root.glob("*.json")):
        if path.name.endswith(".min.json") or path.name.startswith("index"):
            continue
        language = language_of(path.stem)
        if language is None:
            continue
        for key, value in sorted(_names(path).items()):
            if key in english and (text := plain(value)):
                yield Entry(english[key], language, text, SOURCE, "noun")


def _names(path: Path) -> Mapping[str, str]:
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))[path.stem]
        presets = content.get("presets", {}).get("presets", {})
        return {key: row["name"] for key, row in presets.items() if isinstance(row.get("name"), str)}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
