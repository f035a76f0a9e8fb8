"""The frame of a report: one HTML file with Plotly inside that asks nothing of the network."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
<script id="charts" type="application/json">{charts}</script>
<script>{plotly}</script>
<script>{script}</script>
</body>
</html>
"""


def frame(title: str, style: str, body: str, charts: Mapping[str, object], script: str) -> str:
    """Return a whole page; the same parts, the same bytes.

    Args:
        title: Plain text.
        style: CSS.
        body: HTML, escaped already.
        charts: What the script finds as JSON in the element ``charts``.
        script: JavaScript that draws them, with Plotly there already.
    """
    from plotly.offline import get_plotlyjs

    return _PAGE.format(
        title=html.escape(title),
        style=style,
        body=body,
        # Nothing in a script may look like its end tag.
        charts=json.dumps(charts, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
        plotly=get_plotlyjs(),
        script=script,
    )
