"""The one way a handler is tied to the page: services closed over, known errors shown, others hidden."""

from __future__ import annotations

import functools
import html
import inspect
import typing
from collections.abc import Callable

import gradio as gr

from cacara.errors import CacaraError, QueryError
from feedback_db.records.opinions import FeedbackError

if typing.TYPE_CHECKING:
    from ui.services.services import Services

KNOWN_ERRORS = (CacaraError, FeedbackError)
"""Errors whose text is written for the person who meets them."""


def bind(
    handler: Callable[..., typing.Any],
    services: Services,
    *,
    message: bool = False,
    show: Callable[[str], typing.Any] | None = None,
    present: Callable[[typing.Any], typing.Any] | None = None,
) -> Callable[..., typing.Any]:
    """Return ``handler`` as Gradio wants it: named, typed, and without its first parameter.

    Args:
        handler: A plain function whose first parameter is ``services``.
        services: What is put there.
        message: The function will be called by a script on the page with one object, whose fields are
            the handler's parameters by name; fields it does not know are ignored, and one that it lacks is
            a known error.
        show: Turns the text of a known error into the handler's result, so that the page can show it in
            its place. Without it the error becomes a ``gr.Error``.
        present: Turns the handler's plain result into what the bound components take.

    Returns:
        A function that Gradio can bind to an event or publish as an endpoint. Errors that are not known
        pass through: Gradio logs them and shows no detail.
    """
    parameters = list(inspect.signature(handler).parameters.values())[1:]
    names = {parameter.name for parameter in parameters}
    required = [parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty]

    @functools.wraps(handler)
    def bound(*arguments: object, **named: object) -> object:
        if message:
            (sent,) = arguments
            fields = sent if isinstance(sent, dict) else {}
            arguments, named = (), {name: value for name, value in fields.items() if name in names}
        try:
            if message and (missing := [name for name in required if name not in named]):
                raise QueryError(
                    f"the field {', '.join(missing)} is missing; wanted an object with {', '.join(required)}"
                )
            result = handler(services, *arguments, **named)
        except KNOWN_ERRORS as error:
            if show is not None:
                result = show(str(error))
            else:
                # Gradio shows this text as HTML, and it may quote what somebody typed or a file's name.
                raise gr.Error(html.escape(str(error), quote=False), print_exception=False) from error
        return result if present is None else present(result)

    # functools.partial would hide the name and the types, which Gradio reads to inject gr.Request and to
    # describe an endpoint; resolved here, as it does not resolve a return type written as a string.
    hints = typing.get_type_hints(handler)
    shown = [parameter.replace(annotation=hints.get(parameter.name, parameter.annotation)) for parameter in parameters]
    if message:
        shown = [inspect.Parameter("sent", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    returns = hints.get("return", inspect.Signature.empty)
    bound.__signature__ = inspect.Signature(shown, return_annotation=returns)  # type: ignore[attr-defined]
    bound.__annotations__ = {} if message else {parameter.name: parameter.annotation for parameter in shown}
    del bound.__wrapped__  # type: ignore[attr-defined]
    return bound
