"""The fonts over HTTP. Fonts that are missing are fetched in the background when a page first asks."""

from __future__ import annotations

import logging
import threading

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from cacara import sources
from cacara.errors import SourceError
from ui.page.fonts import faces

LASTING = "public, max-age=31536000, immutable"
logger = logging.getLogger(__name__)


def font_routes() -> list[Route]:
    """Return the routes, to be given to the server before Gradio's own."""
    fetching = threading.Lock()

    async def stylesheet(request: Request) -> Response:
        made = await run_in_threadpool(faces.stylesheet)
        missing = [key for key in faces.keys() if sources.find(key) is None]
        if missing and fetching.acquire(blocking=False):
            threading.Thread(target=_fetch, args=(missing, fetching), name="fonts", daemon=True).start()
        keep = "no-cache" if missing else "public, max-age=86400"
        return Response(made, media_type="text/css", headers={"Cache-Control": keep})

    async def font(request: Request) -> Response:
        path = faces.file(request.path_params["key"], request.path_params["name"])
        if path is None:
            return PlainTextResponse("no such font", status_code=404)
        return FileResponse(path, media_type="font/woff2", headers={"Cache-Control": LASTING})

    return [Route("/fonts/faces.css", stylesheet), Route("/fonts/{key}/{name}", font)]


def _fetch(missing: list[str], fetching: threading.Lock) -> None:
    """Fetch fonts; one that cannot be had leaves its script to the visitor's own fonts. The lock stays shut then."""
    try:
        sources.fetch_all(missing)
    except SourceError as error:
        logger.warning("fonts are missing, the visitors' own are used: %s", error)
        return
    fetching.release()
