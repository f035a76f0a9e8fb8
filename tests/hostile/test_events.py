"""Server functions and routes of the page's own scripts, called by somebody else.

All are found in what the server itself says it has, so that a new one is tried as soon as it is there. Endpoints for
programs say what was wrong (``test_hostile_endpoints.py``); of these it is enough that they tell nothing of the
machine and that the app goes on.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import urllib.parse

import pytest
from serving import served
from visitors import Visitor

import app as app_module
import ui
from tests.hostile.test_endpoints import VALUES
from tests.hostile.test_server import TOLD, services  # noqa: F401 - a fixture, and what a search is told beside its words
from ui.layout import routes as all_routes
from ui.server.admission import AdmissionRules
from ui.server.limits import Limits

JSON = {"Content-Type": "application/json"}
KINDS = {name: VALUES[name] for name in ("nothing", "object", "surrogate", "deep", "a file of this machine")}
TURNED_AWAY = (429, 503)
TRACES = (b"Traceback", b'File \\"', b"site-packages", b"root:x:", b"sqlite3.")


@pytest.fixture(scope="module")
def url(services):  # noqa: F811
    """A server that lets as much through as is asked here: a question that is turned away tries nothing."""
    with served(
        services, AdmissionRules(limits=Limits(session_per_minute=1_000_000, address_per_minute=1_000_000))
    ) as address:
        yield address


@pytest.fixture
def page(url):  # noqa: F811
    """The page's configuration as a browser gets it."""
    return json.loads(Visitor(url).request("GET", "/config")[1])


@pytest.fixture
def thought_of(capfd, caplog):
    """Nothing may end in an error of our code that nobody had thought of; Gradio prints those."""
    yield
    lines = (capfd.readouterr().err + caplog.text).splitlines()
    ours = [line.strip() for line in lines if f'File "{app_module.REPOSITORY}/' in line and "/.venv/" not in line]
    assert not {line for line in ours if "alerts.py" not in line and "/tests/" not in line}


def names_of_parameters() -> set[str]:
    """Return the names that any function of the app has for what it is given."""
    names = set()
    for found in pkgutil.walk_packages(ui.__path__, "ui."):
        module = importlib.import_module(found.name)
        for _, function in inspect.getmembers(module, inspect.isfunction):
            names |= set(inspect.signature(function).parameters)
    return names - {"services"}


@pytest.mark.parametrize("kind", KINDS)
def test_no_server_function_tells_of_the_machine_or_ends_the_app(url, page, kind):  # noqa: F811
    visitor, tried = Visitor(url), 0
    shapes = [KINDS[kind], {}, [], {name: KINDS[kind] for name in names_of_parameters()}]
    for component in page["components"]:
        for name in component.get("props", {}).get("server_fns") or ():
            for data in shapes:
                asked = {"data": data, "fn_name": name, "component_id": component["id"]}
                body = json.dumps(asked | {"session_hash": kind}).encode()
                status, said = visitor.request("POST", "/gradio_api/component_server", body, JSON)
                tried += 1
                assert not any(trace in said for trace in TRACES), (name, status, said[:300])
                assert status not in TURNED_AWAY and (status < 500 or len(said) < 100), (name, status, said[:300])
    assert tried > 40
    assert isinstance(visitor.call("search_text", "dog", *TOLD), dict), "it no longer answers"


@pytest.mark.parametrize("kind", KINDS)
def test_no_route_of_ours_fails_in_a_way_nobody_thought_of(url, services, kind, thought_of):  # noqa: F811
    visitor, value = Visitor(url), KINDS[kind]
    text = json.dumps(value) if not isinstance(value, str) else value
    quoted = urllib.parse.quote(text.encode("utf-8", "surrogatepass")[:2000])
    query = "&".join(f"{name}={quoted}" for name in ("clip", "id", "sha256", "format", "kind", "campaign", "name"))
    routes = all_routes(services)
    assert len(routes) > 8
    for route in routes:
        path = route.path.replace("{key}", quoted[:50]).replace("{name}", quoted[:50])
        for headers in ({}, {"X-Cacara": "1", "X-Cacara-Token": quoted[:500], "X-Cacara-Admin": quoted[:500]}):
            for method in sorted(route.methods - {"HEAD"}):
                body = text.encode("utf-8", "surrogatepass")[:10_000] if method == "POST" else None
                status, said = visitor.request(method, f"{path}?{query}", body, headers)
                known = status < 500 or (status == 500 and said not in (b"", b"Internal Server Error"))
                assert known and status not in TURNED_AWAY, (method, path, status, said[:200])
                assert not any(trace in said for trace in TRACES), (method, path, said[:200])
    assert isinstance(visitor.call("search_text", "dog", *TOLD), dict), "it no longer answers"
