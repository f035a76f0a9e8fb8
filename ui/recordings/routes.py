"""Recordings over HTTP: sent in one stream of bytes, played from any moment on, exported as files.

Gradio's own uploads stay small; only this route takes large ones, counts the bytes while they come, and writes them to
a folder that nothing else reads.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cacara.errors import CacaraError, QueryError
from cacara.recordings.export import FORMATS, export

if TYPE_CHECKING:
    from pathlib import Path

    from ui.services.services import Services

OWN_HEADER = "x-cacara"
"""A page of another origin cannot send it without being allowed to, and it is not."""

MAX_NAME = 200
MAX_DOCUMENT_BYTES = 16 << 20
"""Largest ELAN document that tiers are added to here, some 40,000 annotations; in memory it is much larger."""
LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
}


def sound_url(recording: str) -> str:
    """Return the address of a recording's sound, relative to the page."""
    return f"media/recording?id={urllib.parse.quote(recording, safe='')}"


def export_url(recording: str, suffix: str) -> str:
    """Return the address of a recording's export, relative to the page."""
    return f"media/recording/export?id={urllib.parse.quote(recording, safe='')}&format={urllib.parse.quote(suffix)}"


def recording_routes(services: Services) -> list[Route]:
    """Return the routes, to be given to the server before Gradio's own."""

    async def send(request: Request) -> Response:
        try:
            _require_own_page(request)
            return JSONResponse(await _receive(services, request))
        except CacaraError as error:
            return JSONResponse({"problem": str(error)}, status_code=400, headers=HEADERS)

    async def open_local(request: Request) -> Response:
        try:
            _require_own_page(request)
            _require_this_machine(request)
            name = request.query_params.get("name", "")
            recording = await run_in_threadpool(services.recordings.add_local, name)
            return JSONResponse({"recording": recording, "name": services.recordings.get(recording).name})
        except CacaraError as error:
            return JSONResponse({"problem": str(error)}, status_code=400, headers=HEADERS)

    async def sound(request: Request) -> Response:
        return await run_in_threadpool(_sound, services, request)

    async def exported(request: Request) -> Response:
        try:
            return await run_in_threadpool(_exported, services, request)
        except CacaraError as error:
            return PlainTextResponse(str(error), status_code=404)

    one_by_one = asyncio.Lock()

    async def added(request: Request) -> Response:
        try:
            _require_own_page(request)
            document = await _document(request)
            async with one_by_one:
                return await run_in_threadpool(_exported, services, request, document)
        except CacaraError as error:
            return JSONResponse({"problem": str(error)}, status_code=400, headers=HEADERS)

    return [
        Route("/media/recording", send, methods=["POST"]),
        Route("/media/recording/local", open_local, methods=["POST"]),
        Route("/media/recording", sound),
        Route("/media/recording/export", exported),
        Route("/media/recording/export", added, methods=["POST"]),
    ]


async def _receive(services: Services, request: Request) -> dict[str, str]:
    declared = request.headers.get("content-length", "")
    if not declared.isdecimal():
        raise QueryError("the request does not say how long it is; wanted a Content-Length")
    size = int(declared)
    path = await run_in_threadpool(services.recordings.new_file, size)
    try:
        await _write(request, path, size)
    except ClientDisconnect as error:
        path.unlink(missing_ok=True)
        raise QueryError("the connection was closed before all was sent") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    name = request.query_params.get("name", "")[:MAX_NAME] or "recording"
    name = name.replace("\\", "/").rpartition("/")[2] or "recording"
    return {"recording": services.recordings.add(name, path), "name": name}


async def _write(request: Request, path: Path, size: int) -> None:
    taken = 0
    with path.open("xb") as file:
        async for chunk in request.stream():
            taken += len(chunk)
            if taken > size:
                raise QueryError(f"more than the {size} bytes came that were announced")
            await run_in_threadpool(file.write, chunk)
    if taken < size:
        raise QueryError(f"{taken} of {size} bytes came")


def _require_own_page(request: Request) -> None:
    if OWN_HEADER not in request.headers:
        raise QueryError("recordings are sent from the app's own page")


def _require_this_machine(request: Request) -> None:
    """Refuse who comes from elsewhere, also by a name that was made to point at this machine."""
    client = request.client.host if request.client else ""
    if client not in LOCAL_HOSTS or request.url.hostname not in LOCAL_HOSTS:
        raise QueryError("files of this machine are opened from this machine only")


def _sound(services: Services, request: Request) -> Response:
    try:
        opened = services.recordings.get(request.query_params.get("id", ""))
    except CacaraError as error:
        return PlainTextResponse(str(error), status_code=404)
    if opened.phase != "ready" or not opened.copy.is_file():
        return PlainTextResponse("the recording is not ready to be played", status_code=404)
    return FileResponse(opened.copy, media_type="audio/wav", headers=HEADERS)


def _exported(services: Services, request: Request, existing: bytes | None = None) -> Response:
    """Return the file of a format; with an ELAN document of the recording, that document with the tiers added.

    Raises:
        QueryError: The recording is not open, nothing was searched for in it, or there is no such format or document.
    """
    suffix = request.query_params.get("format", "")
    opened = services.recordings.get(request.query_params.get("id", ""))
    seconds = opened.timeline.seconds if opened.timeline else 0.0
    made = export(suffix, opened.name, seconds, list(opened.searches.values()), existing)
    name = urllib.parse.quote(f"{opened.name.rpartition('.')[0] or opened.name}{suffix}", safe="")
    disposition = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(made, media_type=FORMATS.get(suffix, "text/plain"), headers=HEADERS | disposition)


async def _document(request: Request) -> bytes:
    """Return the ELAN document that was sent.

    Raises:
        QueryError: It is too large, or has not come whole.
    """
    document = bytearray()
    try:
        async for chunk in request.stream():
            document += chunk
            if len(document) > MAX_DOCUMENT_BYTES:
                raise QueryError(f"the ELAN document is too large; wanted up to {MAX_DOCUMENT_BYTES >> 20} MiB")
    except ClientDisconnect as error:
        raise QueryError("the connection was closed before all was sent") from error
    return bytes(document)
