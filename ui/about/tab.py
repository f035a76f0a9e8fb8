"""The About tab, made when somebody opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from ui.about import contents, rendering
from ui.page import rendering as page
from ui.page.localised import SPOKEN, Localised
from ui.page.wording import wording
from ui.server.bind import bind
from ui.services.services import Services

SCRIPT = Path(__file__).with_name("about.js")
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}


def show_about(services: Services, interface: str) -> str:
    """Return the tab's content, as HTML."""
    return rendering.page(
        contents.cards(), contents.packages(), contents.fetched(), contents.can_forget(), wording(interface)
    )


def build(services: Services, localised: Localised, interface: gr.Dropdown) -> None:
    """Build the tab inside the current ``gr.Tabs``.

    Args:
        services: What the handlers work with.
        localised: Takes every component that has a text.
        interface: Holds the code of the interface language.
    """
    with localised.make(gr.Tab, {"label": "about"}, elem_id="about-tab") as tab:
        view = gr.HTML(elem_id="about", js_on_load=SCRIPT.read_text(encoding="utf-8"))
    shown: dict[str, Any] = {"inputs": interface, "outputs": view, **QUIET}
    show = bind(show_about, services, show=page.problem)
    tab.select(show, js=SPOKEN, preprocess=False, **shown)
    interface.input(show, **shown)
