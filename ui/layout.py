"""The app put together: heading, preparation, every tab, and the routes of all; the one module that knows the tabs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from starlette.routing import Route

from ui.about import tab as about_tab
from ui.annotate import tab as annotate_tab
from ui.annotate.routes import annotate_routes
from ui.compare import tab as compare_tab
from ui.improve import tab as improve_tab
from ui.languages import tab as languages_tab
from ui.map import tab as map_tab
from ui.map.routes import plotly_route
from ui.model_selector import selector as model_selector
from ui.page import rendering
from ui.page.fonts.routes import font_routes
from ui.page.localised import Localised
from ui.page.templates import render
from ui.recordings import tab as recordings_tab
from ui.recordings.routes import recording_routes
from ui.review import tab as review_tab
from ui.review.routes import review_routes
from ui.search import endpoints
from ui.search import tab as search_tab
from ui.server.bind import bind
from ui.server.media import media_routes
from ui.services.services import Services
from ui.teach import tab as teach_tab

FOLDER = Path(__file__).parent / "page"
STYLES = [FOLDER / "style.css", *sorted(set(FOLDER.parent.glob("*/style.css")) - {FOLDER / "style.css"})]
"""The page's style, then what a tab adds in its own folder."""
ICON = FOLDER / "icon.svg"
POLLING_SECONDS = 1.0
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}


class Preparation(NamedTuple):
    """Progress of the preparation, as the page shows it."""

    panel: str
    ended: bool
    failed: bool
    languages: list[tuple[str, str]]
    sees: bool
    licences: list[tuple[str, str]]


def preparation(services: Services) -> Preparation:
    """Return how far the preparation is."""
    words = services.words
    status = services.engine.status
    notice = services.engine.notice if status.phase == "ready" else ""
    return Preparation(
        render("page/preparation.html", words, status=status) + rendering.banner(notice),
        status.phase in ("ready", "failed"),
        status.phase == "failed",
        search_tab.language_choices(services, words),
        services.engine.sees,
        search_tab.licence_choices(services, words),
    )


def prepare_again(services: Services) -> Preparation:
    """Start the preparation anew after a failure, and return how far it is."""
    services.engine.start()
    return preparation(services)


def feedback_notice(services: Services) -> str:
    """Return why feedback is switched off, as HTML, or nothing when it is on."""
    problem = services.feedback.problem()
    return rendering.banner(services.words("flags_off", reason=problem)) if problem else ""


def routes(services: Services) -> list[Route]:
    """Return what the server answers before Gradio does: media of the gallery, and what tabs send and fetch."""
    of_tabs = [*recording_routes(services), *annotate_routes(services), *review_routes(services)]
    return [*media_routes(services), plotly_route(), *of_tabs, *font_routes()]


def create_app(services: Services) -> gr.Blocks:
    """Return the app; it starts nothing and reads nothing until somebody opens it.

    Args:
        services: The app's services.
    """
    localised = Localised()
    with gr.Blocks(title="CACARA Studio", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)) as app:
        with gr.Row(elem_id="top"):
            localised.make(
                gr.HTML, {"value": rendering.heading}, elem_id="heading", scale=4, js_on_load=_script("heading.js")
            )
            localised.make_menu()
            model, answering = model_selector.build(services, localised)
        model_selector.connect(services, model, answering)
        notice = gr.HTML(elem_id="notice")
        panel = gr.HTML(elem_id="preparation")
        retry = localised.make(gr.Button, {"value": "retry"}, visible=False, elem_id="retry")
        with gr.Tabs(elem_id="tabs") as tabs:
            with localised.make(gr.Tab, {"label": "search"}):
                language, by_picture, licence = search_tab.build(services, localised, answering)
            map_tab.build(services, localised)
            compare_tab.build(services, localised, answering)
            recordings_tab.build(services, localised)
            annotate_tab.build(services, localised)
            review_tab.build(services, localised)
            if services.trainings is not None:
                teach_tab.build(services, localised, language)
                improve_tab.build(services, localised)
            languages_tab.build(services, localised)
            about_tab.build(services, localised)
        endpoints.publish(services)
        timer = gr.Timer(POLLING_SECONDS)
        updated = [panel, timer, retry, language, by_picture, licence]
        shown: dict[str, Any] = {"outputs": updated, **QUIET}
        timer.tick(bind(preparation, services, present=_preparation_updates), **shown)
        panel.change(js=search_tab.ASK_WHEN_READY, queue=False, api_visibility="private")
        retry.click(bind(prepare_again, services, present=_preparation_updates), **shown)
        # A tab's own script runs when the tab is first seen, so a link to a campaign is followed here.
        app.load(_linked_tab, None, tabs, **QUIET)

        # The page is shown in the visitor's language from the start, and in another when it is chosen.
        def speak(services: Services) -> list[Any]:
            return localised.updates(services.words)

        spoken = {"fn": bind(speak, services), "inputs": None, "outputs": localised.components, **QUIET}
        off = {"fn": bind(feedback_notice, services), "inputs": None, "outputs": notice, **QUIET}
        arrived = app.load(**spoken)
        arrived.then(bind(preparation, services, present=_preparation_updates), **shown)
        arrived.then(**off)
        localised.when_chosen(**spoken).then(**off)
    return app


def _linked_tab(request: gr.Request) -> dict[str, Any]:
    return gr.update(selected=annotate_tab.TAB) if "campaign" in request.query_params else gr.skip()


def _script(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _preparation_updates(now: Preparation) -> list[Any]:
    return [
        now.panel,
        gr.Timer(active=not now.ended),
        gr.update(visible=now.failed),
        gr.update(choices=now.languages),
        gr.update(visible=now.sees),
        gr.update(choices=now.licences),
    ]
