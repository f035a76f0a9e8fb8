"""The About tab, made when somebody opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from ui.about import contents, rendering
from ui.page import rendering as page
from ui.page.localised import Localised
from ui.server.bind import bind
from ui.services.services import Services

SCRIPT = Path(__file__).with_name("about.js")
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}


def show_about(services: Services) -> str:
    """Return the tab's content, as HTML."""
    return rendering.page(
        contents.cards(), contents.packages(), contents.fetched(), contents.can_forget(), services.words
    )


def build(services: Services, localised: Localised) -> None:
    """Build the tab inside the current ``gr.Tabs``.

    Args:
        services: The app's services.
        localised: Takes every component that has a text.
    """
    with localised.make(gr.Tab, {"label": "about"}, elem_id="about-tab") as tab:
        view = gr.HTML(elem_id="about", js_on_load=SCRIPT.read_text(encoding="utf-8"))
    shown: dict[str, Any] = {"outputs": view, **QUIET}
    show = bind(show_about, services, show=page.problem)
    tab.select(show, **shown)
    localised.when_chosen(show, **shown)
