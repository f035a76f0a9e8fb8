"""The drawing library over HTTP, out of the plotly package, so that no other machine is asked for it."""

from __future__ import annotations

import functools
import gzip
from importlib import resources

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ADDRESS = "/media/plotly.js"


def plotly_route() -> Route:
    """Return the route, to be given to the server before Gradio's own."""
    return Route(ADDRESS, _plotly)


async def _plotly(request: Request) -> Response:
    packed = "gzip" in request.headers.get("accept-encoding", "")
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, max-age=86400",
        "Vary": "Accept-Encoding",
        **({"Content-Encoding": "gzip"} if packed else {}),
    }
    content = await run_in_threadpool(_packed if packed else _plain)
    return Response(content, media_type="text/javascript", headers=headers)


def _plain() -> bytes:
    return (resources.files("plotly") / "package_data" / "plotly.min.js").read_bytes()


@functools.cache
def _packed() -> bytes:
    return gzip.compress(_plain(), 6, mtime=0)  # 4.8 MB become 1.5
