"""The one way a handler is tied to the page: services in the visitor's language, known errors shown, others hidden."""

from __future__ import annotations

import functools
import html
import inspect
import typing
from collections.abc import Callable, Iterator

import gradio as gr
from starlette.requests import HTTPConnection

from cacara.errors import CacaraError, QueryError
from feedback_db.records.opinions import FeedbackError
from ui.page import rendering
from ui.page.wording import wording_of

if typing.TYPE_CHECKING:
    from ui.services.services import Services

KNOWN_ERRORS = (CacaraError, FeedbackError)
"""Errors whose text is written for the person who meets them."""
REQUEST = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=gr.Request)


def bind(
    handler: Callable[..., typing.Any],
    services: Services,
    *,
    show: Callable[[str], typing.Any] | None = None,
    present: Callable[[typing.Any], typing.Any] | None = None,
) -> Callable[..., typing.Any]:
    """Return ``handler`` as Gradio wants it: named, typed, and without its first parameter.

    Args:
        handler: A plain function, or a generator, whose first parameter is ``services``.
        services: Given to the handler in the visitor's language: that of the request's cookie, else the browser's.
        show: Turns the text of a known error into the handler's result, so that the page can show it in
            its place. Without it the error becomes a ``gr.Error``.
        present: Turns the handler's plain result into what the bound components take.

    Returns:
        A function that Gradio can bind to an event or publish as an endpoint. Errors that are not known
        pass through: Gradio logs them and shows no detail.
    """

    def problem(error: Exception) -> typing.Any:  # noqa: ANN401
        if show is None:
            # Gradio shows this text as HTML, and it may quote what somebody typed or a file's name.
            raise gr.Error(html.escape(str(error), quote=False), print_exception=False) from error
        return show(str(error))

    def bound(*given: object, **named: object) -> object:
        arguments, own = _asked(services, given)
        try:
            result = handler(own, *arguments, **named)
        except KNOWN_ERRORS as error:
            result = problem(error)
        return result if present is None else present(result)

    def bound_steps(*given: object, **named: object) -> Iterator[object]:
        arguments, own = _asked(services, given)
        try:
            for result in handler(own, *arguments, **named):
                yield result if present is None else present(result)
        except KNOWN_ERRORS as error:
            yield problem(error)

    parameters = list(inspect.signature(handler).parameters.values())[1:]
    # functools.partial would hide the name and the types, which Gradio reads to inject gr.Request and to
    # describe an endpoint; resolved here, as it does not resolve a return type written as a string.
    hints = typing.get_type_hints(handler)
    shown = [parameter.replace(annotation=hints.get(parameter.name, parameter.annotation)) for parameter in parameters]
    steps = inspect.isgeneratorfunction(handler)
    return _described(bound_steps if steps else bound, handler, shown, hints.get("return", inspect.Signature.empty))


def bind_message(handler: Callable[..., typing.Any], services: Services) -> Callable[..., typing.Any]:
    """Return ``handler`` to be called by a script on the page with one object.

    Its fields are the handler's parameters by name; fields it does not know are ignored, and one that it lacks is a
    known error. The answer to a known error has its text in ``problem``, and in ``html`` as the page shows it.

    Args:
        handler: As for ``bind``; returns an object.
        services: As for ``bind``.
    """
    parameters = list(inspect.signature(handler).parameters.values())[1:]
    names = {parameter.name for parameter in parameters}
    required = [parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty]

    def bound(*given: object) -> object:
        (sent,), own = _asked(services, given)
        fields = {name: value for name, value in sent.items() if name in names} if isinstance(sent, dict) else {}
        try:
            if missing := [name for name in required if name not in fields]:
                wanted = ", ".join(required)
                raise QueryError(f"the field {', '.join(missing)} is missing; wanted an object with {wanted}")
            return handler(own, **fields)
        except KNOWN_ERRORS as error:
            return {"problem": str(error), "html": rendering.problem(str(error))}

    sent = inspect.Parameter("sent", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return _described(bound, handler, [sent], inspect.Signature.empty)


def _asked(services: Services, given: tuple[object, ...]) -> tuple[tuple[object, ...], Services]:
    """Return what a handler is given, and the services in the language of the request behind it, which comes last."""
    if given and isinstance(given[-1], gr.Request | HTTPConnection):
        return given[:-1], services.speaking(wording_of(given[-1]))
    return given, services


def _described(
    bound: Callable[..., typing.Any],
    handler: Callable[..., typing.Any],
    shown: list[inspect.Parameter],
    returns: object,
) -> Callable[..., typing.Any]:
    """Return ``bound`` with the name and the text of ``handler``, these parameters, and the request."""
    functools.update_wrapper(bound, handler)
    del bound.__wrapped__  # type: ignore[attr-defined]
    shown = [*shown, REQUEST]
    bound.__signature__ = inspect.Signature(shown, return_annotation=returns)  # type: ignore[attr-defined]
    bound.__annotations__ = {each.name: each.annotation for each in shown if each.annotation is not each.empty}
    return bound
