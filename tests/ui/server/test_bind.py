from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator

import gradio as gr
import pytest
from starlette.requests import Request

from cacara.errors import QueryError
from feedback_db.records.opinions import FeedbackError
from tests.ui.services.test_services import in_event_loop
from ui.page.wording import Wording, wording
from ui.server.bind import bind, bind_message


@dataclasses.dataclass(frozen=True)
class Services:
    words: Wording

    def speaking(self, words: Wording) -> Services:
        return dataclasses.replace(self, words=words)


ENGLISH = Services(wording("en"))


def handler(services: Services, query: str, top_k: int = 3) -> dict[str, object]:
    """Find.

    Args:
        query: What.
    """
    if query == "known":
        raise QueryError("found <b>, wanted text")
    if query == "feedback":
        raise FeedbackError("locked")
    if query == "unknown":
        raise ValueError("secret")
    return {"language": services.words.code, "query": query, "top_k": top_k}


def steps(services: Services, query: str) -> Iterator[str]:
    """Find step by step."""
    yield services.words.code
    if query == "known":
        raise QueryError("no more")


def request(**headers: str) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": named})


def test_the_services_are_closed_over_and_name_types_and_text_stay():
    bound = bind(handler, ENGLISH)
    assert bound("dog", 2) == {"language": "en", "query": "dog", "top_k": 2}
    assert bound.__name__ == "handler"
    assert bound.__doc__ == handler.__doc__
    signature = inspect.signature(bound)
    assert list(signature.parameters) == ["query", "top_k", "request"]
    assert signature.parameters["request"].annotation is gr.Request
    assert signature.return_annotation == dict[str, object]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "en"),
        ({"accept_language": "de-CH,de;q=0.9,fr;q=0.8"}, "de"),
        ({"accept_language": "de", "cookie": "other=1; cacara-interface=ar"}, "ar"),
        ({"accept_language": "de", "cookie": "cacara-interface=../x"}, "en"),
    ],
)
def test_the_visitors_own_choice_is_the_language_then_the_first_their_browser_accepts(headers, code):
    assert bind(handler, ENGLISH)("dog", 2, request(**headers))["language"] == code
    assert bind_message(handler, ENGLISH)({"query": "dog"}, request(**headers))["language"] == code
    assert list(bind(steps, ENGLISH)("dog", request(**headers))) == [code]


def test_steps_before_an_error_are_shown_and_then_the_error():
    assert inspect.isgeneratorfunction(bind(steps, ENGLISH))
    assert list(bind(steps, ENGLISH, show=str.upper)("known")) == ["en", "NO MORE"]


@pytest.mark.parametrize(("query", "text"), [("known", "found &lt;b&gt;, wanted text"), ("feedback", "locked")])
def test_known_errors_are_shown_escaped(query, text):
    with pytest.raises(gr.Error) as caught:
        bind(handler, ENGLISH)(query)
    assert caught.value.message == text
    assert caught.value.print_exception is False


def test_unknown_errors_pass_through_for_gradio_to_hide():
    with pytest.raises(ValueError, match="secret"):
        bind(handler, ENGLISH, show=str)("unknown")


def test_a_known_error_can_be_a_result_and_a_result_can_be_presented():
    bound = bind(handler, ENGLISH, show=lambda text: {"problem": text}, present=lambda result: ["!", result])
    assert bound("known") == ["!", {"problem": "found <b>, wanted text"}]


@pytest.mark.parametrize("sent", [{"query": "dog", "top_k": 5, "services": "evil", "nonsense": 1}])
def test_a_message_fills_the_parameters_it_names_and_no_others(sent):
    assert bind_message(handler, ENGLISH)(sent) == {"language": "en", "query": "dog", "top_k": 5}


@pytest.mark.parametrize("sent", [{}, {"top_k": 5}, None, "query", [1]])
def test_a_message_that_lacks_a_field_is_answered_with_a_problem_that_names_it(sent):
    problem = bind_message(handler, ENGLISH)(sent)["problem"]
    assert problem == "the field query is missing; wanted an object with query"


def test_a_known_error_of_a_message_is_told_as_text_and_escaped_as_html():
    problem = bind_message(handler, ENGLISH)({"query": "known"})
    assert problem["problem"] == "found <b>, wanted text"
    assert "&lt;b&gt;" in problem["html"]


def test_gradio_publishes_a_bound_handler_under_its_parameters():
    def make() -> gr.Blocks:
        with gr.Blocks() as app:
            gr.api(bind(handler, ENGLISH), api_name="find")
        return app

    parameters = in_event_loop(make).get_api_info()["named_endpoints"]["/find"]["parameters"]
    assert [parameter["parameter_name"] for parameter in parameters] == ["query", "top_k"]
