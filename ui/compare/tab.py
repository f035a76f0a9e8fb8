"""The Compare tab: type translations, open a word list or take a concept; see what the model makes of each word."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from cacara.languages import coverage
from cacara.words.dictionaries import SUFFIXES
from ui.compare import actions, rendering
from ui.page import rendering as page
from ui.page.localised import Localised
from ui.server.bind import bind, bind_message
from ui.services.services import Services

FOLDER = Path(__file__).parent
EXAMPLE = "en, dog\nde, Hund\nfr, chien\nsw, mbwa\nar, كلب\nhi, कुत्ता\nzh, 狗\nko, 개\nru, собака\nyo, ajá\n"
"""Initial content of the box: one thing in ten languages, ready to be compared."""

LATE_SECONDS = 0.8
"""After so long no progress of stopped work is under way any more."""
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def build(services: Services, localised: Localised, answering: gr.State | None = None) -> None:
    """Build the tab inside the current ``gr.Tabs``.

    Args:
        services: The app's services.
        localised: Takes every component that has a text.
        answering: Holds the id of the model that answers this visitor; None where there is no choice.
    """
    with localised.make(gr.Tab, {"label": "compare_tab"}, elem_id="compare-tab") as tab:
        localised.make(gr.HTML, {"value": rendering.intro}, elem_id="compare-intro")
        inputs = _ask(services, localised)
        left_out = gr.HTML(elem_id="compare-left-out")
        results = gr.HTML(
            elem_id="comparison",
            js_on_load=(FOLDER / "compare.js").read_text(encoding="utf-8"),
            server_functions=[bind_message(each, services) for each in (actions.show_concept, actions.make_csv)],
        )
        gr.api(bind(actions.compare, services), api_name="compare", concurrency_limit=2, concurrency_id="model")
    model = answering if answering is not None else gr.State(None)

    work = inputs.run.click(
        bind(actions.show_comparison, services, show=page.problem),
        [inputs.rows, inputs.wanted, model],
        results,
        concurrency_limit=2,
        concurrency_id="model",
        **QUIET,
    )
    halt = inputs.stop.click(bind(show_stopped, services), None, results, cancels=[work], queue=False, **QUIET)
    halt.then(bind(show_still_stopped, services), None, results, queue=False, **QUIET)
    read = bind(actions.read_list, services, show=_not_read, present=_filled)
    inputs.upload.upload(read, inputs.upload, [inputs.rows, left_out], **QUIET)
    taken: dict[str, Any] = {"inputs": [inputs.concept, inputs.codes], "outputs": [inputs.rows, left_out], **QUIET}
    take = bind(take_concept, services, show=_not_read, present=_filled)
    gr.on([inputs.concept.input, inputs.codes.input], take, **taken)
    opened = bind(open_tab, services, present=_updates)
    tab.select(opened, None, [inputs.concept, inputs.wanted], **QUIET)


class ComparisonInputs(NamedTuple):
    """The components that a comparison is asked with."""

    rows: gr.Textbox
    run: gr.Button
    stop: gr.Button
    concept: gr.Dropdown
    codes: gr.Dropdown
    wanted: gr.Dropdown
    upload: gr.UploadButton


def _ask(services: Services, localised: Localised) -> ComparisonInputs:
    with gr.Row(elem_id="compare-ask"):
        with gr.Column(scale=3, min_width=300):
            rows = localised.make(
                gr.Textbox,
                {"label": "compare_rows", "info": "compare_rows_info"},
                value=EXAMPLE,
                lines=8,
                max_lines=14,
                elem_id="compare-rows",
            )
            with gr.Row(elem_id="compare-buttons"):
                run = localised.make(gr.Button, {"value": "compare_run"}, variant="primary", elem_id="compare-run")
                stop = localised.make(gr.Button, {"value": "compare_stop"}, elem_id="compare-stop")
        with gr.Column(scale=2, min_width=280):
            concept = localised.make(
                gr.Dropdown,
                {"label": "compare_lexicon", "info": "compare_lexicon_info"},
                choices=[],
                value=None,
                filterable=True,
                elem_id="compare-lexicon",
            )
            codes = localised.make(
                gr.Dropdown,
                {"label": "compare_languages"},
                choices=[(f"{row.autonym} · {row.name}", row.code) for row in coverage.load().rows],
                value=[],
                multiselect=True,
                elem_id="compare-languages",
            )
            wanted = localised.make(
                gr.Dropdown,
                {"label": "compare_wanted", "choices": lambda words: actions.sound_choices(services, words)},
                value="",
                elem_id="compare-wanted",
            )
            upload = localised.make(
                gr.UploadButton,
                {"label": "compare_upload"},
                file_types=list(SUFFIXES),
                type="filepath",
                elem_id="compare-upload",
            )
    return ComparisonInputs(rows, run, stop, concept, codes, wanted, upload)


def show_stopped(services: Services) -> str:
    """Return what stands in the place of the results after the work was stopped."""
    return rendering.stopped(services.words)


def show_still_stopped(services: Services) -> str:
    """Return the same once more: a progress that was under way when the work was stopped may have written over it."""
    time.sleep(LATE_SECONDS)
    return show_stopped(services)


def take_concept(services: Services, key: str | None, codes: list[str] | None) -> tuple[str | None, str]:
    """Return a concept of the lexicon as text for the box, None for no concept, and that nothing was left out."""
    return (actions.take_concept(services, key, codes) if key else None), ""


def open_tab(services: Services) -> tuple[list[tuple[str, str]], list[Any]]:
    """Return the choices of the lexicon and of the wanted sound; those of the lexicon are sent once."""
    words = services.words
    sounds = actions.sound_choices(services, words)
    return ([] if len(sounds) == 1 else actions.lexicon_choices(services)), sounds


def _updates(choices: tuple[list[tuple[str, str]], list[Any]]) -> list[Any]:
    concepts, sounds = choices
    return [gr.update(choices=concepts) if concepts else gr.skip(), gr.update(choices=sounds)]


def _not_read(message: str) -> tuple[None, str]:
    return None, page.problem(message)


def _filled(read: tuple[str | None, str]) -> list[Any]:
    content, left_out = read
    return [gr.skip() if content is None else content, left_out]
