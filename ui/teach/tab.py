"""The Teach tab: pairs of texts in, or what people corrected and judged; a language more in the model."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from cacara import languages
from cacara.errors import CacaraError, QueryError
from cacara.words.dictionaries import SUFFIXES
from feedback_db.records.opinions import FeedbackError
from ui.page import rendering as page
from ui.page.localised import Localised
from ui.search.tab import language_choices
from ui.server.bind import bind
from ui.services.services import Services
from ui.teach import actions, feedback, rendering
from ui.teach import pairs as pair_lists

POLLING_SECONDS = 1.0
ENDPOINTS: tuple[Callable[..., Any], ...] = (
    actions.teach_check,
    actions.teach_start,
    actions.teach_status,
    actions.teach_cancel,
    feedback.teach_offers,
    feedback.teach_from_feedback,
    feedback.teach_use,
)
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


class View(NamedTuple):
    """The contents of the tab.

    Attributes:
        notice: An error, or that no model takes languages, as HTML.
        job: Progress or outcome of the last teaching, as HTML.
        running: It is running.
        taught: The languages taught here, as HTML.
        forgettable: (Name, code) of them.
        available: A model takes languages.
        known: (Name, code) of every language that may be asked in.
        offers: The languages of the feedback, as HTML.
        offered: (Name, code) of them.
        counting: They are being counted: poll again soon.
        usable: The last teaching failed the gate, and a person may use its result all the same.
    """

    notice: str
    job: str
    running: bool
    taught: str
    forgettable: list[tuple[str, str]]
    available: bool
    known: list[tuple[str, str]]
    offers: str
    offered: list[tuple[str, str]]
    counting: bool
    usable: bool


def look(services: Services, problem: str = "") -> View:
    """Return how things stand.

    Args:
        services: The app's services.
        problem: An error to show above.
    """
    words = services.words
    try:
        status, offers = actions.follow(services), feedback.teach_offers(services)
    except (CacaraError, FeedbackError) as error:
        status, problem = {"model": None, "taught": [], "last": None}, problem or str(error)
        offers = {"counting": False, "problem": "", "languages": []}
    names = {code: _name(code) for code in status["taught"]}
    notice = page.problem(problem) if problem else "" if status["model"] else rendering.unavailable(words)
    running = bool(status["last"]) and status["last"]["state"] == "running"
    return View(
        notice,
        rendering.status(status, words),
        running,
        rendering.taught(status, names, words),
        [(name, code) for code, name in names.items()],
        bool(status["model"]),
        language_choices(services, words, status["taught"]),
        rendering.offers(offers, words),
        [(f"{row['name']} ({row['language']})", row["language"]) for row in offers["languages"] or ()],
        offers["counting"],
        feedback.usable(status),
    )


def show_check(services: Services, code: str, rows: str, upload: str | None) -> tuple[str, bool]:
    """Return what was found in the rows or the file, as HTML, and whether a training can be started."""
    words = services.words
    try:
        found = actions.check(services, code or "", _content(rows, upload, code))
    except CacaraError as error:
        return page.problem(str(error)), False
    return rendering.report(found, words), found.ready


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
    """Start teaching."""
    actions.start(services, code or "", _content(rows, upload, code), token or "")


@_then_look
def start_from_feedback(
    services: Services, code: str | None, more: bool, rows: str, upload: str | None, token: str
) -> None:
    """Start teaching from feedback, with the pairs above if ``more``."""
    if not code:
        raise QueryError(services.words("teach_from_nothing"))
    given = _content(rows, upload, code) if more else None
    beside = pair_lists.read(given, code) if isinstance(given, str) else given
    feedback.start(services, code, beside, token or "")


@_then_look
def use(services: Services, token: str) -> None:
    """Use a language that did not pass the gate."""
    feedback.teach_use(services, token or "")


@_then_look
def cancel(services: Services, token: str) -> None:
    """Cancel the teaching."""
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
        rows, code, named, upload = _ask(localised)
        token = localised.make(
            gr.Textbox,
            {"label": "teach_token"},
            type="password",
            visible=not services.access.open,
            elem_id="teach-token",
        )
        with gr.Row(elem_id="teach-buttons"):
            checking = localised.make(gr.Button, {"value": "teach_check"}, elem_id="teach-check")
            begin = localised.make(
                gr.Button, {"value": "teach_start"}, variant="primary", interactive=False, elem_id="teach-start"
            )
        report = gr.HTML(elem_id="teach-report")
        offers, offering, chosen, learn, more = _offer(localised)
        with gr.Row(elem_id="teach-running"):
            stop = localised.make(gr.Button, {"value": "teach_cancel"}, visible=False, elem_id="teach-cancel")
        job = gr.HTML(elem_id="teach-job")
        with gr.Row(elem_id="teach-using", visible=False) as using:
            take = localised.make(gr.Button, {"value": "teach_use"}, elem_id="teach-use")
        taught = gr.HTML(elem_id="teach-taught")
        with gr.Row(elem_id="teach-forgetting", visible=False) as forgetting:
            which = localised.make(
                gr.Dropdown, {"label": "teach_forget_which"}, choices=[], value=None, elem_id="teach-forget-which"
            )
            remove = localised.make(gr.Button, {"value": "teach_forget"}, elem_id="teach-forget")
        for each in ENDPOINTS:
            gr.api(bind(each, services), api_name=each.__name__)
        timer = gr.Timer(POLLING_SECONDS, active=False)
    shown = [notice, job, stop, timer, taught, which, forgetting, checking, language, offers, chosen, offering, using]
    given: list[Any] = [code, rows, upload]
    looking: dict[str, Any] = {"outputs": shown, "queue": False, **QUIET}
    seen = bind(look, services, present=_shown)
    gr.on([tab.select, timer.tick], seen, **looking)
    localised.when_chosen(seen, **looking)
    found = bind(show_check, services, present=_checked)
    checking.click(found, [*given], [report, begin], api_visibility="private", show_progress_on=report)
    # Changed input is checked again before it can be started.
    gr.on([each.change for each in given], lambda: gr.update(interactive=False), None, begin, queue=False, **QUIET)
    code.change(bind(name_of, services), code, named, queue=False, **QUIET)
    begin.click(bind(start, services, present=_shown), [*given, token], shown, **QUIET)
    stop.click(bind(cancel, services, present=_shown), [token], shown, **QUIET)
    learning = bind(start_from_feedback, services, present=_shown)
    learn.click(learning, [chosen, more, rows, upload, token], shown, **QUIET)
    take.click(bind(use, services, present=_shown), [token], shown, **QUIET)
    remove.click(bind(forget, services, present=_shown), [which, token], shown, **QUIET)


def _ask(localised: Localised) -> tuple[gr.Textbox, gr.Textbox, gr.HTML, gr.File]:
    """Return the box for pairs, the one for the language's code, what shows its name, and the file of pairs."""
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
    return rows, code, named, upload


