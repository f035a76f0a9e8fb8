"""The Annotate tab: questions one at a time, answered by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from ui.annotate import actions, handlers, rendering
from ui.page.localised import Localised
from ui.server.bind import bind, bind_message
from ui.services.services import Services

FOLDER = Path(__file__).parent
TAB = "annotate"
"""The tab's id: a link with ``?campaign=`` opens it."""
CALLED = (
    handlers.annotate_open,
    handlers.annotate_register,
    handlers.annotate_examples,
    handlers.annotate_next,
    handlers.annotate_again,
    handlers.annotate_judge,
    handlers.annotate_prefer,
    actions.annotation_skip,
    handlers.annotate_undo,
    handlers.annotate_recent,
    handlers.annotate_mine,
    handlers.annotate_forget,
)
"""Functions that the page's script may call."""

PUBLISHED = (
    actions.annotator_register,
    actions.annotation_next,
    actions.annotation_again,
    actions.annotation_judge,
    actions.annotation_prefer,
    actions.annotation_skip,
    actions.annotation_undo,
)
"""Functions that programs may call, by these names."""

TAKE_TOKEN = """(known) => {
  try { return [localStorage.getItem("cacara-annotate-token") || ""]; } catch { return [""]; }
}"""
KEEP_TOKEN = """(known) => {
  if (known && known.token) {
    try { localStorage.setItem("cacara-annotate-token", known.token); } catch { /* storage is blocked */ }
    window.cacaraAnnotateToken = known.token;
    document.dispatchEvent(new CustomEvent("cacara-signed-in"));
  }
}"""


def build(services: Services, localised: Localised) -> None:
    """Build the tab inside the current ``gr.Tabs``; it asks for its content when somebody opens it.

    Args:
        services: The app's services.
        localised: Takes every component that has a text.
    """
    with localised.make(gr.Tab, {"label": "annotate"}, id=TAB, elem_id="annotate-tab"):
        localised.make(
            gr.HTML,
            {"value": rendering.shell},
            elem_id="annotate",
            js_on_load=(FOLDER / "annotate.js").read_text(encoding="utf-8"),
            server_functions=[bind_message(each, services) for each in CALLED],
        )
        if services.access.login:
            _login(services)
        for each in PUBLISHED:
            gr.api(bind(each, services), api_name=each.__name__)


def _login(services: Services) -> None:
    """Add the button with which visitors of a Space sign in with their account, and take over who they are."""
    gr.LoginButton(elem_id="annotate-login")
    known = gr.JSON(visible=False)

    def sign_in(token: dict[str, str] | str | None, profile: gr.OAuthProfile | None) -> dict[str, str] | None:
        return actions.log_in(services, profile.username if profile else None, str(token or ""))

    sign_in.__annotations__ = {"token": str, "profile": gr.OAuthProfile | None}
    held = gr.Textbox(visible=False)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    context = gr.context.Context.root_block
    assert context is not None
    context.load(sign_in, held, known, js=TAKE_TOKEN, **quiet).then(None, known, None, js=KEEP_TOKEN, **quiet)
