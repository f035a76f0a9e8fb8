"""The model menu's HTML; knows no Gradio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ui.page.templates import render
from ui.page.wording import FALLBACK, wording

if TYPE_CHECKING:
    from ui.page.wording import Wording
    from ui.services.engine import Status


def answering(model: str) -> str:
    """Return the id of the model that answers, for the page's scripts; nothing visible."""
    return render("models_menu/answering.html", wording(FALLBACK), model=model)


def notice(status: Status, chosen: str, answering: str, words: Wording) -> str:
    """Return how far a chosen model is, and which one answers meanwhile.

    Args:
        status: Of the chosen model.
        chosen: Its name.
        answering: The name of the one that answers.
        words: The interface.
    """
    return render("models_menu/notice.html", words, status=status, chosen=chosen, answering=answering)
