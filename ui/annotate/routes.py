"""A person's own answers as a file, and recordings that are queries of questions, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from cacara import working_folders
from cacara.errors import AudioError, CacaraError
from feedback_db import FeedbackError, recording_path
from ui.server.playable import certain_type, decoded
from ui.services.permissions import is_admin

if TYPE_CHECKING:
    from pathlib import Path

    from ui.services.services import Services

MINE = "/media/mine.zip"
CONSENTED = "/media/consented"
OWN_HEADER = "x-cacara"
"""A header that the page's script sends: another site's page could send it only if this server allowed that."""
TOKEN_HEADER = "x-cacara-token"
ADMIN_HEADER = "x-cacara-admin"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "no-store",
}
_PICTURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}


def annotate_routes(services: Services) -> list[Route]:
    """Return the routes, to be given to the server before Gradio's own."""

    async def mine(request: Request) -> Response:
        if OWN_HEADER not in request.headers:
            return PlainTextResponse("only this app's own page may ask for this", status_code=403)
        return await run_in_threadpool(_mine, services, request.headers.get(TOKEN_HEADER, ""))

    async def consented(request: Request) -> Response:
        asked, headers = request.query_params.get("sha256", ""), request.headers
        tokens = headers.get(TOKEN_HEADER, ""), headers.get(ADMIN_HEADER, "")
        return await run_in_threadpool(_consented, services, asked, *tokens)

    return [Route(MINE, mine, methods=["POST"]), Route(CONSENTED, consented)]


def _mine(services: Services, token: str) -> Response:
    try:
        folder = working_folders.make("mine")
    except CacaraError as error:
        return PlainTextResponse(str(error), status_code=500)
    path = folder / "mine.zip"
    try:
        services.feedback.store().export_mine(token, path, services.feedback.recordings)
    except FeedbackError as error:
        working_folders.remove(folder)
        return PlainTextResponse(str(error), status_code=403)
    done = BackgroundTask(working_folders.remove, folder)
    return FileResponse(path, media_type="application/zip", filename="mine.zip", headers=HEADERS, background=done)


def _consented(services: Services, sha256: str, token: str, admin: str) -> Response:
    """Return a recording or a picture that somebody asked with, while its consent stands, to who may have it.

    That is who gave it, who holds a question that asks with it, and the team lead. Strangers are not told whether it
    is there.
    """
    try:
        path = recording_path(services.feedback.recordings, sha256)
        store = services.feedback.store()
        if not store.may_hear(token, sha256) and not is_admin(services, admin):
            message = (
                "this recording is for who gave it, who is asked about it, and the team lead: wanted a token of theirs"
            )
            return PlainTextResponse(message, status_code=403, headers=HEADERS)
        if not store.has_recording(sha256) or not path.is_file():
            return PlainTextResponse("there is no such recording", status_code=404, headers=HEADERS)
        with path.open("rb") as file:
            beginning = file.read(64)
    except FeedbackError as error:
        return PlainTextResponse(str(error), status_code=404, headers=HEADERS)
    kind = next((kind for sign, kind in _PICTURES.items() if beginning.startswith(sign)), certain_type(beginning))
    return FileResponse(path, media_type=kind, headers=HEADERS) if kind else _decoded(path)


def _decoded(path: Path) -> Response:
    """Return a recording that browsers may not play as one that they do; nothing of it stays, as consent may end."""
    folder = working_folders.make("decoded")
    try:
        decoded(path, folder / "decoded.wav")
    except (AudioError, OSError):
        working_folders.remove(folder)
        return FileResponse(path, media_type="application/octet-stream", headers=HEADERS)
    done = BackgroundTask(working_folders.remove, folder)
    return FileResponse(folder / "decoded.wav", media_type="audio/wav", headers=HEADERS, background=done)
