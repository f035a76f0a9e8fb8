"""The sounds and pictures of the gallery over HTTP: by clip id, so that no path is requested or revealed."""

from __future__ import annotations

import logging
import mimetypes
import threading
import urllib.parse
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from cacara import sources
from cacara.errors import CacaraError, SourceError
from ui.server import waveforms
from ui.server.playable import PlayableCopies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cacara.galleries.manifest import Clip
    from ui.services.services import Services

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # A picture may be an SVG, and one opened by its address must not run scripts here.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cache-Control": "private, max-age=3600",
}


_fetching = threading.Lock()
logger = logging.getLogger(__name__)


def sound_url(clip_id: str) -> str:
    """Return the address of a clip's sound, relative to the page."""
    return f"media/sound?clip={urllib.parse.quote(clip_id, safe='')}"


def picture_url(clip_id: str) -> str:
    """Return the address of a clip's picture, relative to the page."""
    return f"media/picture?clip={urllib.parse.quote(clip_id, safe='')}"


def waveform_url(clip_id: str) -> str:
    """Return the address of a drawing of a clip's sound, relative to the page."""
    return f"media/waveform?clip={urllib.parse.quote(clip_id, safe='')}"


def media_routes(services: Services) -> list[Route]:
    """Return the routes, to be given to the server before Gradio's own."""
    copies = PlayableCopies()

    async def sound(request: Request) -> Response:
        return await run_in_threadpool(_answer, services, request, lambda clip: _sound(copies, clip))

    async def picture(request: Request) -> Response:
        return await run_in_threadpool(_answer, services, request, _picture)

    async def waveform(request: Request) -> Response:
        return await run_in_threadpool(_answer, services, request, _waveform)

    return [
        Route("/media/sound", sound),
        Route("/media/picture", picture),
        Route("/media/waveform", waveform),
    ]


def _answer(services: Services, request: Request, send: Callable[[Clip], Response]) -> Response:
    try:
        clip = services.retriever().clip(request.query_params.get("clip", ""))
        return send(clip)
    except CacaraError as error:
        return PlainTextResponse(str(error), status_code=404)


def _sound(copies: PlayableCopies, clip: Clip) -> Response:
    if clip.kind == "image":
        return PlainTextResponse(f"{clip.clip_id} is a picture", status_code=404)
    if not clip.path.is_file():
        return _gone(clip.path)
    try:
        served = copies.of(clip.path)
    except OSError as error:
        logger.warning("a sound cannot be sent: %s", error)
        return PlainTextResponse("the sound cannot be sent: the disk is full, or it went meanwhile", status_code=503)
    return FileResponse(served.path, media_type=served.media_type, headers=HEADERS)


def _waveform(clip: Clip) -> Response:
    if clip.kind == "image":
        return PlainTextResponse(f"{clip.clip_id} is a picture", status_code=404)
    return Response(waveforms.drawing(clip), media_type="image/svg+xml", headers=HEADERS)


def _picture(clip: Clip) -> Response:
    if clip.image_path is None:
        return PlainTextResponse(f"the clip {clip.clip_id} has no picture", status_code=404)
    return _file(clip.image_path)


def _file(path: Path) -> Response:
    if not path.is_file():
        return _gone(path)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return FileResponse(path, media_type=kind, headers=HEADERS)


def _gone(path: Path) -> Response:
    """Say that a file is no longer there; one of the cache, which may be emptied while the app runs, comes again."""
    key = sources.holder_of(path)
    if key is None:
        return PlainTextResponse("the file is no longer there", status_code=404)
    if _fetching.acquire(blocking=False):
        threading.Thread(target=_fetch, args=(key,), name="fetch", daemon=True).start()
    message = "the file went with the cache and is being fetched again; try again in a minute"
    return PlainTextResponse(message, status_code=503, headers={"Retry-After": "60"})


def _fetch(key: str) -> None:
    try:
        sources.fetch(key)
    except SourceError as error:
        logger.error("what went with the cache cannot be fetched again: %s", error)
    finally:
        _fetching.release()
