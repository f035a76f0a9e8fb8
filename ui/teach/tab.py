"""The Teach tab: words in, which act at once, and texts to train on; what was taught, and what feedback suggests."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from cacara import languages
from cacara.errors import CacaraError
from cacara.words.dictionaries import SUFFIXES
from feedback_db.records.opinions import FeedbackError
from ui.page import rendering as page
from ui.page.localised import Localised
from ui.search.tab import language_choices
from ui.server.bind import bind, bind_message
from ui.services.services import Services
from ui.teach import actions, rendering
from ui.teach import pairs as pair_lists
from ui.teach import words as words_actions

POLLING_SECONDS = 1.0
ENDPOINTS: tuple[Callable[..., Any], ...] = (
    words_actions.teach_words,
    words_actions.taught_words,
    words_actions.take_back_words,
    words_actions.measure_words,
    words_actions.suggested_words,
    words_actions.take_suggested_words,
    actions.teach_check,
    actions.teach_start,
    actions.teach_status,
    actions.teach_cancel,
)
CALLED: tuple[Callable[..., Any], ...] = (words_actions.take_back_words, words_actions.taught_words)
"""By the script of the list of words."""
SCRIPT = Path(__file__).parent / "words.js"
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


class View(NamedTuple):
    """The contents of the tab.

    Attributes:
        notice: An error, as HTML.
        lists: The words that were taught here, as HTML.
        job: How far the last training is, as HTML.
        running: Whether it is running.
        taught: The languages that acquirers were trained for here, as HTML.
        forgettable: (Name, code) of them.
        known: (Name, code) of every language that may be asked in.
        offers: The languages in which feedback suggests words, as HTML.
        offered: (Name, code) of them.
        counting: Whether the feedback is being read, so that it is worth to look again soon.
    """

    notice: str
    lists: str
    job: str
    running: bool
    taught: str
    forgettable: list[tuple[str, str]]
    known: list[tuple[str, str]]
    offers: str
    offered: list[tuple[str, str]]
    counting: bool


class Checked(NamedTuple):
    """What was found in rows: HTML, whether there are words to add, and whether there is enough to train on."""

    html: str
    words: bool
    training: bool


def look(services: Services, problem: str = "") -> View:
    """Return how things stand.

    Args:
        services: The app's services.
        problem: An error to show above.
    """
    words = services.words
    status: dict[str, Any] = {"model": None, "taught": [], "last": None}
    offers: dict[str, Any] = {"counting": False, "problem": "", "languages": []}
    lists: list[words_actions.TaughtList] = []
    try:
        status, lists = actions.follow(services), words_actions.lists(services)
        offers = words_actions.suggested_words(services)
    except (CacaraError, FeedbackError) as error:
        problem = problem or str(error)
    names = {code: _name(code) for code in status["taught"]}
    taught_here = {code for each in lists for code in each.language.split(", ")}
    return View(
        page.problem(problem) if problem else "",
        rendering.lists(lists, words),
        rendering.status(status, words),
        bool(status["last"]) and status["last"]["state"] == "running",
        rendering.taught(status, names, words),
        [(name, code) for code, name in names.items()],
        language_choices(services, words, [*status["taught"], *sorted(taught_here)]),
        rendering.offers(offers, words),
        [(f"{row['name']} ({row['language']})", row["language"]) for row in offers["languages"] or ()],
        offers["counting"],
    )


def show_check(services: Services, code: str, rows: str, upload: str | None) -> Checked:
    """Return what was found in the rows or the file."""
    try:
        table = words_actions.read(services, code or "", _given(rows, upload))
        training = _training(services, code or "", rows, upload)
        html = rendering.report(table, training, words_actions.heeding(services), services.words)
    except CacaraError as error:
        return Checked(page.problem(str(error)), False, False)
    return Checked(html, bool(table.words) and not table.swapped, training is not None and training.ready)


def add(
    services: Services, code: str, rows: str, upload: str | None, source: str, token: str
) -> Iterator[tuple[str, View]]:
    """Add the words of the rows or the file, and then what they brought, each with how things stand."""
    try:
        given = _given(rows, upload)
        table, new, list_id = words_actions.add(services, code or "", given, source or "", token or "")
    except CacaraError as error:
        yield page.problem(str(error)), look(services)
        return
    known, model = len(table.words) - new, words_actions.heeding(services)
    found: dict[str, Any] = {"added": new, "known": known, "model": model, "effect": None}
    yield rendering.added({**found, "measuring": True}, services.words), look(services)
    try:
        found["effect"] = words_actions.measure_words(services, list_id) if new and model else None
    except CacaraError:  # a handful of words is not measured
        found["effect"] = None
    yield rendering.added({**found, "measuring": False}, services.words), look(services)


def _then_look(act: Callable[..., object]) -> Callable[..., View]:
    """Return an action that shows its known errors in the tab, and returns the tab's contents."""

    @functools.wraps(act)
    def acted(services: Services, *given: object) -> View:
        try:
            act(services, *given)
        except (CacaraError, FeedbackError) as error:
            return look(services, str(error))
        return look(services)

    return acted


