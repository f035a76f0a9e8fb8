"""A stand-in for the Hugging Face Hub: its HTTP API over repositories in memory, for the real client."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)/(revision|tree|preupload|commit)/([^/?]+)")
_FILE = re.compile(r"(?:/(datasets))?/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class Hub(ThreadingHTTPServer):
    """Repositories by kind and name: ``repositories["models/lab/dogs"]["config.json"]`` is a file's content."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.repositories: dict[str, dict[str, bytes]] = {}

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def commit_of(self, repository: str) -> str:
        """The 40 hex digits of a repository's state."""
        state = sorted(
            (name, hashlib.sha1(content).hexdigest()) for name, content in self.repositories[repository].items()
        )
        return hashlib.sha1(json.dumps(state).encode()).hexdigest()


@contextlib.contextmanager
def serving() -> Iterator[Hub]:
    """Serve an empty Hub until the end."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


class _Requests(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in (
            {"Content-Length": str(len(content)), "Content-Type": "application/json"} | headers
        ).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _json(self, value: object, status: int = 200, **headers: str) -> None:
        self._answer(status, json.dumps(value).encode(), **headers)

    def _missing(self, code: str) -> None:
        self._json({"error": "not found"}, 404, X_Error_Code=code)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_GET(self) -> None:  # noqa: N802
        path = unquote(urlsplit(self.path).path)
        if api := _API.fullmatch(path):
            self._describe(*api.groups())
        elif file := _FILE.fullmatch(path):
            self._file(*file.groups())
        else:
            self._missing("RepoNotFound")

    do_HEAD = do_GET

    def _known(self, repository: str, revision: str) -> bool:
        if repository not in self.server.repositories:
            self._missing("RepoNotFound")
        elif revision not in {"main", self.server.commit_of(repository)}:
            self._missing("RevisionNotFound")
        else:
            return True
        return False

    def _describe(self, kind: str, name: str, what: str, revision: str) -> None:
        repository = f"{kind}/{name}"
        if not self._known(repository, revision):
            return
        files = self.server.repositories[repository]
        if what == "tree":
            rows = [
                {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for path, content in files.items()
            ]
            self._json(rows)
        else:
            siblings = [{"rfilename": path, "size": len(content)} for path, content in files.items()]
            self._json({"id": name, "sha": self.server.commit_of(repository), "siblings": siblings, "private": False})

    def _file(self, datasets: str | None, name: str, revision: str, path: str) -> None:
        repository = f"{datasets or 'models'}/{name}"
        if not self._known(repository, revision):
            return
        content = self.server.repositories[repository].get(path)
        if content is None:
            self._missing("EntryNotFound")
            return
        etag = f'"{hashlib.sha1(content).hexdigest()}"'
        commit = self.server.commit_of(repository)
        self._answer(200, content, ETag=etag, X_Repo_Commit=commit, Content_Type="application/octet-stream")

    def do_POST(self) -> None:  # noqa: N802
        path, body = unquote(urlsplit(self.path).path), self._body()
        if path == "/api/repos/create":
            sent = json.loads(body)
            name = f"{sent['organization']}/{sent['name']}" if sent.get("organization") else sent["name"]
            self.server.repositories.setdefault(f"{sent.get('type') or 'model'}s/{name}", {})
            self._json({"url": f"{self.server.url}/{name}"})
        elif path == "/api/validate-yaml":
            self._json({"warnings": [], "errors": []})
        elif (api := _API.fullmatch(path)) and api[3] == "preupload":
            files = json.loads(body)["files"]
            self._json({"files": [{**file, "uploadMode": "regular", "shouldIgnore": False} for file in files]})
        elif (api := _API.fullmatch(path)) and api[3] == "commit":
            repository = f"{api[1]}/{api[2]}"
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    content = base64.b64decode(entry["value"]["content"])
                    self.server.repositories[repository][entry["value"]["path"]] = content
            oid = self.server.commit_of(repository)
            self._json({"success": True, "commitOid": oid, "commitUrl": f"{self.server.url}/{api[2]}/commit/{oid}"})
        else:
            self._missing("RepoNotFound")
