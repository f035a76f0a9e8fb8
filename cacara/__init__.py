"""CACARA: texts of any language, sounds and pictures in one space.

    import cacara

    model = cacara.load("cacara")
    texts = model.encode_text(["der Hund bellt", "mbwa"], ["de", "sw"])

The names below are imported when they are first used, so that ``import cacara`` itself takes no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cacara.galleries.gallery import Gallery
    from cacara.model.checkpoint import load
    from cacara.model.model import Cacara
    from cacara.search.retriever import Hit, Retriever

__all__ = ["Cacara", "Gallery", "Hit", "Retriever", "load"]

_HOMES = {
    "Cacara": "cacara.model.model",
    "Gallery": "cacara.galleries.gallery",
    "Hit": "cacara.search.retriever",
    "Retriever": "cacara.search.retriever",
    "load": "cacara.model.checkpoint",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a public name from its module (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'cacara' has no attribute {name!r}; wanted one of {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