@_then_look
def start(services: Services, code: str, rows: str, upload: str | None, token: str) -> None:
    """Start a training."""
    actions.start(services, code or "", _pairs(rows, upload, code), token or "")


def add_suggested(services: Services, code: str | None, token: str) -> tuple[str, View]:
    """Add the words that feedback suggests in a language, and return how things stand."""
    try:
        taken = words_actions.take_suggested_words(services, code or "", token or "")
    except (CacaraError, FeedbackError) as error:
        return page.problem(str(error)), look(services)
    found = {"added": taken["added"], "known": 0, "model": words_actions.heeding(services), "effect": None}
    return rendering.added({**found, "measuring": False}, services.words), look(services)


@_then_look
def cancel(services: Services, token: str) -> None:
    """Cancel the actions."""
    actions.teach_cancel(services, token or "")


@_then_look
def forget(services: Services, code: str | None, token: str) -> None:
    """Take a taught language away."""
    actions.forget(services, code or "", token or "")


def name_of(services: Services, code: str) -> str:
    """Return the name of the language whose code is being typed, as HTML; nothing while it is none."""
    try:
        return rendering.name(_name(code.strip()), services.words) if code and code.strip() else ""
    except CacaraError:
        return ""


def build(services: Services, localised: Localised, language: gr.Dropdown) -> None:
    """Build the tab inside the current ``gr.Tabs``.

    Args:
        services: The app's services.
        localised: Takes every component that has a text.
        language: The language menu of the search, which a taught language joins.
    """
    with localised.make(gr.Tab, {"label": "teach_tab"}, elem_id="teach-tab") as tab:
        localised.make(gr.HTML, {"value": rendering.intro}, elem_id="teach-intro")
        notice = gr.HTML(elem_id="teach-notice")
        rows, code, named, upload, source = _ask(localised)
        token = localised.make(
            gr.Textbox,
            {"label": "teach_token"},
            type="password",
            visible=not services.access.open,
            elem_id="teach-token",
        )
        with gr.Row(elem_id="teach-buttons"):
            checking = localised.make(gr.Button, {"value": "teach_check"}, elem_id="teach-check")
            adding = localised.make(
                gr.Button, {"value": "teach_words_add"}, variant="primary", interactive=False, elem_id="teach-add"
            )
            begin = localised.make(gr.Button, {"value": "teach_start"}, interactive=False, elem_id="teach-start")
        report = gr.HTML(elem_id="teach-report")
        with gr.Row(elem_id="teach-running"):
            stop = localised.make(gr.Button, {"value": "teach_cancel"}, visible=False, elem_id="teach-cancel")
        job = gr.HTML(elem_id="teach-job")
        lists = gr.HTML(
            elem_id="teach-words",
            js_on_load=SCRIPT.read_text(encoding="utf-8"),
            server_functions=[bind_message(each, services) for each in CALLED],
        )
        offers, offering, chosen, learn = _offer(localised)
        taught = gr.HTML(elem_id="teach-taught")
        with gr.Row(elem_id="teach-forgetting", visible=False) as forgetting:
            which = localised.make(
                gr.Dropdown, {"label": "teach_forget_which"}, choices=[], value=None, elem_id="teach-forget-which"
            )
            remove = localised.make(gr.Button, {"value": "teach_forget"}, elem_id="teach-forget")
        for each in ENDPOINTS:
            gr.api(bind(each, services), api_name=each.__name__)
        timer = gr.Timer(POLLING_SECONDS, active=False)
    shown = [notice, lists, job, stop, timer, taught, which, forgetting, language, offers, chosen, offering]
    given: list[Any] = [code, rows, upload]
    looking: dict[str, Any] = {"outputs": shown, "queue": False, **QUIET}
    seen = bind(look, services, present=_shown)
    gr.on([tab.select, timer.tick], seen, **looking)
    lists.taken(seen, **looking)
    localised.when_chosen(seen, **looking)
    ready = [report, adding, begin]
    found = bind(show_check, services, present=_checked)
    checking.click(found, [*given], ready, api_visibility="private", show_progress_on=report)
    # What was changed is checked again before it can be added or trained on.
    gr.on(
        [each.change for each in given],
        lambda: [gr.update(interactive=False)] * 2,
        None,
        ready[1:],
        queue=False,
        **QUIET,
    )
    code.change(bind(name_of, services), code, named, queue=False, **QUIET)
    adding.click(bind(add, services, present=_reported), [*given, source, token], [report, *shown], **QUIET)
    begin.click(bind(start, services, present=_shown), [*given, token], shown, **QUIET)
    stop.click(bind(cancel, services, present=_shown), [token], shown, **QUIET)
    learn.click(bind(add_suggested, services, present=_reported), [chosen, token], [report, *shown], **QUIET)
    remove.click(bind(forget, services, present=_shown), [which, token], shown, **QUIET)


