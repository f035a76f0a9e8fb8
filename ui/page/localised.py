"""Components whose texts follow the chosen interface language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr
from gradio.blocks import Block

from ui.page.wording import FALLBACK, Wording, wording

SPOKEN = """() => {
    let chosen = window.cacaraInterface;
    try { chosen ||= localStorage.getItem("cacara-interface"); } catch { /* storage is blocked */ }
    return [chosen || navigator.language];
}"""
"""Gives a handler the visitor's language, also before the page has taken it over: what was chosen here, else the
browser's. To be used with ``preprocess=False``, as that need not be one of the choices."""

REMEMBER = """(code) => {
    window.cacaraInterface = code;
    try { localStorage.setItem("cacara-interface", code); } catch { /* storage is blocked */ }
    return [code];
}"""
"""Keeps the language that a visitor chose; ``SPOKEN`` gives it back."""

Words = str | Callable[[Wording], Any]
Part = TypeVar("Part", bound=Block)


class Localised:
    """The components of one app that have texts, and the texts' keys; filled while the app is built."""

    def __init__(self) -> None:
        self._texts: list[tuple[Block, dict[str, Words]]] = []

    def make(self, kind: Callable[..., Part], texts: dict[str, Words], **properties: Any) -> Part:  # noqa: ANN401
        """Make a component inside the current Gradio context; its texts follow the interface language.

        Args:
            kind: A component's class, such as ``gr.Button``.
            texts: Name of a property to a key of the table, or to a function of the wording.
            properties: The component's other properties.
        """
        part = kind(**_spoken(texts, wording(FALLBACK)), **properties)
        self._texts.append((part, texts))
        return part

    @property
    def components(self) -> list[Block]:
        """Return the components in the order of ``updates``."""
        return [component for component, _ in self._texts]

    def updates(self, code: str) -> list[dict[str, Any]]:
        """Return what changes in each component when the interface language becomes ``code``."""
        words = wording(code)
        return [gr.update(**_spoken(texts, words)) for _, texts in self._texts]


def _spoken(texts: dict[str, Words], words: Wording) -> dict[str, Any]:
    return {name: words(text) if isinstance(text, str) else text(words) for name, text in texts.items()}
