"""Queries of links and of the visitor's history: checked, as anybody may have written them."""

from __future__ import annotations

import dataclasses
import json

from cacara.errors import QueryError
from ui.search.answers import DETECT, KINDS, nearest_language
from ui.services.services import Services

MAX_CHARACTERS = 4_000
MAX_QUERY = 2_000


@dataclasses.dataclass(frozen=True)
class LinkedQuery:
    """A query as it was asked before; all of it fit for the fields of the page.

    Attributes:
        query: The text; may be empty.
        language: A language the model knows, or ``auto``.
        kind: One of ``KINDS``.
        licence: One of the gallery's, or empty.
        like: A clip's id, or empty; as it came, the search says whether there is one.
    """

    query: str
    language: str
    kind: str
    licence: str
    like: str


def linked_query(services: Services, asked: str) -> LinkedQuery:
    """Return the query; unknown parts are left out.

    Args:
        services: The app's services.
        asked: A JSON object with ``q``, ``lang``, ``kind``, ``licence`` and ``like``, each a text and none needed.

    Raises:
        QueryError: It is no such object, or too long.
    """
    fields = _fields(asked)
    language = fields.get("lang", "")
    known = services.engine.languages()
    nearest = nearest_language(language, known) if language else DETECT
    kind, licence = fields.get("kind", ""), fields.get("licence", "")
    return LinkedQuery(
        fields.get("q", "")[:MAX_QUERY],
        nearest if nearest in known else DETECT,
        kind if kind in KINDS else "",
        licence if licence in known_licences(services) else "",
        fields.get("like", ""),
    )


def known_licences(services: Services) -> tuple[str, ...]:
    """Return the licences of the gallery; none before it is ready."""
    try:
        return services.retriever().licences
    except QueryError:
        return ()


def _fields(asked: object) -> dict[str, str]:
    if not isinstance(asked, str) or len(asked) > MAX_CHARACTERS:
        raise QueryError(f"the link holds more than {MAX_CHARACTERS:,} characters; wanted a shorter one")
    try:
        fields = json.loads(asked or "{}")
    except (json.JSONDecodeError, RecursionError) as error:
        raise QueryError("the link is damaged; wanted one that was copied here") from error
    if not isinstance(fields, dict):
        raise QueryError("the link is damaged; wanted one that was copied here")
    return {name: value for name, value in fields.items() if isinstance(value, str)}
