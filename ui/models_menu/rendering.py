"""The model menu's HTML; everything that comes in is escaped."""

from __future__ import annotations

import html

from ui.page.wording import Wording
from ui.server.startup import Status


def answering(model: str) -> str:
    """Return the id of the model that answers, for the page's scripts; there is nothing to see."""
    return f'<span hidden data-answering="{html.escape(model)}"></span>'


def notice(status: Status, chosen: str, answering: str, words: Wording) -> str:
    """Return how far a chosen model is, and which one answers meanwhile.

    Args:
        status: Of the chosen model.
        chosen: Its name.
        answering: The name of the one that answers.
        words: The interface.
    """
    if status.phase == "failed":
        said = html.escape(words("models_failed", model=chosen, reason=status.problem, answering=answering))
        return f'<div class="preparation failed" role="alert" dir="auto"><p>{said}</p></div>'
    said = html.escape(words("models_preparing", model=chosen, answering=answering))
    value = "" if status.fraction is None else f' value="{status.fraction:.3f}"'
    step = html.escape(status.progress)
    return (
        f'<div class="preparation" role="status"><p>{said}</p>'
        f'<progress max="1"{value}></progress><p class="step" dir="auto">{step}</p></div>'
    )
