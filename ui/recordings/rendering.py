"""The Recordings tab as HTML. Every text that is not ours goes through ``html.escape`` here; knows no Gradio."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import tables
from cacara import languages
from cacara.media import formats

if TYPE_CHECKING:
    from ui.page.wording import Wording

HEIGHT = 100
TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
"""Seconds that two marks of the time axis may lie apart."""
MOST_TICKS = 8

_SPOKEN = ("sending", "queued", "listening", "ready", "cancelled", "failed", "forgotten", "unsent", "no_connection")


def source(local_files: Sequence[str], max_mebibytes: int, words: Wording) -> str:
    """Return where a recording is chosen, and what becomes of it.

    Args:
        local_files: Recordings of this machine that may be opened; none where that is not allowed.
        max_mebibytes: How large a file may be sent.
        words: The interface's language.
    """
    spoken = {name: words(f"recordings_{name}") for name in _SPOKEN}
    local = ""
    if local_files:
        choices = "".join(f'<option value="{_text(name)}">{_text(tables.shown(name))}</option>' for name in local_files)
        local = (
            f'<p class="local"><label>{_text(words("recordings_local"))} <select>{choices}</select></label> '
            f'<button type="button" data-action="local">{_text(words("recordings_open"))}</button></p>'
        )
    return (
        f'<div class="recording-source" lang="{words.code}" dir="{words.direction}" '
        f'data-words="{_text(json.dumps(spoken, ensure_ascii=False))}">'
        f"<p>{_text(words('recordings_intro'))}</p>"
        f'<label class="drop"><input type="file" accept="{_text(formats.accept("sound", "film"))}">'
        f"<span>{_text(words('recordings_choose'))}</span>"
        f"<small>{_text(words('recordings_limits', mebibytes=max_mebibytes))}</small></label>{local}"
        '<div class="state" hidden><p><strong dir="auto"></strong> <span role="status" aria-live="polite"></span></p>'
        f'<progress max="1" aria-label="{_text(words("recordings_progress"))}"></progress>'
        f'<p class="doing"><button type="button" data-action="cancel">{_text(words("recordings_cancel"))}</button>'
        f'<button type="button" data-action="again" hidden>{_text(words("retry"))}</button>'
        f'<button type="button" data-action="forget" hidden>{_text(words("recordings_forget"))}</button></p>'
        '<p class="told" dir="auto"></p></div></div>'
    )


def found(result: Mapping[str, Any], words: Wording) -> str:
    """Return what was found: the curve over time, a player, and the passages.

    Args:
        result: What ``finding.find_text`` returns.
        words: The interface's language.
    """
    notes = "".join(
        f'<p class="note" role="status" dir="auto">{_text(words.note(note))}</p>' for note in result["notes"]
    )
    hits = result["hits"]
    title = words("recordings_found", query=result["query"], name=result["name"])
    if hits and not any(hit["clear"] for hit in hits):
        notes += f'<p class="note" role="status">{_text(words("recordings_nothing_clear"))}</p>'
    if not hits:
        notes += f'<p class="note" role="status">{_text(words("recordings_silent"))}</p>'
    return (
        f'<div class="found" lang="{words.code}" dir="{words.direction}">'
        f'<h2 dir="auto">{_text(title)}</h2>{_answered(result, words)}{notes}{_curve(result, words)}'
        f'<audio controls preload="metadata" src="{_text(result["sound"])}" '
        f'aria-label="{_text(words("recordings_player", name=result["name"]))}"></audio>'
        f"<ol>{''.join(_hit(hit, words) for hit in hits)}</ol>{_exports(result['exports'], words)}</div>"
    )


def clock(seconds: float) -> str:
    """Return a moment as ``m:ss.s``, or ``h:mm:ss.s`` from one hour on."""
    tenths = round(10 * seconds)
    hours, minutes = tenths // 36000, tenths // 600 % 60
    rest = f"{tenths // 10 % 60:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def _answered(result: Mapping[str, Any], words: Wording) -> str:
    """Return which language was searched in, and which model listened."""
    told = words("recordings_answered", model=f"{result['model']} · {result['model_version']}")
    code = result["language"]
    spoken = f'<bdi lang="{_text(code)}">{_text(languages.describe(code).autonym)}</bdi> · ' if code else ""
    return f'<p class="answered" dir="auto">{spoken}{_text(told)}</p>'


def _curve(result: Mapping[str, Any], words: Wording) -> str:
    points, seconds = result["curve"], result["seconds"]
    known = [point for point in points if point is not None]
    if not known or not seconds:
        return ""
    low, high = min(known), max(max(known), min(known) + 1e-6)

    def across(moment: float) -> float:
        return round(100 * moment / seconds, 3)

    def height(score: float) -> float:
        return round(HEIGHT * (1 - 0.06 - 0.88 * (score - low) / (high - low)), 2)

    bands = "".join(
        f'<rect class="{"clear" if hit["clear"] else "faint"}" x="{across(hit["start_seconds"])}" y="0" '
        f'width="{max(0.25, across(hit["end_seconds"] - hit["start_seconds"]))}" height="{HEIGHT}"/>'
        for hit in result["hits"]
    )
    usual = f'<line x1="0" x2="100" y1="{height(result["usual"])}" y2="{height(result["usual"])}"/>'
    label = words("recordings_curve", low=f"{low:.2f}", high=f"{high:.2f}", usual=f"{result['usual']:.2f}")
    marks = "".join(
        f'<button type="button" data-start="{hit["start_seconds"]}" style="left:{across(hit["start_seconds"])}%" '
        f'tabindex="-1" aria-hidden="true">{hit["rank"]}</button>'
        for hit in result["hits"]
    )
    return (
        f'<div class="timeline" dir="ltr" data-seconds="{seconds}"><div class="plot">'
        f'<svg viewBox="0 0 100 {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{_text(label)}">'
        f'{bands}{usual}<path d="{_path(points, height)}"/></svg><span class="playhead" hidden></span></div>'
        f'<div class="marks">{marks}</div><div class="axis" aria-hidden="true">{_axis(seconds)}</div></div>'
        f'<p class="key">{_text(label)}</p>'
    )


def _path(points: Sequence[float | None], height: Any) -> str:  # noqa: ANN401
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


def _axis(seconds: float) -> str:
    apart = next((tick for tick in TICKS if seconds / tick <= MOST_TICKS), TICKS[-1])
    marks: list[str] = []
    moment = 0.0
    while moment <= 0.96 * seconds and len(marks) <= 2 * MOST_TICKS:  # one at the very end would be cut
        marks.append(f'<span style="left:{100 * moment / seconds:.3f}%">{clock(moment)[:-2]}</span>')
        moment += apart
    return "".join(marks)


def _hit(hit: Mapping[str, Any], words: Wording) -> str:
    times = f"{clock(hit['start_seconds'])} – {clock(hit['end_seconds'])}"
    name = words("recordings_play", rank=hit["rank"], start=clock(hit["start_seconds"]))
    strength = words("recordings_clear" if hit["clear"] else "recordings_faint")
    return (
        f'<li class="{"clear" if hit["clear"] else "faint"}">'
        f'<button type="button" data-start="{hit["start_seconds"]}" data-end="{hit["end_seconds"]}" '
        f'title="{_text(name)}"><span class="rank">{hit["rank"]}</span> <span aria-hidden="true">▶</span> '
        f'<bdi dir="ltr">{times}</bdi></button>'
        f'<span class="score">{_text(words("score"))} <bdi>{hit["score"]:.3f}</bdi> · {_text(strength)}</span></li>'
    )


def _exports(exports: Mapping[str, str], words: Wording) -> str:
    names = {".eaf": "ELAN (.eaf)", ".TextGrid": "Praat (.TextGrid)", ".csv": "CSV"}
    links = " ".join(
        f'<a href="{_text(address)}" download>{_text(names.get(suffix, suffix))}</a>'
        for suffix, address in exports.items()
    )
    return f'<p class="exports"><span>{_text(words("recordings_export"))}</span> {links}</p>'


def _text(text: str) -> str:
    return escape(text, quote=True)
