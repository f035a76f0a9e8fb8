"""The Languages tab: what may be asked in, and what to expect of each language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from cacara.languages import coverage
from cacara.lexicon import table as lexicon_table
from ui.languages import rendering as languages_rendering
from ui.page import rendering
from ui.page.localised import Localised
from ui.server.bind import bind
from ui.services.services import Services

SCRIPT = Path(__file__).with_name("languages.js")
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}


def show_languages(services: Services) -> str:
    """Return the table of languages, as HTML."""
    return languages_rendering.table(coverage.load(), services.words, lexicon_table.count_words())


def build(services: Services, localised: Localised) -> None:
    """Build the tab inside the current ``gr.Tabs``; the table is sent when somebody opens it.

    Args:
        services: The app's services.
        localised: Takes every component that has a text.
    """
    with localised.make(gr.Tab, {"label": "languages"}, elem_id="languages-tab") as tab:
        view = gr.HTML(elem_id="languages", js_on_load=SCRIPT.read_text(encoding="utf-8"))
    shown: dict[str, Any] = {"outputs": view, **QUIET}
    show = bind(show_languages, services, show=rendering.problem)
    tab.select(show, **shown)
    localised.when_chosen(show, **shown)
