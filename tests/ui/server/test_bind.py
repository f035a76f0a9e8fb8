from __future__ import annotations

import inspect

import gradio as gr
import pytest

from cacara.errors import QueryError
from feedback_db.records.opinions import FeedbackError
from tests.ui.services.test_services import in_event_loop
from ui.server.bind import bind


def handler(services: str, query: str, top_k: int = 3, request: gr.Request = None) -> dict[str, object]:
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
    return {"services": services, "query": query, "top_k": top_k}


def test_the_services_are_closed_over_and_name_types_and_text_stay():
    bound = bind(handler, "S")
    assert bound("dog", 2) == {"services": "S", "query": "dog", "top_k": 2}
    assert bound.__name__ == "handler"
    assert bound.__doc__ == handler.__doc__
    signature = inspect.signature(bound)
    assert list(signature.parameters) == ["query", "top_k", "request"]
    assert signature.parameters["request"].annotation is gr.Request
    assert signature.return_annotation == dict[str, object]


@pytest.mark.parametrize(("query", "text"), [("known", "found &lt;b&gt;, wanted text"), ("feedback", "locked")])
def test_known_errors_are_shown_escaped(query, text):
    with pytest.raises(gr.Error) as caught:
        bind(handler, "S")(query)
    assert caught.value.message == text
    assert caught.value.print_exception is False


def test_unknown_errors_pass_through_for_gradio_to_hide():
    with pytest.raises(ValueError, match="secret"):
        bind(handler, "S", show=str)("unknown")


def test_a_known_error_can_be_a_result_and_a_result_can_be_presented():
    bound = bind(handler, "S", show=lambda text: {"problem": text}, present=lambda result: ["!", result])
    assert bound("known") == ["!", {"problem": "found <b>, wanted text"}]


@pytest.mark.parametrize("sent", [{"query": "dog", "top_k": 5, "services": "evil", "nonsense": 1}])
def test_a_message_fills_the_parameters_it_names_and_no_others(sent):
    assert bind(handler, "S", message=True)(sent) == {"services": "S", "query": "dog", "top_k": 5}


@pytest.mark.parametrize("sent", [{}, {"top_k": 5}, None, "query", [1]])
def test_a_message_that_lacks_a_field_is_answered_with_an_error_that_names_it(sent):
    with pytest.raises(gr.Error, match="the field query is missing; wanted an object with query"):
        bind(handler, "S", message=True)(sent)
    assert bind(handler, "S", message=True, show=str)(sent).startswith("the field query is missing")


def test_gradio_publishes_a_bound_handler_under_its_parameters():
    def make() -> gr.Blocks:
        with gr.Blocks() as app:
            gr.api(bind(handler, "S"), api_name="find")
        return app

    parameters = in_event_loop(make).get_api_info()["named_endpoints"]["/find"]["parameters"]
    assert [parameter["parameter_name"] for parameter in parameters] == ["query", "top_k"]
