"""Reports as one HTML file with Plotly inside that asks nothing of the network, by Jinja2 templates.

A report's template extends ``page.html`` of ``cacara/templates`` and fills its block ``body``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

SHARED = Path(__file__).parent / "templates"


def environment(loader: BaseLoader) -> Environment:
    """Return an environment as all templates have it: what is put in is escaped, and nothing may be missing."""
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def render(template: Path, title: str, charts: Mapping[str, object], **values: object) -> str:
    """Return a whole page; the same values, the same bytes.

    Args:
        template: The report's; beside it lie its CSS and its JavaScript, named as the template is. The script draws the
            charts, with Plotly there already.
        title: Plain text.
        charts: What the script finds as JSON in the element ``charts``.
        values: What the template is given; all of it is escaped.
    """
    from plotly.offline import get_plotlyjs

    made = environment(ChoiceLoader([FileSystemLoader(template.parent), FileSystemLoader(SHARED)]))
    style, script = (template.with_suffix(ending).read_text(encoding="utf-8") for ending in (".css", ".js"))
    # Nothing in a script may look like its end tag.
    drawn = json.dumps(charts, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    ours = {"style": style, "script": script, "charts": drawn, "plotly": get_plotlyjs()}
    return made.get_template(template.name).render(
        title=title, **{name: Markup(text) for name, text in ours.items()}, **values
    )
