"""The About tab as HTML. Every text that is not ours goes through ``html.escape`` here; knows no Gradio."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cacara.sources import Source
    from ui.about.contents import Package
    from ui.page.wording import Wording

STORED = ("flags", "recordings", "long", "searches", "network")
CARD_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5"}


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
        fetched: What is fetched of others.
        can_forget: Whether there is a command that deletes what a person said.
        words: The interface's language.
    """
    stored = "".join(f"<li>{_text(words(f'about_stored_{name}'))}</li>" for name in STORED)
    token = (
        f'<p>{_text(words("about_token"))} <code class="token" data-none="{_text(words("about_no_token"))}"></code></p>'
    )
    command = (
        f"<p>{_text(words('about_forget_command'))}</p>"
        '<p><code dir="ltr">python -m feedback_db forget --delete</code></p>'
        if can_forget
        else ""
    )
    models = "".join(
        f"<details{' open' if len(cards) == 1 else ''}><summary>{_text(name)}</summary>"
        f'<div class="card-text" lang="en" dir="ltr" tabindex="0" role="region" aria-label="{_text(name)}">'
        f"{_markdown(card)}</div></details>"
        for name, card in cards.items()
    )
    return (
        f'<div class="about" lang="{words.code}" dir="{words.direction}">'
        f"<p class='lead'>{_text(words('about_lead'))}</p>"
        f"<section><h2>{_text(words('about_stored'))}</h2><ul>{stored}</ul></section>"
        f"<section><h2>{_text(words('about_delete'))}</h2><p>{_text(words('about_undo'))}</p>"
        f"{command}<p>{_text(words('about_forget_ask'))}</p>{token}</section>"
        f"<section><h2>{_text(words('about_models'))}</h2>{models}</section>"
        f"<section><h2>{_text(words('about_licences'))}</h2><p>{_text(words('about_own_licence'))}</p>"
        f"{_packages(packages, words)}{_fetched(fetched, words)}</section></div>"
    )


def _packages(packages: Iterable[Package], words: Wording) -> str:
    rows = [(each.name, each.version, each.licence or "–") for each in packages]
    heads = [words("about_package"), words("about_version"), words("licence")]
    return _table(words("about_packages"), heads, rows)


def _fetched(fetched: Iterable[Source], words: Wording) -> str:
    rows = [(each.package, each.version, each.licence, each.yields) for each in fetched]
    heads = [words("about_package"), words("about_version"), words("licence"), words("about_yields")]
    return _table(words("about_fetched"), heads, rows)


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{_text(first)}</th>{"".join(f"<td>{_text(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        f"<details><summary>{_text(title)} ({len(rows)})</summary>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(title)}" dir="ltr">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def _markdown(text: str) -> str:
    """Return Markdown as HTML; HTML within it stays text, and links that run something are not made."""
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = made.parse(text)
    for token in tokens:
        token.tag = CARD_HEADINGS.get(token.tag, token.tag)
    return made.renderer.render(tokens, made.options, {})


def _text(text: str) -> str:
    return escape(text, quote=True)
