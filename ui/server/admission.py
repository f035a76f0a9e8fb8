"""Admission of requests, before Gradio's routes and ours.

It refuses names that another site made to point at this machine, requests that another site's page sends, strangers
where ``--auth`` is set, requests that are too large, too deep, too slow or too many, and routes of Gradio that this app
has no use for.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import hmac
import ipaddress
import json
import math
import re
import secrets
import shutil
import tempfile
import urllib.parse
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

from cacara.errors import CacaraError
from ui.server.limits import BURST_SECONDS, HOUR, MINUTE, Allowance, Limits, OpenCounter

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MIN_PASSWORD = 8
MAX_DEPTH = 50
"""Lists and objects inside each other; what the page and programs send has fewer than ten."""
WRONG_PASSWORDS_PER_MINUTE = 10

# Of Gradio: pages of its own statistics and editors, fetching from other servers, and writing without a bound.
_CLOSED = re.compile(
    r"/(?:gradio_api/)?(?:monitoring|runs?-history|runs(?:/|$)|proxy=|dev/|vibe-|undo-vibe|deep_link|process_recording|"
    r"profiling|custom_component/)"
)
_ASKING = re.compile(r"/gradio_api/(?:queue/join|run/|api/|call/|component_server|upload)|/media/")
_UPLOADS = ("/gradio_api/upload", "/media/recording", "/media/recording/export")
_STARTING = "/gradio_api/startup-events"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_SESSION = re.compile(rb'"session_hash"\s*:\s*"([^"\\]{1,100})"')
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[{\]}]")
_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}


class Credentials:
    """Names and passwords, kept as salted hashes; it never shows them."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        """Take passwords by name."""
        self._salt = secrets.token_bytes(16)
        self._nobody = secrets.token_bytes(32)
        self._digests = {name: self._digest(password) for name, password in passwords.items()}

    def __repr__(self) -> str:
        return f"Credentials({len(self._digests)} people)"

    def fit(self, header: str) -> bool:
        """Return whether an ``Authorization`` header holds a name and its password."""
        scheme, _, value = header.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            name, _, password = base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")
        except ValueError:
            return False
        # An unknown name costs the same time as a known one.
        return hmac.compare_digest(self._digests.get(name, self._nobody), self._digest(password))

    def _digest(self, password: str) -> bytes:
        return hashlib.sha256(self._salt + password.encode("utf-8", "replace")).digest()


@dataclasses.dataclass(frozen=True)
class AdmissionRules:
    """Rules of admission.

    Attributes:
        names: The names under which the page may be asked for; None for any, where other machines reach it.
        credentials: Names and passwords of those who may enter; None for everybody.
        framed: Other sites may show the page in a frame, as a Space does.
        limits: Limits of each visitor.
    """

    names: Collection[str] | None = LOOPBACK
    credentials: Credentials | None = None
    framed: bool = False
    limits: Limits = dataclasses.field(default_factory=Limits)


def read_credentials(content: str) -> Credentials:
    """Return the credentials of a text with a line ``name:password`` for each person.

    Raises:
        CacaraError: A line is no such thing, or a password is too short; names the line and none of its text.
    """
    passwords = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        name, colon, password = line.strip().partition(":")
        if not name or not colon or len(password) < MIN_PASSWORD:
            raise CacaraError(f"line {number}: wanted name:password, the password of {MIN_PASSWORD} characters or more")
        passwords[name] = password
    if not passwords:
        raise CacaraError("there is nobody in it; wanted a line name:password for each person")
    return Credentials(passwords)


def read_credentials_file(path: Path) -> Credentials:
    """Return the credentials of a file.

    Raises:
        CacaraError: It cannot be read, or as in ``read_credentials``.
    """
    try:
        return read_credentials(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise CacaraError(f"{path} cannot be read: {reason}") from error


class _RefusedError(Exception):
    """A refused request: status, message and headers."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class AdmissionMiddleware:
    """The ASGI middleware."""

    def __init__(self, app: ASGIApp, rules: AdmissionRules) -> None:
        """Stand before an app.

        Args:
            app: The app that answers admitted requests.
            rules: The rules.
        """
        limits = rules.limits
        self._app = app
        self._rules = rules
        self._limits = limits
        self._open = OpenCounter(limits.address_open)
        burst = BURST_SECONDS / MINUTE
        self._sessions = Allowance(limits.session_per_minute, MINUTE, max(1, limits.session_per_minute * burst))
        self._addresses = Allowance(limits.address_per_minute, MINUTE, max(1, limits.address_per_minute * burst))
        self._bytes = Allowance(limits.address_upload_mb_per_hour << 20, HOUR)
        self._wrong = Allowance(WRONG_PASSWORDS_PER_MINUTE, MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: refuse it, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks over web sockets
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        address = _address(scope, headers, self._limits.proxies)
        entered = False
        try:
            self._check_sender(scope, headers, address)
            if not (entered := self._open.enter(address)):
                raise _busy(scope["path"], 5.0, "too many requests of yours are open")
            receive = await self._check_content(scope, headers, address, _timed(receive, self._limits.idle_seconds))
            await self._app(scope, receive, self._with_headers(send))
        except _RefusedError as refused:
            content = {"detail": str(refused), "problem": str(refused)}
            answer = JSONResponse(content, status_code=refused.status, headers=refused.headers)
            await answer(scope, receive, self._with_headers(send))
        finally:
            if entered:
                self._open.leave(address)

    def _check_sender(self, scope: Scope, headers: Headers, address: str) -> None:
        """Refuse by what is known before the request's content."""
        path, method, names = scope["path"], scope["method"], self._rules.names
        if names is not None:
            if _hostname(headers.get("host", "")) not in names:
                raise _RefusedError(
                    421, "this name is not known here; wanted the address that the app told at its start"
                )
            if method not in _SAFE_METHODS and "origin" in headers and _hostname(headers["origin"]) not in names:
                raise _RefusedError(403, "another site's page may not ask for this")
        if headers.get("sec-fetch-site") == "cross-site" and (
            method not in _SAFE_METHODS or headers.get("sec-fetch-mode") == "cors"
        ):
            raise _RefusedError(403, "another site's page may not ask for this")
        if self._rules.credentials is not None and path != _STARTING:
            self._check_password(headers, address)
        if _CLOSED.match(path):
            raise _RefusedError(404, "there is nothing here")

    def _check_password(self, headers: Headers, address: str) -> None:
        assert self._rules.credentials is not None
        given = headers.get("authorization", "")
        if not given:  # a browser asks its visitor only when it was told to
            raise _RefusedError(401, "wanted a name and a password", {"WWW-Authenticate": _CHALLENGE})
        if wait := self._wrong.wait(address):  # a right one is not told from a wrong one now
            raise _RefusedError(429, "too many wrong passwords; wait a minute", _after(wait))
        if not self._rules.credentials.fit(given):
            self._wrong.take(address)
            raise _RefusedError(401, "the name or the password is wrong", {"WWW-Authenticate": _CHALLENGE})

    async def _check_content(self, scope: Scope, headers: Headers, address: str, receive: Receive) -> Receive:
        """Refuse what is too much or too many, and return what the content is read from."""
        path = scope["path"]
        if scope["method"] in _SAFE_METHODS:
            return receive
        if _ASKING.match(path) and (wait := self._addresses.take(address)):
            raise _busy(path, wait, "too many questions of your address in a short time")
        if path.rstrip("/") in _UPLOADS:
            self._check_upload(path, headers, address)
            return receive
        body = await _read(receive, self._limits.json_mb << 20)
        if _depth(body) > MAX_DEPTH:
            raise _RefusedError(400, f"the question has more than {MAX_DEPTH} lists inside each other; wanted fewer")
        _refuse_addresses(body)
        sessions = _SESSION.findall(body)
        if _ASKING.match(path) and sessions and (wait := self._sessions.take(sessions[-1].decode("utf-8", "replace"))):
            raise _busy(path, wait, "too many questions of this page in a short time")
        return _replayed(body, receive)

    def _check_upload(self, path: str, headers: Headers, address: str) -> None:
        declared = headers.get("content-length", "")
        if not declared.isdecimal() or len(declared) > 15:
            raise _RefusedError(411, "the request does not say how long it is; wanted a Content-Length")
        size = int(declared)
        if path.startswith(_UPLOADS[0]) and size > self._limits.upload_mb << 20:
            raise _RefusedError(413, f"the request has {size >> 20} MiB; wanted at most {self._limits.upload_mb}")
        if shutil.disk_usage(tempfile.gettempdir()).free < size + (self._limits.spare_disk_mb << 20):
            raise _RefusedError(507, "the disk of this machine is too full for this; try again later")
        if wait := self._bytes.take(address, size):
            raise _busy(path, wait, "too much was sent from your address within an hour")

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not self._rules.framed:
                    headers.setdefault("X-Frame-Options", "SAMEORIGIN")
            await send(message)

        return sending


_CHALLENGE = 'Basic realm="CACARA Studio", charset="UTF-8"'


def _busy(path: str, wait: float, why: str) -> _RefusedError:
    # Gradio's page and client know 503 as "busy, please try again".
    status = 503 if path.startswith("/gradio_api/") else 429
    seconds = max(1, math.ceil(wait))
    return _RefusedError(status, f"the app is busy: {why}; try again in {seconds} seconds", _after(wait))


def _after(wait: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(wait)))}


