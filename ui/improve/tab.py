"""The Improve tab: fine-tuning on feedback, the gate's report, promotion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import gradio as gr

from cacara.errors import CacaraError
from feedback_db.records.opinions import FeedbackError
from ui.improve import actions, rendering
from ui.page import rendering as page
from ui.page.localised import Localised
from ui.server.bind import bind
from ui.services.permissions import is_admin
from ui.services.services import Services

POLLING_SECONDS = 1.5
ACTIONS: dict[str, Callable[[Services, str], dict[str, Any]]] = {
    "start": actions.improve_start,
    "resume": actions.improve_resume,
    "cancel": actions.improve_cancel,
    "promote": actions.improve_promote,
    "rollback": actions.improve_rollback,
}
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


class View(NamedTuple):
    """The contents of the tab.

    Attributes:
        notice: An error, as HTML.
        collected: Counts of the feedback, as HTML.
        needed: Amount of feedback that a training needs, as HTML.
        run: The last fine-tuning, as HTML.
        models: The answering model and earlier promotions, as HTML.
        can: Possible actions of ``start``, ``resume``, ``cancel``, ``promote`` and ``rollback``.
        waiting: Something is in progress: poll again soon.
    """

    notice: str
    collected: str
    needed: str
    run: str
    models: str
    can: frozenset[str]
    waiting: bool


def look(services: Services, token: str, problem: str = "") -> View:
    """Return how things stand.

    Args:
        services: The app's services.
        token: The team lead's, or an empty string.
        problem: An error to show above.
    """
    words = services.words
    try:
        found = actions.improve_status(services, token or "")
    except (CacaraError, FeedbackError) as error:
        return View(page.problem(problem or str(error)), "", "", "", "", frozenset(), False)
    run, models, needed = found["run"], found["models"], found["needed"]
    running = bool(run) and run["state"] == "running"
    changing = models["current"] != models["answers"] and not models["fixed"] and models["phase"] != "failed"
    return View(
        page.problem(problem) if problem else "",
        rendering.collected(found["collected"], words),
        rendering.needed(needed, words),
        rendering.run(run, words),
        rendering.models(models, words),
        _possible(found, is_admin(services, token or "")),
        running or needed["counting"] or changing,
    )


def act(services: Services, what: str, token: str) -> View:
    """Do something, and return how things stand.

    Args:
        services: The app's services.
        what: A key of ``ACTIONS``.
        token: The team lead's, or an empty string.
    """
    try:
        ACTIONS[what](services, token or "")
    except (CacaraError, FeedbackError) as error:
        return look(services, token, str(error))
    return look(services, token)


def show_promoting(services: Services) -> str:
    """Return that a model is being promoted, which takes some seconds."""
    return rendering.promoting(services.words)


def build(services: Services, localised: Localised) -> None:
    """Build the tab inside the current ``gr.Tabs``.

    Args:
        services: The app's services.
        localised: Takes every component that has a text.
    """

    def button(what: str, variant: str = "secondary") -> gr.Button:
        return localised.make(
            gr.Button, {"value": f"improve_{what}"}, variant=variant, visible=False, elem_id=f"improve-{what}"
        )

    with localised.make(gr.Tab, {"label": "improve_tab"}, elem_id="improve-tab") as tab:
        localised.make(gr.HTML, {"value": rendering.intro}, elem_id="improve-intro")
        token = localised.make(
            gr.Textbox,
            {"label": "improve_token"},
            type="password",
            visible=not services.access.open,
            elem_id="improve-token",
        )
        notice = gr.HTML(elem_id="improve-notice")
        with gr.Row(elem_id="improve-feedback"):
            with gr.Column(scale=3, min_width=300):
                collected = gr.HTML(elem_id="improve-collected")
            with gr.Column(scale=2, min_width=280):
                needed = gr.HTML(elem_id="improve-needed")
                with gr.Row(elem_classes="improve-buttons"):
                    start, resume, cancel = button("start", "primary"), button("resume"), button("cancel")
        run = gr.HTML(elem_id="improve-run")
        with gr.Row(elem_classes="improve-buttons"):
            promote = button("promote", "primary")
        models = gr.HTML(elem_id="improve-models")
        with gr.Row(elem_classes="improve-buttons"):
            rollback = button("rollback")
        for published in (actions.improve_status, *ACTIONS.values()):
            gr.api(bind(published, services), api_name=published.__name__)
        states = {what: gr.State(what) for what in ACTIONS}
        timer = gr.Timer(POLLING_SECONDS, active=False)
    buttons = {"start": start, "resume": resume, "cancel": cancel, "promote": promote, "rollback": rollback}
    shown = [notice, collected, needed, run, models, *buttons.values(), timer]
    looking: dict[str, Any] = {"inputs": token, "outputs": shown, "queue": False, **QUIET}
    seen = bind(look, services, present=_shown)
    gr.on([tab.select, timer.tick, token.submit], seen, **looking)
    localised.when_chosen(seen, **looking)
    for what, each in buttons.items():
        pressed = each.click
        if what == "promote":
            pressed = each.click(bind(show_promoting, services), None, notice, queue=False, **QUIET).then
        pressed(bind(act, services, present=_shown), [states[what], token], shown, **QUIET)


def _possible(found: dict[str, Any], admin: bool) -> frozenset[str]:
    run, needed = found["run"] or {}, found["needed"]
    running = run.get("state") == "running"
    possible = {
        "start": needed["ready"] and not running,
        "resume": bool(run.get("resumable")) and not running,
        "cancel": running,
        "promote": bool(run.get("promotable")) and not running,
        "rollback": found["models"]["can_roll_back"] and not running,
    }
    return frozenset(what for what, can in possible.items() if can and admin)


def _shown(now: View) -> list[Any]:
    buttons = [gr.update(visible=what in now.can) for what in ACTIONS]
    return [now.notice, now.collected, now.needed, now.run, now.models, *buttons, gr.Timer(active=now.waiting)]
