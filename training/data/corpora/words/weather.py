"""Weather in GNOME's library: ``LOCALE/LC_MESSAGES/libgweather-4.0.mo``, gettext."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator
from pathlib import Path

from cacara.errors import SourceError
from training.data.corpora.words.entries import Entry, language_of, plain

SOURCE = "gweather"
_NO_WEATHER = re.compile(
    r"[%<>{}:()“”…\d]|\b(?:unit|failed|unknown|default|time|updat\w*|loading|invalid|location|format|weather|data)\b",
    re.IGNORECASE,
)


def read(folder: Path) -> Iterator[Entry]:
    """Yield the names of weather.

    Raises:
        SourceError: The folder holds no such file, or one is damaged.
    """
    paths = sorted(folder.rglob("LC_MESSAGES/libgweather-4.0.mo"))
    if not paths:
        raise SourceError(f"{folder} holds no libgweather-4.0.mo; wanted the package libgweather-4-common")
    for path in paths:
        language = language_of(path.parent.parent.name)
        if language is None:
            continue
        try:
            with path.open("rb") as file:
                catalogue = vars(gettext.GNUTranslations(file))["_catalog"]
        except (OSError, ValueError, UnicodeDecodeError, KeyError) as error:
            raise SourceError(f"{path} cannot be read: {error}") from error
        for message, value in catalogue.items():
            if not isinstance(message, str) or not isinstance(value, str) or len(message.split()) > 4:
                continue
            english = message.rpartition("\x04")[2]
            if english and not _NO_WEATHER.search(english) and (text := plain(value)):
                yield Entry(english, language, text, SOURCE)
