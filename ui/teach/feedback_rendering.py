"""The HTML of what teaching from feedback offers and what came of it; everything that comes in is escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from ui.page.rendering import gate_reasons
from ui.page.wording import Wording
from ui.teach.from_feedback import lacking

PARTS = ("feedback", "dev")


def heading(words: Wording) -> str:
    """Return what this part of the tab is for."""
    return (
        f'<div class="teach-from-intro"><h2>{_text(words("teach_from_title"))}</h2>'
        f"<p>{_text(words('teach_from_intro'))}</p></div>"
    )


def offers(found: Mapping[str, Any], words: Wording) -> str:
    """Return the languages of the feedback, with how many pairs there are and how many are missing."""
    if found["problem"]:
        return f'<div class="problem" role="alert"><p dir="auto">{_text(found["problem"])}</p></div>'
    if found["languages"] is None:
        return f'<p class="explained" role="status">{_text(words("teach_from_counting"))}</p>'
    if not found["languages"]:
        return f'<p class="explained">{_text(words("teach_from_none"))}</p>'
    titles = ("teach_from_language", "teach_from_pairs", "teach_from_captions", "teach_from_missing")
    head = "".join(f'<th scope="col">{_text(words(title))}</th>' for title in titles)
    rows = "".join(_offer(row, words) for row in found["languages"])
    return f'<table class="teach-offers"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def verdict(last: Mapping[str, Any], words: Wording) -> str:
    """Return what came of a teaching from feedback: the gate's verdict, its figures, its words."""
    gate = last["gate"]
    named = {"language": last["name"], "model": last["model"]}
    if gate.get("passed"):
        parts = [f'<p class="fine" dir="auto">{_text(words("teach_usable", **named))}</p>' if last["in_use"] else ""]
    else:
        key = "teach_from_used" if last["in_use"] else "teach_from_stopped"
        reasons = "".join(f'<li dir="auto">{_text(reason)}</li>' for reason in gate_reasons(gate, words))
        said = f'<p dir="auto">{_text(words(key, **named))}</p>'
        parts = [f'<div class="left-out" role="status">{said}<ul>{reasons}</ul></div>']
    parts += [_scores(gate, words), _learnt(gate, words), _said(gate, last.get("warnings") or (), words)]
    return "".join(parts)


def _offer(row: Mapping[str, Any], words: Wording) -> str:
    enough = words("teach_from_enough")
    missing = _text(lacking(row["missing"], words)) if row["missing"] else f'<span class="fine">{_text(enough)}</span>'
    return (
        f'<tr><th scope="row"><bdi>{_text(row["name"])}</bdi> <code>{_text(row["language"])}</code></th>'
        f'<td class="count">{_text(row["pairs"])}</td><td class="count">{_text(row["captions"])}</td>'
        f"<td>{missing}</td></tr>"
    )


def _scores(gate: Mapping[str, Any], words: Wording) -> str:
    rows = "".join(
        f'<tr><th scope="row">{_text(words(f"teach_from_part_{part}"))}</th><td>{_number(found.get("before"))}</td>'
        f'<td class="after">{_number(found.get("after"))}</td></tr>'
        for part in PARTS
        if isinstance(found := gate.get(part), Mapping)
    )
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{_text(words(key))}</th>' for key in ("teach_before", "teach_after"))
    return f'<table class="scores"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _learnt(gate: Mapping[str, Any], words: Wording) -> str:
    lines = []
    if isinstance(pairs := gate.get("pairs"), Mapping):
        told = {name: pairs.get(name, "–") for name in ("taught", "taught_from_feedback", "held_out")}
        lines.append(words("teach_from_learnt", **told))
    others = gate.get("others")
    if isinstance(others, Mapping) and others.get("texts") and not others.get("changed"):
        lines.append(words("teach_from_others", texts=others["texts"], languages=others.get("languages", "–")))
    return "".join(f'<p class="explained">{_text(line)}</p>' for line in lines)


def _said(gate: Mapping[str, Any], warnings: Any, words: Wording) -> str:  # noqa: ANN401
    lines = [str(line) for line in (*(gate.get("said") or ()), *warnings)]
    if not lines:
        return ""
    items = "".join(f"<li>{_text(line)}</li>" for line in lines)
    return (
        f'<details class="teach-said"><summary>{_text(words("teach_from_said"))}</summary>'
        f'<ul lang="en" dir="ltr">{items}</ul></details>'
    )


def _number(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else "–"


def _text(value: object) -> str:
    return html.escape(str(value))
