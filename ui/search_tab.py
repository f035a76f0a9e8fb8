"""The Search tab: ask in any language, by a sound or by a picture; hear and see what matches; say whether it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from cacara import languages
from ui import rendering
from ui.alerts import bind
from ui.judging import flag, undo
from ui.localised import Localised
from ui.picture_input import PictureInput
from ui.searching import DETECT, TOP_K, search_audio, search_image, search_text
from ui.services import Services
from ui.wording import FALLBACK, Wording, wording

EXAMPLES = (
    ("de", "der Hund bellt"),
    ("sw", "mbwa"),
    ("ko", "개"),
    ("ar", "قطة"),
    ("zh", "雷"),
    ("en", "a fire engine"),
    ("ru", "корова"),
    ("ja", "猫が鳴く"),
    ("pt", "um violino"),
    ("hi", "बिल्ली"),
    ("fr", "feux d’artifice"),
    ("he", "כלב נובח"),
)
"""Things people ask for, in many languages and scripts; nothing is promised of their results."""

SCRIPTS = Path(__file__).parent
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "model"}


def show_text(services: Services, query: str, language: str, interface: str) -> str:
    """Return the sounds and pictures found for a text, as HTML."""
    words = wording(interface)
    found = search_text(services, query, language, TOP_K, interface)
    names = {code: name for name, code in language_choices(services, words)}
    return rendering.text_results(found, names, words)


def show_audio(services: Services, recording: str | None, language: str, interface: str) -> str:
    """Return the words, pictures and sounds found for a recording, as HTML."""
    found = search_audio(services, recording, language, TOP_K, interface)
    return rendering.audio_results(found, wording(interface))


def show_image(services: Services, picture: str | None, language: str, interface: str) -> str:
    """Return the sounds and pictures found for a picture, as HTML."""
    found = search_image(services, picture, language, TOP_K, interface)
    return rendering.image_results(found, wording(interface))


def language_choices(services: Services, words: Wording) -> list[tuple[str, str]]:
    """Return (name, code) of what a query's language may be set to: detection first, then by own name."""
    known = [languages.describe(code) for code in services.engine.languages()]
    named = sorted((f"{each.autonym} · {each.english_name}", each.code) for each in known)
    return [(words("detect"), DETECT), *named]


def build(services: Services, localised: Localised, interface: gr.Dropdown) -> tuple[gr.Dropdown, gr.Column]:
    """Build the tab's components and events inside the current ``gr.Tab``.

    Args:
        services: What the handlers work with.
        localised: Takes every component that has a text.
        interface: Holds the code of the interface language.

    Returns:
        The dropdown of the query's language, whose choices depend on the model, and the column that takes a picture,
        which is of use with a model that knows pictures.
    """
    with gr.Row(elem_id="ask"):
        with gr.Column(scale=3, min_width=300, elem_id="by-text"):
            query = localised.make(
                gr.Textbox,
                {"label": "query", "placeholder": "query_placeholder"},
                lines=1,
                max_lines=4,
                elem_id="query",
                autofocus=True,
            )
            with gr.Row(elem_id="how"):
                language = localised.make(
                    gr.Dropdown,
                    {"label": "language", "choices": lambda words: language_choices(services, words)},
                    value=DETECT,
                    elem_id="language",
                    scale=3,
                    min_width=180,
                )
                search = localised.make(
                    gr.Button, {"value": "search"}, variant="primary", elem_id="search", scale=1, min_width=120
                )
            examples = localised.make(
                gr.HTML,
                {"value": lambda words: rendering.examples(EXAMPLES, words)},
                elem_id="examples",
                js_on_load=_script("examples.js"),
            )
        with gr.Column(scale=2, min_width=260, elem_id="by-sound"):
            sound = localised.make(
                gr.Audio,
                {"label": "or_sound"},
                sources=["microphone", "upload"],
                type="filepath",
                editable=False,
                buttons=[],
                elem_id="sound",
            )
            search_sound = localised.make(gr.Button, {"value": "search_sound"}, elem_id="search-sound")
            localised.make(
                gr.Checkbox,
                {"label": "consent", "info": "consent_info"},
                elem_id="consent",
                container=False,
                interactive=True,
            )
        with gr.Column(scale=2, min_width=260, elem_id="by-picture", visible=False) as by_picture:
            picture = localised.make(
                PictureInput,
                {"label": "or_picture", "placeholder": "picture_hint"},
                sources=["upload", "webcam"],
                type="filepath",
                image_mode=None,
                buttons=[],
                height=170,
                elem_id="picture",
            )
            search_picture = localised.make(gr.Button, {"value": "search_picture"}, elem_id="search-picture")
    localised.make(gr.HTML, {"value": rendering.welcome}, elem_id="welcome")
    results = gr.HTML(
        elem_id="results",
        js_on_load=_script("results.js"),
        server_functions=[bind(each, services, message=True, show=_as_problem) for each in (flag, undo)],
    )
    by_text = bind(show_text, services, show=rendering.problem)
    by_sound = bind(show_audio, services, show=rendering.problem)
    by_sight = bind(show_image, services, show=rendering.problem)
    asked = {"inputs": [query, language, interface], "outputs": results, "api_visibility": "private"}
    heard = {"inputs": [sound, language, interface], "outputs": results, "api_visibility": "private"}
    seen = {"inputs": [picture, language, interface], "outputs": results, "api_visibility": "private"}
    gr.on([query.submit, search.click], by_text, **asked, **ONE_AT_A_TIME)
    examples.pick(
        None,
        None,
        [query, language],
        js=f"() => [document.querySelector('#examples [data-picked]').dataset.picked, '{DETECT}']",
        api_visibility="private",
    ).then(by_text, **asked, **ONE_AT_A_TIME)
    gr.on([search_sound.click, sound.stop_recording, sound.upload], by_sound, **heard, **ONE_AT_A_TIME)
    gr.on([search_picture.click, picture.input], by_sight, **seen, **ONE_AT_A_TIME)
    return language, by_picture


def publish(services: Services) -> None:
    """Publish the tab's named endpoints: plain JSON values in, plain JSON values out."""
    gr.api(bind(search_text, services), api_name="search_text", **ONE_AT_A_TIME)
    gr.api(bind(flag, services), api_name="flag")
    gr.api(bind(undo, services), api_name="undo")
    # Through components, not gr.api: gr.Audio takes only files that were uploaded here, never a path.
    with gr.Group(visible=False):
        recording = gr.Audio(type="filepath", label="recording")
        picture = PictureInput(type="filepath", image_mode=None, label="picture")
        language = gr.Textbox(DETECT, label="language")
        top_k = gr.Number(TOP_K, precision=0, label="top_k")
        interface = gr.Textbox(FALLBACK, label="interface")
        found = gr.JSON(label="found")
        gr.Button().click(
            bind(search_audio, services),
            [recording, language, top_k, interface],
            found,
            api_name="search_audio",
            **ONE_AT_A_TIME,
        )
        gr.Button().click(
            bind(search_image, services),
            [picture, language, top_k, interface],
            found,
            api_name="search_image",
            **ONE_AT_A_TIME,
        )


def _as_problem(message: str) -> dict[str, str]:
    return {"problem": message}


def _script(name: str) -> str:
    return (SCRIPTS / name).read_text(encoding="utf-8")