def _offer(localised: Localised) -> tuple[gr.HTML, gr.Column, gr.Dropdown, gr.Button, gr.Checkbox]:
    """Return what shows the languages of the feedback, what holds the choice, the choice, its button, its checkbox."""
    localised.make(gr.HTML, {"value": rendering.feedback_heading}, elem_id="teach-from-intro")
    offers = gr.HTML(elem_id="teach-offers")
    with gr.Column(elem_id="teach-from", visible=False) as offering:
        with gr.Row(elem_id="teach-from-row"):
            chosen = localised.make(
                gr.Dropdown, {"label": "teach_from_which"}, choices=[], value=None, elem_id="teach-from-which"
            )
            learn = localised.make(
                gr.Button, {"value": "teach_from_start"}, variant="primary", elem_id="teach-from-start"
            )
        more = localised.make(gr.Checkbox, {"label": "teach_from_more"}, value=False, elem_id="teach-from-more")
    return offers, offering, chosen, learn, more


def _content(rows: str, upload: str | None, code: str | None) -> str | pair_lists.Pairs:
    """Return what is to be read: a file that is given comes before the rows."""
    return pair_lists.read_file(Path(upload), code) if upload else rows or ""


def _name(code: str) -> str:
    found = languages.describe(code)
    return found.english_name if found.autonym == found.english_name else f"{found.english_name} · {found.autonym}"


def _shown(now: View) -> list[Any]:
    return [
        now.notice,
        now.job,
        gr.update(visible=now.running),
        gr.Timer(active=now.running or now.counting),
        now.taught,
        gr.update(choices=now.forgettable),
        gr.update(visible=bool(now.forgettable)),
        gr.update(interactive=now.available),
        gr.update(choices=now.known),
        now.offers,
        gr.update(choices=now.offered),
        gr.update(visible=bool(now.offered) and now.available),
        gr.update(visible=now.usable),
    ]


def _checked(found: tuple[str, bool]) -> list[Any]:
    html, ready = found
    return [html, gr.update(interactive=ready)]
