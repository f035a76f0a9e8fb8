"""Names, sites, passwords, amounts: what is refused before a request reaches Gradio or us."""

from __future__ import annotations

import asyncio
import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from cacara.errors import CacaraError
from ui.server.admission import MAX_DEPTH, AdmissionMiddleware, AdmissionRules, read_credentials, read_credentials_file
from ui.server.limits import Allowance, Limits, OpenCounter

PASSWORD = "correct horse"


async def echo(request: Request) -> JSONResponse:
    body = await request.body()
    return JSONResponse({"bytes": len(body)})


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("page")


def made(rules: AdmissionRules) -> Starlette:
    routes = [
        Route("/", page),
        Route("/gradio_api/queue/join", echo, methods=["POST"]),
        Route("/gradio_api/upload", echo, methods=["POST"]),
        Route("/media/recording", echo, methods=["POST"]),
        Route("/{rest:path}", page),
    ]
    return Starlette(routes=routes, middleware=[Middleware(AdmissionMiddleware, rules=rules)])


def ask(app, path="/", method="GET", body=b"", headers=None, client="10.0.0.1", pieces=None):
    """Ask an ASGI app as a server would; return status, headers and content."""
    sent = {"host": "localhost:7860"} | (headers or {})
    if body:
        sent.setdefault("content-length", str(len(body)))
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "client": (client, 1),
        "server": ("127.0.0.1", 7860),
    }
    messages = pieces or [{"type": "http.request", "body": body, "more_body": False}]
    found = {"body": b""}

    async def receive():
        if messages:
            return messages.pop(0)
        await asyncio.sleep(3600)

    async def send(message):
        if message["type"] == "http.response.start":
            found["status"] = message["status"]
            found["headers"] = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            found["body"] += message.get("body", b"")

    with ThreadPoolExecutor(1) as thread:  # of its own, as the browser tests leave a loop running in this one
        thread.submit(lambda: asyncio.run(app(scope, receive, send))).result()
    return found["status"], found["headers"], found["body"]


def question(session="abc", **fields):
    return json.dumps({"data": ["dog"], "session_hash": session} | fields).encode()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:7860", "[::1]:7860", "LOCALHOST:1"])
def test_the_page_is_served_under_the_names_of_this_machine(host):
    assert ask(made(AdmissionRules()), headers={"host": host})[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:7860", "", "[", "a@b"]
)
def test_a_name_that_was_made_to_point_here_is_refused(host):
    status, _, body = ask(made(AdmissionRules()), headers={"host": host})
    assert status == 421
    assert b"evil" not in body


def test_a_page_that_other_machines_reach_is_served_under_any_name():
    assert ask(made(AdmissionRules(names=None)), headers={"host": "studio.example"})[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost.evil.example"])
def test_another_sites_page_cannot_ask(origin):
    headers = {"origin": origin, "content-type": "application/json"}
    assert ask(made(AdmissionRules()), "/gradio_api/queue/join", "POST", question(), headers)[0] == 403
    own = headers | {"origin": "http://127.0.0.1:7860"}
    assert ask(made(AdmissionRules()), "/gradio_api/queue/join", "POST", question(), own)[0] == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_sites_script_cannot_ask_a_public_page_either(method):
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
    assert ask(made(AdmissionRules(names=None)), "/gradio_api/queue/join", method, question(), headers)[0] == 403
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert ask(made(AdmissionRules(names=None)), headers=followed)[0] == 200, "a link from another site"


@pytest.mark.parametrize(
    "path",
    [
        "/monitoring",
        "/monitoring/summary",
        "/gradio_api/proxy=http://127.0.0.1:22/",
        "/gradio_api/vibe-code",
        "/gradio_api/dev/reload",
        "/gradio_api/deep_link",
        "/gradio_api/process_recording",
        "/gradio_api/run-history/records",
        "/runs",
        "/gradio_api/profiling/traces",
    ],
)
def test_routes_of_gradio_that_nobody_needs_are_closed(path):
    assert ask(made(AdmissionRules()), path)[0] == 404


def test_routes_of_ours_are_open():
    for path in ("/media/sound", "/gradio_api/run/predict", "/fonts/faces.css", "/gradio_api/info"):
        assert ask(made(AdmissionRules()), path)[0] == 200


def basic(text):
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    "path", ["/", "/media/sound", "/media/recording", "/gradio_api/queue/join", "/monitoring", "/x"]
)
def test_with_auth_nothing_is_answered_without_a_password(path):
    app = made(AdmissionRules(credentials=read_credentials(f"ana:{PASSWORD}")))
    for method in ("GET", "POST", "HEAD"):
        status, headers, _ = ask(app, path, method)
        assert status == 401
        assert headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (basic(f"ana:{PASSWORD}"), 200),
        (basic("ana:wrong password"), 401),
        (basic(f"eve:{PASSWORD}"), 401),
        (basic(f"ana:{PASSWORD} "), 401),
        (basic("ana"), 401),
        ({"authorization": "Bearer x"}, 401),
        ({"authorization": "Basic \u00e9\u00e9"}, 401),
        ({"authorization": "Basic ====="}, 401),
    ],
)
def test_the_right_name_with_its_password_alone_opens(header, status):
    app = made(AdmissionRules(credentials=read_credentials(f"ana:{PASSWORD}\n\nben:another one")))
    assert ask(app, headers=header)[0] == status


