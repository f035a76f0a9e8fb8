"""A field for a picture that the server does not open before its own checks."""

from __future__ import annotations

import abc
from typing import Any

import gradio as gr


def _as_uploaded(self: gr.Image, payload: Any) -> str | None:  # noqa: ANN401
    """Return the path of the uploaded file, or None."""
    return None if payload is None or payload.path is None else str(payload.path)


# Gradio's metaclass would write a stub file beside this one for a class statement; a class without events of its own
# needs nothing of what it does.
PictureInput: type[gr.Image] = abc.ABCMeta.__new__(
    type(gr.Image),
    "PictureInput",
    (gr.Image,),
    {"__module__": __name__, "preprocess": _as_uploaded, "is_template": True},  # on the page it is a gr.Image
)
"""``gr.Image`` whose handler gets the uploaded file as it is.

Gradio's own opens every upload first, and what it says of one that is no picture is no help to a visitor;
``cacara.media.images.load`` checks more, and says what is wanted.
"""
