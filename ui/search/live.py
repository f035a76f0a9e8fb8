"""Live listening in the Search tab: descriptions of the microphone's sound, every second."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from cacara.errors import CacaraError
from ui.page import rendering as page_rendering
from ui.page.localised import Localised
from ui.search import rendering
from ui.search.answers import chosen_language, described, nearest_language
from ui.server.bind import bind
from ui.services.services import Services

if TYPE_CHECKING:
    from cacara.recordings.listening import RollingSound

EVERY_SECONDS = 1.0
WORDS = 5


def hear(
    services: Services,
    stretch: str | None,
    heard: Any,  # noqa: ANN401 - a cacara.recordings.listening.RollingSound or None; that module is heavy
    language: str,
    model: str | None = None,
) -> tuple[Any, str]:
    """Return the last seconds of the stream, and the words for them as HTML.

    Args:
        services: The app's services.
        stretch: The file of the next stretch of the stream, or None.
        heard: The sound returned before, or None at the beginning.
        language: BCP-47 code of the words; ``auto`` takes the interface's.
        model: The id of a model, or None for the one that answers by default.
    """
    if not stretch:
        return heard, ""
    from cacara.recordings import listening

    words = services.words
    try:
        retriever = services.retriever(model)
        samples, rate_hz = listening.read_chunk(Path(stretch))
        sound: RollingSound = (heard or listening.RollingSound()).followed_by(samples, rate_hz)
        code = nearest_language(chosen_language(language) or words.code, retriever.gallery.languages)
        now = listening.describe(retriever, sound.waveform(), code, WORDS)
    except CacaraError as error:
        return heard, page_rendering.problem(str(error))
    nearest = [(*described(retriever.clip(hit.clip_id), code), hit.score) for hit in now.hits]
    return sound, rendering.live_words(nearest, now.quiet, now.speech, words)


def build(services: Services, localised: Localised, language: gr.Dropdown, model: gr.State) -> None:
    """Build the part inside the current column.

    Args:
        services: The app's services.
        localised: Takes every component that has a text.
        language: Holds the language of the words.
        model: Holds the id of the model that answers this visitor.
    """
    with localised.make(gr.Accordion, {"label": "live"}, open=False, elem_id="live"):
        localised.make(gr.HTML, {"value": rendering.live_hint})
        stream = localised.make(
            gr.Audio,
            {"label": "live"},
            sources=["microphone"],
            streaming=True,
            type="filepath",
            buttons=[],
            elem_id="live-sound",
        )
        heard = gr.State(None)
        words = gr.HTML(elem_id="live-words")
        stream.stream(
            bind(hear, services),
            [stream, heard, language, model],
            [heard, words],
            stream_every=EVERY_SECONDS,
            time_limit=None,
            concurrency_limit=4,
            show_progress="hidden",
            api_visibility="private",
        )
        # A new beginning forgets what was heard before.
        stream.start_recording(lambda: (None, ""), None, [heard, words], queue=False, api_visibility="private")
