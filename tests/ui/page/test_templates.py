"""Every template of the page, given values that try to become markup."""

from __future__ import annotations

import ast
import collections
import dataclasses
import html.parser
import re

import pytest
from jinja2 import meta

from ui.page import templates
from ui.page.wording import FALLBACK, wording

HOSTILE = "\"><script>alert(1)</script>'<img src=x onerror=alert(2)>&{{ 7 * 7 }}"


class Hostile(str):
    """A text that is also whatever a template takes it for: a record, a list, a number, a condition."""

    def __new__(cls, depth: int = 0) -> Hostile:
        made = super().__new__(cls, HOSTILE)
        made.depth = depth
        return made

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Hostile(self.depth + 1)

    def __getitem__(self, key):
        return Hostile(self.depth + 1)

    def __iter__(self):
        return iter([Hostile(self.depth + 1)] * 3 if self.depth < 4 else [])

    def __call__(self, *given, **named):
        return Hostile(self.depth + 1)

    def items(self):
        return [(Hostile(self.depth + 1), Hostile(self.depth + 1))] * 2

    def __float__(self):
        return 0.5

    def __lt__(self, other):
        return True

    def __rmul__(self, other):
        return 50.0

    __gt__ = __le__ = __ge__ = __lt__


class Page(html.parser.HTMLParser):
    """The elements, attributes and texts that a browser would make of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs


def variables(name: str) -> set[str]:
    """Return what a template, and those that it imports, want to be given."""
    environment = templates._environment()
    parsed = environment.parse(environment.loader.get_source(environment, name)[0])
    found = meta.find_undeclared_variables(parsed)
    return found.union(*(variables(other) for other in meta.find_referenced_templates(parsed)))


@pytest.mark.parametrize("name", sorted(templates.names()))
def test_no_value_becomes_markup(name):
    wanted = variables(name) - {"words"}
    words = dataclasses.replace(wording(FALLBACK), table=collections.defaultdict(lambda: "{language} and so on"))
    page = Page(templates.render(name, words, **{value: Hostile() for value in wanted}))
    assert "script" not in page.elements
    assert not [attribute for attribute, _ in page.attributes if attribute.startswith("on")]
    assert not [value for attribute, value in page.attributes if attribute == "src" and value == "x"]


def test_there_are_templates_and_one_that_does_not_escape_is_seen():
    assert len(templates.names()) >= 10
    raw = templates._environment().from_string("<p>{{ value|safe }}</p>").render(value=Hostile())
    assert "script" in Page(raw).elements


def test_no_template_marks_a_value_as_safe_or_turns_escaping_off():
    for name in templates.names():
        source = templates._environment().loader.get_source(templates._environment(), name)[0]
        assert not re.search(r"\|\s*safe|autoescape|Markup", source), name


def test_no_python_of_the_page_writes_markup():
    # A picture of a sound is a file of its own, and labels of Plotly are no HTML of ours.
    others = {"server/waveforms.py", "compare/figures.py"}
    for path in templates.UI.rglob("*.py"):
        if path.relative_to(templates.UI).as_posix() in others:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
                assert not re.search(r"(?<!\?P)</?[a-z]+[\s/>]", node.value), f"{path}:{node.lineno}"


def test_a_name_that_is_missing_is_an_error_and_spaces_between_elements_go():
    with pytest.raises(Exception, match="no_such"):
        templates.render("page/no_such.html", wording(FALLBACK))
    assert templates.render("page/problem.html", wording(FALLBACK), message="a <b>\n <c>") == (
        '<div class="problem" role="alert"><p dir="auto">a &lt;b&gt;\n &lt;c&gt;</p></div>'
    )
