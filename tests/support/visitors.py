"""Visitors that ask a running app over HTTP: by words, by sounds, with flags; what they saw is counted."""

from __future__ import annotations

import collections
import dataclasses
import http.client
import json
import random
import threading
import time
import urllib.parse
import uuid

import numpy as np

TOLD = ["auto", 3, None, "", ""]
WORDS = ("dog", "Katze", "mvua", "鐘", "كلب", "bell", "chuva")


class BusyError(Exception):
    """The server politely said that it is busy."""


@dataclasses.dataclass
class Seen:
    """Combined observations of the visitors."""

    seconds: list[float] = dataclasses.field(default_factory=list)
    flags: set[str] = dataclasses.field(default_factory=set)
    problems: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    busy: int = 0

    def table(self) -> str:
        """Return one line of figures."""
        p50, p95 = np.percentile(self.seconds, [50, 95]) if self.seconds else (np.nan, np.nan)
        return (
            f"{len(self.seconds)} answers, p50 {p50:.2f} s, p95 {p95:.2f} s, {len(self.flags)} flags acknowledged, "
            f"{self.busy} busy, {sum(self.problems.values())} problems {dict(self.problems)}"
        )


class Visitor:
    """One open page's worth of requests, one after the other."""

    def __init__(self, url: str, timeout: float = 120.0) -> None:
        place = urllib.parse.urlsplit(url)
        self._place, self._timeout = (place.hostname or "127.0.0.1", place.port or 80), timeout
        self.name = f"visitor-{uuid.uuid4().hex}"

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict | None = None
    ) -> tuple[int, bytes]:
        """Return status and content."""
        connection = http.client.HTTPConnection(*self._place, timeout=self._timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def call(self, endpoint: str, *data: object) -> object:
        """Return what an endpoint answers; a ``str`` that begins with ``error`` is its error."""
        asked = json.dumps({"data": list(data), "session_hash": self.name}).encode()
        status, body = self.request("POST", f"/gradio_api/call/{endpoint}", asked, {"Content-Type": "application/json"})
        if status in (429, 503):
            raise BusyError
        if status != 200:
            return f"error {status}: {body[:200]!r}"
        _, body = self.request("GET", f"/gradio_api/call/{endpoint}/{json.loads(body)['event_id']}")
        event, _, told = body.decode().rstrip().rpartition("\ndata: ")
        if not event.endswith("event: complete"):
            return f"error: {told[:300]}"
        return json.loads(told)[0]

    def patient_call(self, endpoint: str, *data: object) -> object:
        """Like ``call``, but ask again, for a minute, while the server says that it is busy."""
        for _ in range(60):
            try:
                return self.call(endpoint, *data)
            except BusyError:
                time.sleep(1)
        return self.call(endpoint, *data)

    def upload(self, content: bytes, name: str = "a.wav") -> str:
        """Send a file and return where the server put it."""
        head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        status, body = self.request("POST", "/gradio_api/upload", head.encode() + content + b"\r\n--x--\r\n", form)
        if status in (429, 503):
            raise BusyError
        assert status == 200, body
        return json.loads(body)[0]


def words(choose: random.Random) -> str:
    """Return a query: as often one that nobody has asked before as one that many ask."""
    return choose.choice(WORDS) + (f" {choose.randrange(1 << 30)}" if choose.random() < 0.5 else "")


def visit(url: str, seen: Seen, until: float, sound: bytes, seed: int) -> None:
    """Ask and judge until a time (``time.monotonic``)."""
    visitor, choose = Visitor(url), random.Random(seed)
    while time.monotonic() < until:
        begun = time.monotonic()
        try:
            if choose.random() < 0.2:
                path = visitor.upload(sound)
                found = visitor.call("search_audio", {"path": path, "meta": {"_type": "gradio.FileData"}}, *TOLD)
            else:
                found = visitor.call("search_text", words(choose), *TOLD)
                if isinstance(found, dict) and found["hits"]:
                    told = (found["search_id"], found["hits"][0]["clip_id"], "relevant", visitor.name, False, None)
                    flagged = visitor.call("flag", *told)
                    if isinstance(flagged, dict):
                        seen.flags.add(flagged["judgement_id"])
                    else:
                        seen.problems[str(flagged)[:120]] += 1
            if isinstance(found, dict):
                seen.seconds.append(time.monotonic() - begun)
            else:
                seen.problems[str(found)[:120]] += 1
        except BusyError:
            seen.busy += 1
            time.sleep(1)
        except (OSError, http.client.HTTPException, ValueError) as error:  # the last two: an answer that breaks off
            seen.problems[type(error).__name__] += 1
            time.sleep(0.2)


def crowd(url: str, visitors: int, seconds: float, sound: bytes) -> Seen:
    """Let visitors come at once for some time, and return what they saw."""
    seen, until = Seen(), time.monotonic() + seconds
    threads = [
        threading.Thread(target=visit, args=(url, seen, until, sound, number), daemon=True)
        for number in range(visitors)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 180)
    return seen
