"""HTML by Jinja2 templates: one environment with autoescape, and a folder ``templates`` for each tab.

Whatever a template is given is escaped where it is put in; markup comes from templates alone. ``render`` names a
template by its tab: ``search/results.html`` is ``ui/search/templates/results.html``.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import BaseLoader, Environment, TemplateNotFound
from markupsafe import Markup, escape

from cacara import languages, offline_page
from cacara.errors import LanguageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ui.page.wording import Wording

UI = Path(__file__).parents[1]
_BETWEEN_TAGS = re.compile(r">\s*\n\s*<")
_EDGES = re.compile(r"^\s+|\s*\n\s*$")


class _TabLoader(BaseLoader):
    """Finds ``TAB/NAME`` at ``ui/TAB/templates/NAME``."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        tab, _, name = template.partition("/")
        path = UI / tab / "templates" / name
        if template not in names():
            raise TemplateNotFound(template)
        return path.read_text(encoding="utf-8"), str(path), lambda: True


@functools.cache
def names() -> frozenset[str]:
    """Return the names of all templates."""
    return frozenset(f"{path.parts[-3]}/{path.name}" for path in UI.glob("*/templates/*.html"))


def render(name: str, words: Wording, /, **values: Any) -> str:  # noqa: ANN401
    """Return a template's HTML.

    Args:
        name: ``TAB/NAME.html``.
        words: The interface's language; a template calls it for its texts.
        values: Values of the template; all of it is escaped, unless it is ``Markup`` that a template made.
    """
    text = _environment().get_template(name).render(words=words, **values)
    # Indentation of templates would show as spaces between buttons; text of others never holds a bare ">".
    return _EDGES.sub("", _BETWEEN_TAGS.sub("><", text))


def markup(name: str, words: Wording, /, **values: Any) -> Markup:  # noqa: ANN401
    """Return what ``render`` returns, to be put into another template as it is."""
    return Markup(render(name, words, **values))


def language_name(code: str) -> str:
    """Return a language's name for itself; its code where that names no single language."""
    try:
        return languages.describe(code).autonym
    except LanguageError:
        return code


@functools.cache
def _environment() -> Environment:
    environment = offline_page.environment(_TabLoader())
    environment.filters |= {
        "address": _address,
        "as_json": _as_json,
        "language_name": language_name,
        "markdown": _markdown,
        "unit": _unit,
        "with_markup": _with_markup,
    }
    return environment


def _address(value: object) -> str:
    """Return an address of our own as it may stand inside ``url('…')``."""
    return quote(str(value), safe="/?=&%")


def _as_json(value: object) -> str:
    """Return a value as JSON for a ``data-`` attribute; escaping it is the template's."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _markdown(text: str, shift: int = 0) -> Markup:
    """Return Markdown of others as HTML: HTML within it stays text, no picture is fetched, no link runs anything.

    Args:
        text: CommonMark, with tables.
        shift: Number of levels by which its headings are lowered, so that they stand below the page's own.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = parser.parse(str(text))
    for token in tokens:
        if re.fullmatch("h[1-6]", token.tag):
            token.tag = f"h{min(6, int(token.tag[1]) + shift)}"
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("rel", "noopener noreferrer nofollow")
                child.attrSet("target", "_blank")
    return Markup(parser.renderer.render(tokens, parser.options, {}))


def _unit(value: float) -> float:
    """Return a number within 0 and 1, for lengths of bars."""
    return max(0.0, min(1.0, float(value)))


def _with_markup(text: str, values: Mapping[str, Markup]) -> Markup:
    """Return an escaped text with markup in its ``{places}``: a sentence of the interface around a marked-up name."""
    # In one pass: a name that is put in may itself hold braces.
    places = "|".join(re.escape(place) for place in values)
    return Markup(re.sub(rf"\{{({places})\}}", lambda found: str(values[found[1]]), str(escape(text))))
