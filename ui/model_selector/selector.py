"""The model menu in the page's top row: which model answers this visitor."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from ui.page.localised import Localised
from ui.page.templates import render
from ui.page.wording import FALLBACK, wording
from ui.server.bind import bind
from ui.services.services import Services

POLLING_SECONDS = 1.0
DEFAULT = ""
"""Value until a visitor chooses: the model that the app answers with, also after a promotion."""

# Scripts of the tabs know by this which model answers, and are told when it is another one.
TELL = """watch("value", () => {
    const model = element.querySelector("[data-answering]")?.dataset.answering ?? "";
    if (model === (window.cacaraModel ?? "")) return;
    window.cacaraModel = model;
    document.dispatchEvent(new CustomEvent("cacara-model"));
});"""
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}


class Choice(NamedTuple):
    """Choices and state of the selector.

    Attributes:
        choices: (Name, id) of every model, the default first.
        answering: The id that searches are made with; ``DEFAULT`` for whichever is promoted.
        notice: Progress or failure of a chosen model that is not ready, as HTML.
        waiting: Poll again soon.
    """

    choices: list[tuple[str, str]]
    answering: str
    notice: str
    waiting: bool


def choose(services: Services, model: str, answering: str) -> Choice:
    """Choose a model; until it is ready the one before goes on answering. One that has failed is tried again.

    Args:
        services: The app's services.
        model: The id chosen in the menu; ``DEFAULT`` for the promoted one.
        answering: The id that answers until then.
    """
    if model and services.engine.offered():
        services.engine.choose(model)
    return look(services, model, answering)


def look(services: Services, model: str, answering: str) -> Choice:
    """Look how far the chosen model is; one that has failed is not tried again by this.

    Args:
        services: The app's services.
        model: As in ``choose``.
        answering: As in ``choose``.
    """
    names = dict(services.engine.offered())
    chosen, before = model or DEFAULT, answering or DEFAULT
    if not chosen or not names:
        return Choice(choices(services), DEFAULT, "", False)
    status = services.engine.status_of(chosen)
    if status.phase == "waiting":  # it was ready, and made room for others
        status = services.engine.choose(chosen)
    if status.phase == "ready":
        return Choice(choices(services), chosen, "", False)
    old = names.get(before or services.engine.default, "…")
    values = {"status": status, "chosen": names[chosen], "answering": old}
    notice = render("model_selector/notice.html", services.words, **values)
    return Choice(choices(services), before, notice, status.phase != "failed")


def choices(services: Services) -> list[tuple[str, str]]:
    """Return (name, id) of what the menu offers: the app's own choice, by the name of what that is now, then each."""
    offered = services.engine.offered()
    default = dict(offered).get(services.engine.default, "").partition(" · ")[0]  # with its version it is cut off
    title = services.words("models_default", model=default) if default else "…"
    return [(title, DEFAULT), *((name, model_id) for model_id, name in offered)]


def models(services: Services) -> dict[str, Any]:
    """Return the models to choose from.

    Returns:
        ``default``, the id of the model that answers unless another is asked for, and ``models``: ``id``, ``name``
        and ``phase`` (``waiting``, ``preparing``, ``ready`` or ``failed``) of each.
    """
    engine = services.engine
    rows = [{"id": key, "name": name, "phase": engine.status_of(key).phase} for key, name in engine.offered()]
    return {"default": engine.default, "models": rows}


def build(services: Services, localised: Localised) -> tuple[gr.Dropdown, gr.State]:
    """Build the menu inside the current row.

    Args:
        services: The app's services.
        localised: Takes every component that has a text.

    Returns:
        The menu, and what holds the id of the model that answers this visitor: an input of whatever searches.
    """
    menu = localised.make(
        gr.Dropdown,
        {"label": "models_model", "choices": lambda words: choices(services.speaking(words))},
        value=DEFAULT,
        elem_id="model",
        scale=1,
        min_width=160,
    )
    return menu, gr.State(DEFAULT)


def connect(services: Services, menu: gr.Dropdown, answering: gr.State) -> None:
    """Build the notice below the top row, and what happens when a model is chosen.

    Args:
        services: The app's services.
        menu: Of ``build``.
        answering: Of ``build``.
    """
    notice = gr.HTML(elem_id="model-notice", js_on_load=TELL)
    timer = gr.Timer(POLLING_SECONDS, active=False)
    shown = {"inputs": [menu, answering], "outputs": [menu, answering, notice, timer], **QUIET}
    chosen = bind(choose, services, present=_updates)
    # Unchecked, as a model may have been promoted since the choices were made.
    menu.input(chosen, preprocess=False, **shown)
    menu.focus(bind(choices, services, present=_only_choices), None, menu, **QUIET)
    timer.tick(bind(look, services, present=_updates), preprocess=False, **shown)
    gr.api(bind(models, services), api_name="models")


def _updates(now: Choice) -> list[Any]:
    html = render("model_selector/answering.html", wording(FALLBACK), model=now.answering) + now.notice
    return [gr.update(choices=now.choices), now.answering, html, gr.Timer(active=now.waiting)]


def _only_choices(found: list[tuple[str, str]]) -> dict[str, Any]:
    return gr.update(choices=found)