def test_who_guesses_passwords_is_stopped_even_with_the_right_one_and_others_are_not():
    app = made(AdmissionRules(credentials=read_credentials(f"ana:{PASSWORD}")))
    tried = [ask(app, headers=basic(f"ana:guess {number}"))[0] for number in range(12)]
    assert tried == [401] * 10 + [429] * 2
    assert ask(app, headers=basic(f"ana:{PASSWORD}"))[0] == 429
    assert ask(app, headers=basic(f"ana:{PASSWORD}"), client="10.0.0.2")[0] == 200


@pytest.mark.parametrize("text", ["ana", "ana:", ":long enough", "ana:short", "", "\n\n", f"ana:{PASSWORD}\nben"])
def test_bad_credentials_are_told_by_line_and_never_shown(text):
    with pytest.raises(CacaraError) as caught:
        read_credentials(text)
    assert "ana" not in str(caught.value) and "short" not in str(caught.value) and PASSWORD not in str(caught.value)


def test_credentials_come_from_a_file_and_show_no_password(tmp_path):
    file = tmp_path / "people"
    file.write_text(f"ana:{PASSWORD}\nben:with:colon", encoding="utf-8")
    credentials = read_credentials_file(file)
    assert credentials.fit(basic("ben:with:colon")["authorization"])
    assert PASSWORD not in repr(credentials) + repr(AdmissionRules(credentials=credentials)) + str(vars(credentials))
    with pytest.raises(CacaraError, match="cannot be read"):
        read_credentials_file(tmp_path / "missing")


def test_a_page_that_asks_too_much_is_told_when_to_come_back_and_other_pages_go_on():
    app = made(AdmissionRules(limits=Limits(session_per_minute=6)))
    statuses = [ask(app, "/gradio_api/queue/join", "POST", question())[0] for _ in range(4)]
    assert statuses == [200, 200, 503, 503]
    _, headers, body = ask(app, "/gradio_api/queue/join", "POST", question())
    assert 1 <= int(headers["retry-after"]) <= 10
    assert "busy" in json.loads(body)["detail"]
    assert ask(app, "/gradio_api/queue/join", "POST", question("other"))[0] == 200
    assert ask(app)[0] == 200, "looking at the page is no question"


def test_a_session_that_is_only_quoted_in_a_text_is_none():
    app = made(AdmissionRules(limits=Limits(session_per_minute=3)))
    quoting = question("mine", data=['{"session_hash": "victim"}'])
    assert ask(app, "/gradio_api/queue/join", "POST", quoting)[0] == 200
    assert ask(app, "/gradio_api/queue/join", "POST", question("victim"))[0] == 200
    assert ask(app, "/gradio_api/queue/join", "POST", question("mine"))[0] == 503


def test_an_address_that_asks_too_much_under_many_sessions_is_told_to_wait():
    app = made(AdmissionRules(limits=Limits(address_per_minute=9)))
    statuses = [ask(app, "/gradio_api/queue/join", "POST", question(f"s{number}"))[0] for number in range(5)]
    assert statuses == [200, 200, 200, 503, 503]
    assert ask(app, "/gradio_api/queue/join", "POST", question("s"), client="10.0.0.2")[0] == 200


@pytest.mark.parametrize(("proxies", "statuses"), [(0, [200, 503]), (1, [200, 200]), (2, [200, 503])])
def test_only_a_trusted_proxy_tells_who_asks(proxies, statuses):
    app = made(AdmissionRules(limits=Limits(address_per_minute=3, proxies=proxies)))
    told = [{"x-forwarded-for": f"9.9.9.9, 10.1.1.{number}"} for number in (1, 2)]
    assert [ask(app, "/gradio_api/queue/join", "POST", question(), each)[0] for each in told] == statuses


def test_all_addresses_of_one_ipv6_visitor_are_one():
    app = made(AdmissionRules(limits=Limits(address_per_minute=3)))
    addresses = ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1")
    assert [ask(app, "/gradio_api/queue/join", "POST", question(), client=each)[0] for each in addresses] == [
        200,
        503,
        200,
    ]


