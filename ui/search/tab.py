"""The Search tab: ask in any language, by a sound or by a picture; hear and see what matches; say whether it does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.blocks import Block

from cacara import languages
from cacara.errors import CacaraError
from cacara.media.formats import FILMS
from ui.page import rendering as page_rendering
from ui.page.localised import Localised
from ui.page.wording import Wording
from ui.search import live as live_tab
from ui.search import rendering
from ui.search.actions import search_audio, search_image, search_like, search_text, search_video
from ui.search.answers import DETECT, Search
from ui.search.correcting import correctable, look_up_again, wrong_look_up
from ui.search.judgements import judge_card, undo
from ui.search.links import known_licences, linked_query
from ui.search.picture_input import PictureInput
from ui.search.transcription import write_down
from ui.server.bind import bind, bind_message
from ui.services.services import Services

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
ON_PAGE = 40
"""Hits of each kind that a search of the page gets, of which it shows a few at first."""
CALLED = (judge_card, undo, wrong_look_up, look_up_again)
"""By the script of the results."""
ASK_AGAIN = """() => setTimeout(() => {
    if (document.querySelector("#query textarea").value.trim()) document.querySelector("#search").click();
}, 50)"""
ASK_WHEN_READY = """() => setTimeout(() => {
    const typed = document.querySelector("#query textarea").value.trim();
    const waiting = document.querySelector("#results .problem") && document.querySelector("#preparation .prepared");
    if (typed && waiting) document.querySelector("#search").click();
}, 50)"""
"""What was asked before the model was there is asked again."""
FEW_AT_ONCE: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "model"}
"""What looks at pictures or listens for long: each keeps a core busy."""
SEARCHES: dict[str, Any] = {"concurrency_limit": 6, "concurrency_id": "search"}
"""Texts and short sounds: texts that wait are read in one pass, while other answers are written."""


def show(services: Services, search: Search, query: Any, **options: Any) -> tuple[str, str]:  # noqa: ANN401
    """Return what a search finds, and what is offered if somebody speaks in the sound, as HTML.

    Args:
        services: The app's services.
        search: One of ``ui.search.actions``.
        query: Its query.
        options: Fields of ``Options``.
    """
    found = search(services, query, **options)
    words = services.words
    if search is search_text:
        names = {code: name for name, code in language_choices(services, words)}
        return rendering.text_results(found, names, words, correctable=correctable(services)), ""
    if search is search_audio:
        offered = rendering.speech_offer(found["words"]["search_id"], words) if found["is_speech"] else ""
        return rendering.audio_results(found, words), offered
    return (rendering.like_results if search is search_like else rendering.image_results)(found, words), ""


def show_asked(services: Services, asked: str, model: str | None = None) -> str:
    """Return what a link, or the visitor's own list of earlier queries, asks for, as HTML."""
    again = linked_query(services, asked)
    search, query = (search_like, again.like) if again.like else (search_text, again.query)
    if not query:
        return ""
    how = {"language": again.language, "kind": again.kind, "licence": again.licence, "top_k": ON_PAGE}
    return show(services, search, query, model=model, **how)[0]


def fields_asked(services: Services, asked: str) -> tuple[str, str, str, str]:
    """Return query, language, kind and licence of what ``show_asked`` shows, for the fields of the page."""
    again = linked_query(services, asked)
    return again.query, again.language, again.kind, again.licence


def show_written(services: Services, search_id: str, language: str) -> str:
    """Return what was said in a recording, or how far the preparation is, as HTML."""
    words = services.words
    try:
        transcript = write_down(services, search_id, language)
    except CacaraError as error:
        return rendering.speech_offer(search_id, words, str(error))
    if transcript["phase"] == "preparing":
        return rendering.speech_progress(search_id, transcript, words)
    return rendering.speech_words(search_id, transcript, words)


