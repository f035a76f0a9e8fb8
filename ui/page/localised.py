"""Components whose texts follow the chosen interface language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr
from gradio.blocks import Block

from ui.page.wording import FALLBACK, LANGUAGE_COOKIE, Wording, available, wording

# In a frame of another site, as a Space is shown, a browser keeps a cookie only with these attributes.
REMEMBER = f"""(code) => {{
    const rules = location.protocol === "https:" ? "SameSite=None; Secure; Partitioned" : "SameSite=Lax";
    document.cookie = `{LANGUAGE_COOKIE}=${{code}}; path=/; max-age=31536000; ${{rules}}`;
}}"""

Words = str | Callable[[Wording], Any]
Part = TypeVar("Part", bound=Block)


class Localised:
    """The components of one app that have texts, and the texts' keys; filled while the app is built.

    Attributes:
        when_chosen: Ties a handler to the choice of another language, as ``click`` of a button does to a click; set by
            ``make_menu``.
    """

    when_chosen: Callable[..., Any]

    def __init__(self) -> None:
        self._texts: list[tuple[Block, dict[str, Words]]] = []

    def make(self, kind: Callable[..., Part], texts: dict[str, Words], **properties: Any) -> Part:  # noqa: ANN401
        """Make a component inside the current Gradio context; its texts follow the interface language.

        Args:
            kind: A component's class, such as ``gr.Button``.
            texts: Name of a property to a key of the table, or to a function of the wording.
            properties: The component's other properties.
        """
        part = kind(**_in_words(texts, wording(FALLBACK)), **properties)
        self._texts.append((part, texts))
        return part

    def make_menu(self) -> None:
        """Make the menu of interface languages; a choice is kept in a cookie, which every later request carries."""
        menu = self.make(
            gr.Dropdown,
            {"label": "interface", "value": lambda words: words.code},
            choices=available(),
            elem_id="interface",
            scale=1,
            min_width=160,
        )
        chosen = menu.input(None, menu, None, js=REMEMBER, queue=False, api_visibility="private")
        self.when_chosen = chosen.then

    @property
    def components(self) -> list[Block]:
        """Return the components in the order of ``updates``."""
        return [component for component, _ in self._texts]

    def updates(self, words: Wording) -> list[dict[str, Any]]:
        """Return what changes in each component when the interface speaks ``words``."""
        return [gr.update(**_in_words(texts, words)) for _, texts in self._texts]


def _in_words(texts: dict[str, Words], words: Wording) -> dict[str, Any]:
    return {name: words(text) if isinstance(text, str) else text(words) for name, text in texts.items()}