def test_a_question_that_is_too_long_is_refused_before_it_is_whole():
    app = made(AdmissionRules(limits=Limits(json_mb=1)))
    pieces = [{"type": "http.request", "body": b"a" * 600_000, "more_body": True} for _ in range(50)]
    assert ask(app, "/gradio_api/queue/join", "POST", pieces=pieces)[0] == 413
    assert len(pieces) == 48, "it was read on"


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_question_that_is_too_deep_is_refused(opening):
    closing = b"]" if opening == b"[" else b"}"
    deep = b'{"data": ' + opening * 100_000 + b"1" + closing * 100_000 + b"}"
    assert ask(made(AdmissionRules()), "/gradio_api/queue/join", "POST", deep)[0] == 400
    fitting = b'{"data": ' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"
    assert ask(made(AdmissionRules()), "/gradio_api/queue/join", "POST", fitting)[0] == 200


def test_brackets_in_a_text_are_no_depth():
    body = json.dumps({"data": ["[" * 500 + '\\"{' * 300]}).encode()
    assert (
        ask(made(AdmissionRules()), "/gradio_api/queue/join", "POST", body)[2]
        == json.dumps({"bytes": len(body)}).replace(" ", "").encode()
    )


@pytest.mark.parametrize(
    ("length", "status"), [(None, 411), ("-1", 411), ("9" * 20, 411), ("\u00b2", 411), (str(65 << 20), 413), ("3", 200)]
)
def test_an_upload_says_how_long_it_is_and_is_not_too_long(length, status):
    headers = {} if length is None else {"content-length": length}
    pieces = [{"type": "http.request", "body": b"abc", "more_body": False}]
    assert ask(made(AdmissionRules()), "/gradio_api/upload", "POST", headers=headers, pieces=pieces)[0] == status


def test_an_address_cannot_fill_the_disk_by_many_uploads():
    app = made(AdmissionRules(limits=Limits(address_upload_mb_per_hour=100, session_per_minute=1000)))
    headers = {"content-length": str(60 << 20)}
    statuses = [
        ask(app, "/gradio_api/upload", "POST", headers=headers, pieces=[{"type": "http.request", "body": b"x"}])[0]
        for _ in range(2)
    ]
    assert statuses == [200, 503]


def test_a_full_disk_refuses_uploads_and_says_so():
    app = made(AdmissionRules(limits=Limits(spare_disk_mb=1 << 40)))
    status, _, body = ask(app, "/media/recording", "POST", b"abc")
    assert (status, "disk" in json.loads(body)["problem"]) == (507, True)


def test_a_request_that_stands_still_is_ended():
    app = made(AdmissionRules(limits=Limits(idle_seconds=0.05)))
    pieces = [{"type": "http.request", "body": b"{", "more_body": True}]
    assert ask(app, "/gradio_api/queue/join", "POST", pieces=pieces)[0] == 408


def test_too_many_open_requests_of_one_address_are_refused_until_one_ends():
    open_now = OpenCounter(2)
    assert [open_now.enter("a"), open_now.enter("a"), open_now.enter("a"), open_now.enter("b")] == [
        True,
        True,
        False,
        True,
    ]
    open_now.leave("a")
    assert open_now.enter("a")
    app = made(AdmissionRules(limits=Limits(address_open=1)))
    assert [ask(app)[0] for _ in range(3)] == [200, 200, 200], "an ended request is not counted"


def test_an_allowance_comes_back_with_time_and_forgets_who_was_long_away(monkeypatch):
    now = [0.0]
    allowance = Allowance(60, 60.0, burst=2, clock=lambda: now[0])
    assert [allowance.take("a") for _ in range(3)] == [0.0, 0.0, 1.0]
    now[0] = 1.0
    assert (allowance.wait("a"), allowance.take("a"), allowance.take("a")) == (0.0, 0.0, 1.0)
    monkeypatch.setattr("ui.server.limits.KNOWN_ADDRESSES", 10)
    for number in range(100):
        allowance.take(f"n{number}")
    assert len(allowance._left) == 10


def test_every_answer_forbids_guessing_its_type_and_framing_by_other_sites():
    _, headers, _ = ask(made(AdmissionRules()))
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "SAMEORIGIN")
    assert "x-frame-options" not in ask(made(AdmissionRules(names=None, framed=True)))[1]


@pytest.mark.parametrize(
    "path", ["http://127.0.0.1:22/", "https://example.org/x.wav", " FTP://x/", "file:///etc/passwd", "data:,x"]
)
@pytest.mark.parametrize("escaped", [False, True])
def test_a_file_that_the_server_would_have_to_fetch_is_refused(path, escaped):
    sent = json.dumps({"data": [{"a": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}]})
    if escaped:
        sent = sent.replace("path", "p\\u0061th")
    status, _, body = ask(made(AdmissionRules()), "/gradio_api/queue/join", "POST", sent.encode())
    assert (status, b"uploaded here" in body) == (400, True)


def test_a_file_that_was_uploaded_passes_and_so_does_a_text_that_looks_like_an_address():
    file = {"path": "/tmp/x/dog.wav", "url": "http://localhost:7860/gradio_api/file=/tmp/x/dog.wav"}
    body = json.dumps({"data": [file, "http://path"]}).encode()
    assert ask(made(AdmissionRules()), "/gradio_api/queue/join", "POST", body)[0] == 200
