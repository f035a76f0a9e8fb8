"""Every endpoint that programs may call, with values of other types, other numbers of them, long and deep ones."""

from __future__ import annotations

import json

import pytest
from visitors import Visitor

from tests.hostile.test_server import TOLD, services, url  # noqa: F401 - fixtures, and what a search is told beside its words
from ui.server.admission import MAX_DEPTH


def nested(levels: int) -> object:
    value: object = "x"
    for _ in range(levels):
        value = [value]
    return value


VALUES = {
    "nothing": None,
    "object": {"a": [1]},
    "huge number": 10**400,
    "surrogate": "\ud800\u202e\x00",
    "long text": "x" * 300_000,
    "long list": list(range(20_000)),
    "deep": nested(MAX_DEPTH - 5),
    "a file of this machine": {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
}
TRACES = ("Traceback", 'File "', "site-packages", "root:x:", "sqlite3.", "Error:")


def endpoints(visitor: Visitor) -> dict[str, int]:
    """Return the number of values that each endpoint takes."""
    named = json.loads(visitor.request("GET", "/gradio_api/info")[1])["named_endpoints"]
    return {name.strip("/"): len(told["parameters"]) for name, told in named.items()}


def checked(visitor: Visitor, name: str, *data: object) -> None:
    answer = visitor.call(name, *data)
    if not isinstance(answer, str) or not answer.startswith("error"):
        return  # a value that it can take
    shown = answer.removeprefix("error: ")
    assert not answer.startswith("error 5"), (name, answer)
    assert not any(trace in shown for trace in TRACES), (name, answer)
    assert len(shown) <= 300


@pytest.mark.parametrize("kind", VALUES)
def test_no_endpoint_fails_in_a_way_nobody_thought_of(url, kind):  # noqa: F811
    visitor = Visitor(url)
    found = endpoints(visitor)
    assert len(found) > 15
    for name, count in found.items():
        checked(visitor, name, *[VALUES[kind]] * count)
    assert isinstance(visitor.call("search_text", "dog", *TOLD), dict), "it no longer answers"


def test_too_few_too_many_and_no_values_are_told(url):  # noqa: F811
    visitor = Visitor(url)
    for name, count in endpoints(visitor).items():
        for data in ([], ["x"] * (count + 5)):
            checked(visitor, name, *data)
    assert isinstance(visitor.call("search_text", "dog", *TOLD), dict), "it no longer answers"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"data": 7}', b'{"data": {"a": 1}}', b'{"data": [NaN, 1e999]}']
    + [b'{"data": ' + opening * 100_000 for opening in (b"[", b'{"a":')]
    + [b'{"data": ["' + b"x" * (9 << 20) + b'"]}'],
)
def test_a_body_that_is_no_question_is_refused(url, body):  # noqa: F811
    visitor = Visitor(url)
    kind = {"Content-Type": "application/json"}
    for path in ("/gradio_api/call/search_text", "/gradio_api/queue/join", "/gradio_api/component_server"):
        try:
            status, said = visitor.request("POST", path, body, kind)
        except (ConnectionError, BrokenPipeError):
            continue  # it hung up on nine megabytes
        if status == 200:  # it is refused where the answer is asked for
            assert path.endswith("search_text"), (path, said)
            continue
        assert status in (400, 404, 413, 422) or (status == 500 and len(said) < 200), (path, status, said[:300])
        assert not any(trace.encode() in said for trace in TRACES[:3]), (path, said[:300])
    assert isinstance(visitor.call("search_text", "dog", *TOLD), dict), "it no longer answers"
