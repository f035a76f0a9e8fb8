"""The Map tab: texts of many languages, sounds and pictures in one plane, to look for what lies together."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from ui.map import actions, campaigns, handlers, rendering
from ui.page import rendering as common
from ui.page.localised import Localised
from ui.server.bind import bind, bind_message
from ui.services.services import Services

FOLDER = Path(__file__).parent
CALLED = (
    handlers.map_open,
    handlers.map_progress,
    handlers.map_stop,
    handlers.map_point,
    handlers.map_place,
    handlers.map_select,
    handlers.map_export,
    handlers.map_flag,
    handlers.map_undo,
    *campaigns.CALLED,
)
"""Functions that the page's script may call."""

# State of the page that Gradio's components lack: the drawn map, the answering model.
WITH_KEY = """(recording, key, model, ...rest) =>
    [recording, document.querySelector('#map .map')?.dataset.key || '', window.cacaraModel || '', ...rest]"""
HEARD = """
watch("value", () => document.querySelector("#map .map")?.dispatchEvent(
  new CustomEvent("heard", { detail: element.querySelector(".map-heard-value")?.innerHTML ?? element.innerHTML })));
"""


def build(services: Services, localised: Localised) -> None:
    """Build the tab inside the current ``gr.Tabs``; the map is asked for when somebody opens it.

    Args:
        services: The app's services.
        localised: Takes every component that has a text.
    """
    with localised.make(gr.Tab, {"label": "map"}, elem_id="map-tab"):
        localised.make(gr.HTML, {"value": rendering.question}, elem_id="map-question")
        with gr.Row(elem_id="map-listen"):
            sound = localised.make(
                gr.Audio,
                {"label": "map_listen"},
                sources=["microphone", "upload"],
                type="filepath",
                editable=False,
                buttons=[],
                elem_id="map-sound",
            )
        localised.make(
            gr.HTML,
            {"value": rendering.shell},
            elem_id="map",
            js_on_load="".join(_script(name) for name in ("drawing.js", "map.js", "campaigns.js")),
            server_functions=[bind_message(each, services) for each in CALLED],
        )
        key = gr.Textbox(visible=False)
        model = gr.Textbox("", visible=False)
        heard = gr.HTML(elem_id="map-heard", js_on_load=HEARD)
        gr.api(
            bind(actions.map_neighbours, services),
            api_name="map_neighbours",
            concurrency_limit=2,
            concurrency_id="model",
        )
    gr.on(
        [sound.stop_recording, sound.upload],
        bind(handlers.place_recording, services, show=common.problem),
        [sound, key, model],
        heard,
        js=WITH_KEY,
        api_visibility="private",
        concurrency_limit=2,
        concurrency_id="model",
    )


def _script(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