def _ask(localised: Localised) -> tuple[gr.Textbox, gr.Textbox, gr.HTML, gr.File, gr.Textbox]:
    """Return the box for pairs, that of the language's code, what shows its name, the file, and that of a source."""
    with gr.Row(elem_id="teach-ask"):
        with gr.Column(scale=3, min_width=280):
            rows = localised.make(
                gr.Textbox,
                {"label": "teach_rows", "info": "teach_rows_info", "placeholder": "teach_rows_example"},
                lines=9,
                max_lines=16,
                elem_id="teach-rows",
            )
        with gr.Column(scale=2, min_width=260):
            code = localised.make(
                gr.Textbox, {"label": "teach_code", "info": "teach_code_info"}, max_lines=1, elem_id="teach-code"
            )
            named = gr.HTML(elem_id="teach-name")
            upload = localised.make(
                gr.File,
                {"label": "teach_file"},
                file_types=list(SUFFIXES),
                type="filepath",
                height=150,
                elem_id="teach-file",
            )
            source = localised.make(
                gr.Textbox, {"label": "teach_source", "info": "teach_source_info"}, max_lines=1, elem_id="teach-source"
            )
    return rows, code, named, upload, source


def _offer(localised: Localised) -> tuple[gr.HTML, gr.Row, gr.Dropdown, gr.Button]:
    """Return what shows the words that feedback suggests, what holds the choice, the choice, and its button."""
    offers = gr.HTML(elem_id="teach-offers")
    with gr.Row(elem_id="teach-from-row", visible=False) as offering:
        chosen = localised.make(
            gr.Dropdown, {"label": "teach_from_which"}, choices=[], value=None, elem_id="teach-from-which"
        )
        learn = localised.make(gr.Button, {"value": "teach_from_start"}, elem_id="teach-from-start")
    return offers, offering, chosen, learn


def _given(rows: str, upload: str | None) -> str | Path:
    """Return what is to be read: a file that is given comes before the rows."""
    return Path(upload) if upload else rows or ""


def _pairs(rows: str, upload: str | None, code: str | None) -> str | pair_lists.Pairs:
    return pair_lists.read_file(Path(upload), code) if upload else rows or ""


def _training(services: Services, code: str, rows: str, upload: str | None) -> actions.Check | None:
    """Return what a training would make of the rows; None where no model learns, or they are of several languages."""
    if actions.pupil(services) is None or not code.strip():
        return None
    try:
        return actions.check(services, code, _pairs(rows, upload, code))
    except CacaraError:  # such as a table with a column for the language
        return None


def _name(code: str) -> str:
    found = languages.describe(code)
    return found.english_name if found.autonym == found.english_name else f"{found.english_name} · {found.autonym}"


def _shown(now: View) -> list[Any]:
    return [
        now.notice,
        now.lists,
        now.job,
        gr.update(visible=now.running),
        gr.Timer(active=now.running or now.counting),
        now.taught,
        gr.update(choices=now.forgettable),
        gr.update(visible=bool(now.forgettable)),
        gr.update(choices=now.known),
        now.offers,
        gr.update(choices=now.offered),
        gr.update(visible=bool(now.offered)),
    ]


def _reported(found: tuple[str, View]) -> list[Any]:
    html, now = found
    return [html, *_shown(now)]


def _checked(found: Checked) -> list[Any]:
    return [found.html, gr.update(interactive=found.words), gr.update(interactive=found.training)]
