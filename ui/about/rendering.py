"""The About tab as HTML; knows no Gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ui.page.templates import render

if TYPE_CHECKING:
    from cacara.sources import Source
    from ui.about.contents import Package
    from ui.page.wording import Wording

STORED = ("flags", "recordings", "long", "searches", "network")


def page(
    cards: Mapping[str, str],
    packages: Sequence[Package],
    fetched: Sequence[Source],
    can_forget: bool,
    words: Wording,
) -> str:
    """Return the whole tab.

    Args:
        cards: Name of each bundled model to its card, as Markdown.
        packages: Installed Python packages.
        fetched: Fetched sources of others.
        can_forget: There is a command that deletes a person's feedback.
        words: The interface's language.
    """
    return render(
        "about/about.html",
        words,
        stored=STORED,
        cards=list(cards.items()),
        packages=[(each.name, each.version, each.licence or "–") for each in packages],
        fetched=[(each.package, each.version, each.licence, each.yields) for each in fetched],
        can_forget=can_forget,
    )