def _hostname(place: str) -> str:
    """Return the name in a ``Host`` or ``Origin`` header, in lower case, or the empty string."""
    try:
        return urllib.parse.urlsplit(place if "://" in place else f"//{place}").hostname or ""
    except ValueError:
        return ""


def _address(scope: Scope, headers: Headers, proxies: int) -> str:
    """Return who asks; of IPv6 the first half, as one visitor has all of the other."""
    found = scope["client"][0] if scope.get("client") else ""
    forwarded = [each.strip() for each in headers.get("x-forwarded-for", "").split(",") if each.strip()]
    if proxies and len(forwarded) >= proxies:
        found = forwarded[-proxies]
    try:
        parsed = ipaddress.ip_address(found)
    except ValueError:
        return found[:100]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def _timed(receive: Receive, idle_seconds: float) -> Receive:
    """Return what ends a request whose content does not come."""
    complete = False

    async def receiving() -> Message:
        nonlocal complete
        if complete:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), idle_seconds)
        except TimeoutError:
            return {"type": "http.disconnect"}
        complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return receiving


async def _read(receive: Receive, most: int) -> bytes:
    pieces, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise _RefusedError(408, "the request did not come to its end")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > most:
            raise _RefusedError(413, f"the question has more than {most >> 20} MiB; wanted at most that")
        more = message.get("more_body", False)
    return b"".join(pieces)


def _replayed(body: bytes, receive: Receive) -> Receive:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return messages.pop() if messages else await receive()

    return receiving


def _refuse_addresses(body: bytes) -> None:
    """Refuse a question with a file that this server would have to fetch from elsewhere; files are sent here."""
    if b"path" not in body and b"\\u" not in body:
        return
    try:
        left = [json.loads(body)]
    except (ValueError, RecursionError):
        return  # it is refused as no JSON, or is a form, whose files are sent here
    while left:
        value = left.pop()
        if isinstance(value, list):
            left.extend(value)
        elif isinstance(value, dict):
            if isinstance(value.get("path"), str) and _ADDRESS.match(value["path"]):
                raise _RefusedError(400, "a file is named by an address; wanted one that was uploaded here")
            left.extend(value.values())


def _depth(body: bytes) -> int:
    """Return how many brackets of a JSON text stand inside each other."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", body)):
        depth += 1 if bracket.group() in b"[{" else -1
        deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:
            break
    return deepest
