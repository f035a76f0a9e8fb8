"""The Search tab's named endpoints: plain JSON values in, plain JSON values out."""

from __future__ import annotations

import dataclasses
from typing import Any

import gradio as gr

from ui.search.actions import search_audio, search_image, search_like, search_text, search_video
from ui.search.answers import Options
from ui.search.judgements import flag, undo
from ui.search.picture_input import PictureInput
from ui.search.tab import FEW_AT_ONCE, SEARCHES
from ui.search.transcription import write_down
from ui.server.bind import bind
from ui.services.services import Services


def publish(services: Services) -> None:
    """Publish the endpoints inside the current ``gr.Blocks``."""
    gr.api(bind(search_text, services), api_name="search_text", **SEARCHES)
    gr.api(bind(search_like, services), api_name="search_like", **SEARCHES)
    gr.api(bind(write_down, services), api_name="write_down", **FEW_AT_ONCE)
    gr.api(bind(flag, services), api_name="flag")
    gr.api(bind(undo, services), api_name="undo")
    # Through components, not gr.api: these take only files that were uploaded here, never a path.
    with gr.Group(visible=False):
        recording = gr.Audio(type="filepath", label="recording")
        picture = PictureInput(type="filepath", image_mode=None, label="picture")
        video = gr.File(type="filepath", label="video")
        inputs = [
            gr.Number(value, precision=0, label=name) if isinstance(value, int) else gr.Textbox(value or "", label=name)
            for name, value in dataclasses.asdict(Options()).items()
        ]
        found = gr.JSON(label="found")
        searches: list[tuple[Any, gr.components.Component]] = [
            (search_audio, recording),
            (search_image, picture),
            (search_video, video),
        ]
        for search, query in searches:
            limit = SEARCHES if search is search_audio else FEW_AT_ONCE
            gr.Button().click(bind(search, services), [query, *inputs], found, api_name=search.__name__, **limit)
