"""The Recordings tab: open an hour of tape, find passages by a query in any language, export them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from ui.page import rendering as page
from ui.page.localised import Localised
from ui.recordings import rendering
from ui.recordings.actions import cancel, find_in_file, find_sound, find_text, forget, listen, progress
from ui.search.actions import DETECT, TOP_K
from ui.search.tab import FEW_AT_ONCE, language_choices
from ui.server.bind import bind, bind_message
from ui.services.recordings import MAX_BYTES
from ui.services.services import Services

SCRIPTS = Path(__file__).parent
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}

# The recording that this visitor opened stands on the page; the id is the last of the inputs.
WITH_RECORDING = """(...given) => {
    given[given.length - 1] = document.querySelector("#recordings-source [data-recording]")?.dataset.recording
        || document.querySelector("#recordings-source")?.dataset.recording || "";
    return given;
}"""


def show_text(services: Services, query: str, language: str, recording: str) -> str:
    """Return the passages found for a text, as HTML."""
    return rendering.found(find_text(services, recording, query, language, TOP_K), services.words)


def show_sound(services: Services, sound: str | None, recording: str) -> str:
    """Return the passages found for a sound, as HTML."""
    return rendering.found(find_sound(services, recording, sound, TOP_K), services.words)


def language_update(services: Services) -> dict[str, Any]:
    """Return the languages that may be asked in, as soon as a model is there."""
    return {"choices": language_choices(services, services.words)}


def build(services: Services, localised: Localised) -> None:
    """Build the tab inside the current ``gr.Tabs``.

    Args:
        services: The app's services.
        localised: Takes every component that has a text.
    """
    with localised.make(gr.Tab, {"label": "recordings"}, elem_id="recordings-tab") as tab:
        localised.make(
            gr.HTML,
            {"value": lambda words: rendering.source(services.recordings.local_files(), MAX_BYTES >> 20, words)},
            elem_id="recordings-source",
            js_on_load=_script("source.js"),
            server_functions=[bind_message(each, services) for each in (listen, progress, cancel, forget)],
        )
        with gr.Row(elem_id="recordings-ask"):
            query = localised.make(
                gr.Textbox,
                {"label": "recordings_query", "placeholder": "query_placeholder"},
                lines=1,
                max_lines=2,
                elem_id="recordings-query",
                scale=4,
                min_width=240,
            )
            language = localised.make(
                gr.Dropdown,
                {"label": "language", "choices": lambda words: language_choices(services, words)},
                value=DETECT,
                elem_id="recordings-language",
                scale=2,
                min_width=180,
            )
            search = localised.make(
                gr.Button, {"value": "recordings_find"}, variant="primary", elem_id="recordings-find", min_width=120
            )
        with localised.make(gr.Accordion, {"label": "recordings_by_sound"}, open=False, elem_id="recordings-by-sound"):
            sound = localised.make(
                gr.Audio,
                {"label": "recordings_sound"},
                sources=["microphone", "upload"],
                type="filepath",
                editable=False,
                buttons=[],
                elem_id="recordings-sound",
            )
            search_sound = localised.make(gr.Button, {"value": "search_sound"}, elem_id="recordings-find-sound")
        results = gr.HTML(elem_id="recordings-found", js_on_load=_script("passages.js"))
        recording = gr.Textbox(visible=False, elem_id="recordings-id")
        _publish(services)
    shown: dict[str, Any] = {"outputs": results, "js": WITH_RECORDING, "api_visibility": "private", **FEW_AT_ONCE}
    by_text = bind(show_text, services, show=page.problem)
    gr.on([query.submit, search.click], by_text, [query, language, recording], **shown)
    by_sound = bind(show_sound, services, show=page.problem)
    search_sound.click(by_sound, [sound, recording], **shown)
    known = bind(language_update, services, present=lambda found: gr.update(**found))
    tab.select(known, None, language, **QUIET)


def _publish(services: Services) -> None:
    """Publish the named endpoint: an uploaded file and a text in, passages out."""
    # Through components, not gr.api: gr.File takes only files that were uploaded here, never a path.
    with gr.Group(visible=False):
        file = gr.File(type="filepath", label="file")
        query = gr.Textbox(label="query")
        language = gr.Textbox(DETECT, label="language")
        top_k = gr.Number(TOP_K, precision=0, label="top_k")
        model = gr.Textbox("", label="model")
        gr.Button().click(
            bind(find_in_file, services),
            [file, query, language, top_k, model],
            gr.JSON(label="found"),
            api_name="find_in_recording",
            **FEW_AT_ONCE,
        )


def _script(name: str) -> str:
    return (SCRIPTS / name).read_text(encoding="utf-8")
