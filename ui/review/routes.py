"""Export and import of feedback over HTTP, for the team lead alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cacara import working_folders
from cacara.errors import CacaraError
from feedback_db import FeedbackError, Record
from feedback_db.exchange.export import anonymised, export
from feedback_db.exchange.importing import read_file
from ui.annotate.routes import HEADERS, OWN_HEADER, TOKEN_HEADER
from ui.page.wording import wording_of
from ui.review import rendering
from ui.review.rendering import FORMATS, MOST_BAD_ROWS
from ui.services.permissions import refusal

if TYPE_CHECKING:
    from ui.services.services import Services

EXPORT = "/media/feedback-export"
IMPORT = "/media/feedback-import"
MAX_IMPORT_BYTES = 50 * 2**20
MAX_ROWS = 200_000


def review_routes(services: Services) -> list[Route]:
    """Return the routes, to be given to the server before Gradio's own."""

    async def give(request: Request) -> Response:
        return await run_in_threadpool(_export, services, request.headers, dict(request.query_params))

    async def take(request: Request) -> Response:
        refused = await run_in_threadpool(_refusal, services, request.headers)
        if refused is not None:  # before its body is read
            return refused
        own = services.speaking(wording_of(request))
        with working_folders.made("import") as folder:
            kind = request.query_params.get("kind", "")
            path = folder / f"rows.{kind if kind in FORMATS else 'unknown'}"
            taken = 0
            with path.open("wb") as file:
                async for part in request.stream():
                    taken += len(part)
                    if taken > MAX_IMPORT_BYTES:
                        found = f"found more than {MAX_IMPORT_BYTES:,} bytes, wanted at most that; split the file"
                        return PlainTextResponse(found, status_code=413)
                    file.write(part)
            return await run_in_threadpool(_import, own, path, dict(request.query_params))

    return [Route(EXPORT, give, methods=["POST"]), Route(IMPORT, take, methods=["POST"])]


def _refusal(services: Services, headers: Any) -> Response | None:  # noqa: ANN401 - starlette's Headers
    if OWN_HEADER not in headers:
        return PlainTextResponse("only this app's own page may ask for this", status_code=403)
    problem = refusal(services, headers.get(TOKEN_HEADER, ""))
    return PlainTextResponse(problem, status_code=403) if problem else None


def _export(services: Services, headers: Any, asked: dict[str, str]) -> Response:  # noqa: ANN401 - as above
    refused = _refusal(services, headers)
    if refused is not None:
        return refused
    form = asked.get("format", "")
    if form not in FORMATS:
        return PlainTextResponse(f"format: found {form!r:.40}, wanted {', '.join(FORMATS)}", status_code=400)
    try:
        folder = working_folders.make("export")
    except CacaraError as error:
        return PlainTextResponse(str(error), status_code=500)
    path = folder / f"feedback.{form}"
    try:
        records = export_records(services, asked.get("campaign", ""), asked.get("which") == "all")
        export(anonymised(records) if asked.get("anonymous") == "yes" else records, path, form)
    except FeedbackError as error:
        working_folders.remove(folder)
        return PlainTextResponse(str(error), status_code=500)
    done = BackgroundTask(working_folders.remove, folder)
    return FileResponse(path, filename=path.name, headers=HEADERS, background=done)


def export_records(services: Services, campaign_id: str, everything: bool) -> list[Record]:
    """Return what is exported: what counts now, or everything but people's tokens; of one campaign or of all.

    Args:
        services: The app's services.
        campaign_id: The campaign; empty for all.
        everything: Also what was changed or taken back, and the campaigns with their questions.
    """
    store = services.feedback.store()
    wanted = campaign_id or None
    if not everything:
        found: list[Record] = [*store.current_judgements(wanted), *store.current_captions(wanted)]
        return [*found, *store.current_preferences(wanted), *store.current_adjudications(wanted)]
    records = store.records()
    if wanted is None:
        return records
    return [record for record in records if getattr(record, "campaign_id", None) == wanted]


def _import(services: Services, path: Path, asked: dict[str, str]) -> Response:
    words = services.words
    try:
        read = read_file(path)
        if len(read.records) > MAX_ROWS:
            raise FeedbackError(f"found {len(read.records):,} rows, wanted at most {MAX_ROWS:,}; split the file")
        skip_bad = asked.get("skip_bad") == "yes"
        problems = list(read.problems)
        new = known = 0
        if skip_bad or not problems:
            added = services.feedback.store().add_records([record for _, record in read.records], skip_bad=skip_bad)
            problems += [(read.records[place][0], problem) for place, problem in added.refused.items()]
            new, known = added.new, added.known
    except FeedbackError as error:
        # The file's own name is the visitor's; that of the copy tells them nothing.
        return PlainTextResponse(str(error).replace(str(path), "the file"), status_code=400)
    problems.sort()
    html = rendering.imported(new, known, problems, words)
    outcome = {"new": new, "known": known, "problems": problems[:MOST_BAD_ROWS], "html": html}
    return JSONResponse(outcome, headers=HEADERS)
