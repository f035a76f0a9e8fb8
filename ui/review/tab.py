"""The Review tab: campaigns, what people say, where they differ, and what comes out."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from ui.page.localised import Localised
from ui.review import actions, handlers, rendering
from ui.server.bind import bind, bind_message
from ui.services.services import Services

FOLDER = Path(__file__).parent
PUBLISHED = (
    actions.review_save_campaign,
    actions.review_add_queries,
    actions.review_add_checks,
    actions.review_adjudicate,
    actions.review_agreement,
    actions.review_disagreements,
)
"""Functions that programs may call, by these names."""


def build(services: Services, localised: Localised) -> None:
    """Build the tab inside the current ``gr.Tabs``; it asks for its content when somebody opens it.

    Args:
        services: The app's services.
        localised: Takes every component that has a text.
    """
    with localised.make(gr.Tab, {"label": "review"}, elem_id="review-tab"):
        localised.make(
            gr.HTML,
            {"value": rendering.shell},
            elem_id="review",
            js_on_load=(FOLDER / "review.js").read_text(encoding="utf-8"),
            server_functions=[bind_message(each, services) for each in handlers.CALLED],
        )
        for each in PUBLISHED:
            gr.api(bind(each, services), api_name=each.__name__)
