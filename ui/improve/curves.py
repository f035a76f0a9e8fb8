"""Small drawings of the Improve tab as plain values: losses by step, and a value before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ui.page.wording import Wording

LOSSES = ("loss", "attraction", "rejection", "pull", "contrast")
"""Drawn in this order; each has a line of its own kind, so that colour is not all that tells them apart."""
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 220, 46, 26, 10, 8

Points = Sequence[Sequence[float]]


def drawings(curves: Mapping[str, Mapping[str, Any]], words: Wording) -> list[dict[str, Any]]:
    """Return a drawing of the losses for each kind of clip, as ``improve/drawings.html`` takes it.

    Args:
        curves: As ``ui.improve.actions.curves`` returns them.
        words: The interface.
    """
    drawn = (_drawing(kind, curves[kind], words) for kind in sorted(curves))
    return [each for each in drawn if each is not None]


def dumbbell(before: float, after: float) -> dict[str, str]:
    """Return where two percentages lie on a line from 4 to 96, and which way it went."""
    start, end = (4 + 0.92 * min(100.0, max(0.0, value)) for value in (before, after))
    way = "same" if after == before else "up" if after > before else "down"
    return {"start": f"{start:.1f}", "end": f"{end:.1f}", "way": way}


def _drawing(kind: str, found: Mapping[str, Any], words: Wording) -> dict[str, Any] | None:
    losses = {name: found["losses"][name] for name in LOSSES if _worth(found["losses"].get(name))}
    if not losses:
        return None
    top = max(value for points in losses.values() for _, value in points) or 1.0
    bottom = min(0.0, min(value for points in losses.values() for _, value in points))
    steps = max(found["steps"], *(int(points[-1][0]) for points in losses.values()), 1)

    def place(step: float, value: float) -> str:
        across = LEFT + (WIDTH - LEFT - RIGHT) * step / steps
        return f"{across:.1f},{TOP + (HEIGHT - TOP - BOTTOM) * (top - value) / (top - bottom or 1.0):.1f}"

    last, first = losses[next(iter(losses))][-1], losses[next(iter(losses))][0]
    name = words("improve_curve_picture" if kind == "picture" else "improve_curve_sound")
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    return {
        "kind": kind,
        "told": words("improve_curve", name=name, step=int(last[0]), first=f"{first[1]:.3g}", last=f"{last[1]:.3g}"),
        "width": WIDTH, "height": HEIGHT, "left": LEFT, "right": right, "top": TOP, "floor": floor,
        "lines": [
            {"name": name, "points": " ".join(place(*point) for point in points)} for name, points in losses.items()
        ],
        "labels": [
            {"x": LEFT - 6, "y": TOP + 8, "text": f"{top:.2g}", "end": True},
            {"x": LEFT - 6, "y": floor, "text": f"{bottom:.2g}", "end": True},
            {"x": LEFT, "y": HEIGHT - 8, "text": "0", "end": False},
            {"x": right, "y": HEIGHT - 8, "text": str(steps), "end": True},
        ],
    }  # fmt: skip


def _worth(points: Points | None) -> bool:
    return bool(points) and any(value for _, value in points or ())