def language_choices(services: Services, words: Wording, taught: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Return (name, code) of what a query's language may be set to: detection first, then by own name.

    Args:
        services: The app's services.
        words: The interface's words.
        taught: Languages of models that may still be preparing.
    """
    known = [languages.describe(code) for code in dict.fromkeys([*services.engine.languages(), *taught])]
    named = sorted((f"{each.autonym} · {each.english_name}", each.code) for each in known)
    return [(words("detect"), DETECT), *named]


def licence_choices(services: Services, words: Wording) -> list[tuple[str, str]]:
    """Return (name, licence) of what may be asked for: any first; no more than that before the gallery is ready."""
    return [(words("licence_all"), ""), *((licence, licence) for licence in known_licences(services))]


def kind_choices(words: Wording) -> list[tuple[str, str]]:
    """Return (name, kind) of what may be asked for."""
    return [(words("kind_all"), ""), (words("kind_sound"), "sound"), (words("kind_picture"), "picture")]


class Parts(NamedTuple):
    """Components that change when the model is ready: languages, search by picture, licences."""

    language: gr.Dropdown
    by_picture: gr.Column
    licence: gr.Dropdown


def build(services: Services, localised: Localised, model: gr.State) -> Parts:
    """Build the tab's components and events inside the current ``gr.Tab``.

    Args:
        services: The app's services.
        localised: Takes every component that has a text.
        model: Holds the id of the model that answers this visitor.

    Returns:
        The components whose state depends on the model.
    """
    with gr.Row(elem_id="ask"):
        with gr.Column(scale=3, min_width=300, elem_id="by-text"):
            text = _build_text(services, localised)
        with gr.Column(scale=2, min_width=260, elem_id="by-sound"):
            sound = _build_sound(localised)
            live_tab.build(services, localised, text.language, model)
        with gr.Column(scale=2, min_width=260, elem_id="by-picture", visible=False) as by_picture:
            sight = _build_sight(localised)
    speech = gr.HTML(elem_id="speech", js_on_load=_script("speech.js"))
    localised.make(gr.HTML, {"value": page_rendering.welcome}, elem_id="welcome")
    results = gr.HTML(
        elem_id="results",
        js_on_load=_script("results.js"),
        server_functions=[bind_message(each, services) for each in CALLED],
    )
    # Carries a script's query: a visible component would show it.
    carried = gr.Textbox(visible=False)
    how = [text.language, model, text.kind, text.licence]

    def ask(search: Search, query: Block) -> dict[str, Any]:
        def shown(
            own: Services,
            asked: object,
            language: str,
            model: str | None,
            kind: str,
            licence: str,
        ) -> tuple[str, str]:
            options = {"language": language, "model": model, "kind": kind, "licence": licence}
            return show(own, search, asked, top_k=ON_PAGE, **options)

        shown.__name__ = search.__name__.replace("search", "show")
        spoken = search is search_audio  # only a sound replaces what an earlier one offered
        outputs = [results, speech] if spoken else results
        bound = bind(
            shown,
            services,
            show=lambda problem: (page_rendering.problem(problem), ""),
            present=None if spoken else lambda pair: pair[0],
        )
        events = {"fn": bound, "inputs": [query, *how], "outputs": outputs}
        return (
            events
            | {"api_visibility": "private"}
            | (FEW_AT_ONCE if search in (search_image, search_video) else SEARCHES)
        )

    gr.on([text.query.submit, text.search.click], **ask(search_text, text.query))
    # Another choice asks again, if something is typed.
    gr.on([text.kind.input, text.licence.input], js=ASK_AGAIN, queue=False, api_visibility="private")
    text.examples.pick(
        None,
        None,
        [text.query, text.language],
        js=f"() => [document.querySelector('#examples [data-picked]').dataset.picked, '{DETECT}']",
        api_visibility="private",
    ).then(**ask(search_text, text.query))
    gr.on(
        [sound.search.click, sound.recording.stop_recording, sound.recording.upload],
        **ask(search_audio, sound.recording),
    )
    gr.on([sight.search.click, sight.picture.input], **ask(search_image, sight.picture))
    sight.video.upload(**ask(search_video, sight.video))
    results.like(**ask(search_like, carried), js="(_, ...how) => [window.cacaraSearch.like, ...how]")
    speech.write(
        bind(show_written, services, show=page_rendering.problem),
        [carried, text.language],
        speech,
        js="(_, ...how) => [window.cacaraSearch.recording, ...how]",
        show_progress="hidden",
        api_visibility="private",
    )
    fields = [text.query, text.language, text.kind, text.licence]
    carry = "(_, ...how) => [JSON.stringify(window.cacaraSearch.asked), ...how]"
    for again in (speech.said, text.history.ask):
        again(bind(fields_asked, services), carried, fields, js=carry, queue=False, api_visibility="private").then(
            bind(show_asked, services, show=page_rendering.problem),
            [carried, model],
            results,
            js=carry,
            api_visibility="private",
            **SEARCHES,
        )
    text.clear.click(
        None,
        None,
        [*fields, sound.recording, sight.picture, speech, results],
        js=f"() => ['', '{DETECT}', '', '', null, null, '', '']",
        api_visibility="private",
    )
    return Parts(text.language, by_picture, text.licence)


class _Text(NamedTuple):
    query: gr.Textbox
    language: gr.Dropdown
    search: gr.Button
    clear: gr.Button
    kind: gr.Dropdown
    licence: gr.Dropdown
    examples: gr.HTML
    history: gr.HTML


def _build_text(services: Services, localised: Localised) -> _Text:
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
        clear = localised.make(gr.Button, {"value": "clear"}, elem_id="clear", scale=0, min_width=90)
    examples = localised.make(
        gr.HTML,
        {"value": lambda words: rendering.examples(EXAMPLES, words)},
        elem_id="examples",
        js_on_load=_script("examples.js"),
    )
    history = localised.make(gr.HTML, {"value": rendering.history}, elem_id="history", js_on_load=_script("history.js"))
    with gr.Row(elem_id="filters"):
        kind = localised.make(
            gr.Dropdown, {"label": "kind", "choices": kind_choices}, value="", elem_id="kind", min_width=150
        )
        licence = localised.make(
            gr.Dropdown,
            {"label": "licence", "choices": lambda words: licence_choices(services, words)},
            value="",
            elem_id="licence",
            min_width=150,
        )
    return _Text(query, language, search, clear, kind, licence, examples, history)


class _Sound(NamedTuple):
    recording: gr.Audio
    search: gr.Button


def _build_sound(localised: Localised) -> _Sound:
    recording = localised.make(
        gr.Audio,
        {"label": "or_sound"},
        sources=["microphone", "upload"],
        type="filepath",
        editable=False,
        buttons=[],
        elem_id="sound",
    )
    search = localised.make(gr.Button, {"value": "search_sound"}, elem_id="search-sound")
    localised.make(
        gr.Checkbox,
        {"label": "consent", "info": "consent_info"},
        elem_id="consent",
        container=False,
        interactive=True,
    )
    return _Sound(recording, search)


class _Sight(NamedTuple):
    picture: gr.Image
    search: gr.Button
    video: gr.UploadButton


def _build_sight(localised: Localised) -> _Sight:
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
    search = localised.make(gr.Button, {"value": "search_picture"}, elem_id="search-picture")
    video = localised.make(
        gr.UploadButton, {"label": "search_video"}, file_types=["video", *FILMS], elem_id="search-video"
    )
    return _Sight(picture, search, video)


def _script(name: str) -> str:
    return (SCRIPTS / name).read_text(encoding="utf-8")
