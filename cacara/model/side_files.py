"""Side files: JSON beside a model's weights, which its embeddings do not depend on; read strictly."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from cacara.errors import CheckpointError

FORMAT_VERSION = 1
Value = TypeVar("Value")


def read(path: Path, parse: Callable[[object], Value]) -> Value | None:
    """Return what ``parse`` makes of a file's JSON, or None if there is no file.

    Raises:
        CheckpointError: The file cannot be read or is malformed; the text names it.
    """
    if not path.exists():
        return None
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def checked(content: object, fields: Collection[str]) -> Mapping[str, Any]:
    """Return an object of ``format_version`` and exactly these fields.

    Raises:
        CheckpointError: It is none, or of another version.
    """
    if not isinstance(content, Mapping) or set(content) != {"format_version", *fields}:
        found = sorted(content) if isinstance(content, Mapping) else content
        *most, last = ["format_version", *fields]
        raise CheckpointError(f"found {found!r:.80}; wanted {', '.join(most)} and {last}")
    if content["format_version"] != FORMAT_VERSION:
        raise CheckpointError(f"format_version is {content['format_version']!r}; this program reads {FORMAT_VERSION}")
    return content
