"""Small drawings of the Improve tab, as SVG: losses by step, and a value before and after."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from ui.page.wording import Wording

LOSSES = ("loss", "attraction", "rejection", "pull", "contrast")
"""Drawn in this order; each has a line of its own kind, so that colour is not all that tells them apart."""
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 220, 46, 26, 10, 8

Points = Sequence[Sequence[float]]


def drawings(curves: Mapping[str, Mapping[str, Any]], words: Wording) -> str:
    """Return a drawing of the losses for each kind of clip, as HTML.

    Args:
        curves: As ``ui.improve.improving.curves`` returns them.
        words: The interface.
    """
    return "".join(_drawing(kind, curves[kind], words) for kind in sorted(curves))


def dumbbell(before: float, after: float) -> str:
    """Return a small drawing of two percentages: a ring before, a disc after; the table beside it has the numbers."""
    start, end = (4 + 0.92 * min(100.0, max(0.0, value)) for value in (before, after))
    way = "same" if after == before else "up" if after > before else "down"
    return (
        f'<svg class="dumbbell {way}" viewBox="0 0 100 12" width="100" height="12" aria-hidden="true">'
        f'<line x1="4" y1="6" x2="96" y2="6" class="axis"/>'
        f'<line x1="{start:.1f}" y1="6" x2="{end:.1f}" y2="6" class="way"/>'
        f'<circle cx="{start:.1f}" cy="6" r="3" class="before"/>'
        f'<circle cx="{end:.1f}" cy="6" r="3.5" class="after"/></svg>'
    )


def _drawing(kind: str, found: Mapping[str, Any], words: Wording) -> str:
    losses = {name: found["losses"][name] for name in LOSSES if _worth(found["losses"].get(name))}
    if not losses:
        return ""
    top = max(value for points in losses.values() for _, value in points) or 1.0
    bottom = min(0.0, min(value for points in losses.values() for _, value in points))
    steps = max(found["steps"], *(int(points[-1][0]) for points in losses.values()), 1)

    def place(step: float, value: float) -> str:
        across = LEFT + (WIDTH - LEFT - RIGHT) * step / steps
        return f"{across:.1f},{TOP + (HEIGHT - TOP - BOTTOM) * (top - value) / (top - bottom or 1.0):.1f}"

    lines = "".join(
        f'<polyline class="{name}" points="{" ".join(place(*point) for point in points)}"/>'
        for name, points in losses.items()
    )
    floor = HEIGHT - BOTTOM
    labels = (
        f'<text x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{top:.2g}</text>'
        f'<text x="{LEFT - 6}" y="{floor}" text-anchor="end">{bottom:.2g}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 8}">0</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{steps}</text>'
    )
    axes = f'<path class="axis" d="M{LEFT},{TOP}V{floor}H{WIDTH - RIGHT}"/>'
    last, first = losses[next(iter(losses))][-1], losses[next(iter(losses))][0]
    name = words("improve_curve_picture" if kind == "picture" else "improve_curve_sound")
    said = words("improve_curve", name=name, step=int(last[0]), first=f"{first[1]:.3g}", last=f"{last[1]:.3g}")
    legend = "".join(
        f'<li><svg viewBox="0 0 24 6" width="24" height="6" aria-hidden="true"><path class="{each}" d="M0,3H24"/></svg>'
        f"{html.escape(words(f'improve_loss_{each}'))}</li>"
        for each in losses
    )
    return (
        f'<figure class="curve" data-kind="{html.escape(kind)}" dir="ltr"><figcaption dir="auto">{html.escape(said)}'
        f'</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(said)}">{axes}{lines}'
        f'{labels}</svg><ul class="legend">{legend}</ul></figure>'
    )


def _worth(points: Points | None) -> bool:
    return bool(points) and any(value for _, value in points or ())
