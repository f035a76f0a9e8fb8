"""A search in one call, for tests of what is found."""

from __future__ import annotations

from typing import Any

from cacara.search.request import SearchRequest
from cacara.search.retriever import Hit, Retriever


def search(retriever: Retriever, text: str | None = None, target: str = "audio", **request: Any) -> tuple[Hit, ...]:
    """Return the hits of a text, or of another query of a ``SearchRequest``, in one target."""
    return retriever.nearest(retriever.embed(SearchRequest(text=text, targets=(target,), **request)), target)
