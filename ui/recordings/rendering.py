"""The Recordings tab as HTML; knows no Gradio."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cacara.media import formats
from cacara_files import tables
from ui.page.templates import render

if TYPE_CHECKING:
    from ui.page.wording import Wording

HEIGHT = 100
TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
"""Seconds that two marks of the time axis may lie apart."""
MOST_TICKS = 8
EXPORTS = {".eaf": "ELAN (.eaf)", ".TextGrid": "Praat (.TextGrid)", ".csv": "CSV"}

_SPOKEN = ("sending", "queued", "listening", "ready", "cancelled", "failed", "forgotten", "unsent", "no_connection")
_ADDING = ("adding", "added", "no_connection")


def source(local_files: Sequence[str], max_mebibytes: int, words: Wording) -> str:
    """Return where a recording is chosen, and what becomes of it.

    Args:
        local_files: Recordings of this machine that may be opened; none where that is not allowed.
        max_mebibytes: Largest file, in MiB.
        words: The interface's language.
    """
    return render(
        "recordings/source.html",
        words,
        spoken={name: words(f"recordings_{name}") for name in _SPOKEN},
        accept=formats.accept("sound", "film"),
        mebibytes=max_mebibytes,
        local_files=[{"value": name, "name": tables.shown(name)} for name in local_files],
    )


def found(result: Mapping[str, Any], words: Wording) -> str:
    """Return what was found: the curve over time, a player, and the passages.

    Args:
        result: As ``actions.find_text`` returns it.
        words: The interface's language.
    """
    hits = result["hits"]
    return render(
        "recordings/found.html",
        words,
        query=result["query"],
        name=result["name"],
        language=result["language"],
        model=f"{result['model']} · {result['model_version']}",
        notes=[words.note(note) for note in result["notes"]],
        clear=any(hit["clear"] for hit in hits),
        curve=_curve(result, words),
        hits=[_hit(hit, result["seconds"]) for hit in hits],
        sound=result["sound"],
        exports=[
            {"address": address, "name": EXPORTS.get(suffix, suffix)} for suffix, address in result["exports"].items()
        ],
        document=result["exports"].get(".eaf"),
        sent={name: words(f"recordings_{name}") for name in _ADDING},
    )


def clock(seconds: float) -> str:
    """Return a moment as ``m:ss.s``, or ``h:mm:ss.s`` from one hour on."""
    tenths = round(10 * seconds)
    hours, minutes = tenths // 36000, tenths // 600 % 60
    rest = f"{tenths // 10 % 60:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def _curve(result: Mapping[str, Any], words: Wording) -> dict[str, Any] | None:
    """Return the curve of scores over time within a box of 100 by ``HEIGHT``; None where all is silent."""
    points, seconds = result["curve"], result["seconds"]
    known = [point for point in points if point is not None]
    if not known or not seconds:
        return None
    low, high = min(known), max(max(known), min(known) + 1e-6)

    def height(score: float) -> float:
        return round(HEIGHT * (1 - 0.06 - 0.88 * (score - low) / (high - low)), 2)

    return {
        "seconds": seconds,
        "height": HEIGHT,
        "usual": height(result["usual"]),
        "label": words("recordings_curve", low=f"{low:.2f}", high=f"{high:.2f}", usual=f"{result['usual']:.2f}"),
        "path": _path(points, height),
        "axis": _axis(seconds),
    }


def _path(points: Sequence[float | None], height: Callable[[float], float]) -> str:
    """Return a line through the points; silence interrupts it."""
    parts, pen = [], "M"
    for position, point in enumerate(points):
        if point is None:
            pen = "M"
            continue
        middle = round(100 * (position + 0.5) / len(points), 3)
        parts.append(f"{pen}{middle} {height(point)}")
        if pen == "M":
            parts.append("h0.01")  # a point between two silences is seen too
        pen = "L"
    return "".join(parts)


def _axis(seconds: float) -> list[dict[str, str]]:
    apart = next((tick for tick in TICKS if seconds / tick <= MOST_TICKS), TICKS[-1])
    marks: list[dict[str, str]] = []
    moment = 0.0
    while moment <= 0.96 * seconds and len(marks) <= 2 * MOST_TICKS:  # one at the very end would be cut
        marks.append({"across": f"{100 * moment / seconds:.3f}", "text": clock(moment)[:-2]})
        moment += apart
    return marks


def _hit(hit: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    start, end = hit["start_seconds"], hit["end_seconds"]
    return {
        **hit,
        "strength": "clear" if hit["clear"] else "faint",
        "across": _across(start, seconds),
        "width": max(0.25, _across(end - start, seconds)),
        "start": clock(start),
        "end": clock(end),
        "score": f"{hit['score']:.3f}",
    }


def _across(moment: float, seconds: float) -> float:
    """Return a moment as a percentage of the recording's length."""
    return round(100 * moment / seconds, 3) if seconds else 0.0
