"""The Improve tab's HTML; everything that comes in is escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from cacara import languages
from cacara.errors import CacaraError
from feedback_db.records.opinions import LABELS
from ui.improve import curves
from ui.page.rendering import gate_reasons
from ui.page.wording import Wording

STAGES = ("manifest", "prepare", "train", "gate")
"""The training's stages that have a name of their own here."""
SHOWN_PEOPLE = 30
MEASURES = {"contests won": "improve_contests", "R@10": "improve_ten"}


def intro(words: Wording) -> str:
    """Return what the tab is for."""
    return f'<div class="improve-intro"><p>{_text(words("improve_intro"))}</p></div>'


def collected(found: Mapping[str, Any], words: Wording) -> str:
    """Return what was said, by label, language and annotator."""
    if not found["total"] and not found["captions"]:
        return _section("improve-collected", words("improve_collected"), f"<p>{_text(words('improve_nothing'))}</p>")
    each = "".join(
        f'<li data-label="{label}"><strong>{found["labels"][label]}</strong> {_text(words(f"improve_{label}"))}</li>'
        for label in LABELS
    )
    more = words("improve_more", captions=found["captions"], preferences=found["preferences"])
    tables = _counts(found["languages"], words("improve_language"), words, _language)
    if found["annotators"] is not None:
        tables += _counts(found["annotators"], words("improve_annotator"), words, str)
    body = f'<ul class="labels">{each}</ul><p class="explained">{_text(more)}</p><div class="tables">{tables}</div>'
    return _section("improve-collected", words("improve_collected"), body)


def needed(found: Mapping[str, Any], words: Wording) -> str:
    """Return how much feedback the training wants, and how much of that there is."""
    if found["rows"] is None:
        said = found["problem"] or words("improve_counting")
        kind = "problem" if found["problem"] else "preparation"
        body = f'<div class="{kind}" role="status"><p dir="auto">{_text(said)}</p></div>'
        return _section("improve-needed", words("improve_needed"), body)
    rows = "".join(_meter(row, words) for row in found["rows"])
    missing = [row for row in found["rows"] if row["found"] < row["wanted"]]
    listed = ", ".join(f"{row['wanted'] - row['found']} {words('improve_need_' + row['name'])}" for row in missing)
    told = words("improve_missing", missing=listed) if missing else words("improve_enough")
    busy = f' <span class="explained">{_text(words("improve_counting"))}</span>' if found["counting"] else ""
    lead = f'<p class="{"lacking" if missing else "fine"}">{_text(told)}{busy}</p>'
    return _section("improve-needed", words("improve_needed"), f'{lead}<ul class="meters">{rows}</ul>')


def run(found: Mapping[str, Any] | None, words: Wording) -> str:
    """Return how far the last fine-tuning is, or what came of it."""
    if not found:
        return ""
    told = {"running": _running, "done": _done, "failed": _failed, "cancelled": _cancelled}[found["state"]]
    drawn = curves.drawings(found["curves"], words)
    title = words("improve_run", model=found["base"] or "–")
    body = f'<div aria-live="polite">{told(found, words)}</div>{drawn}{_gate(found["gate"], words)}'
    return _section("improve-run", title, body, state=found["state"])


def models(found: Mapping[str, Any], words: Wording) -> str:
    """Return which model answers, and what was promoted when."""
    # The name is put in after escaping, as it is markup: it runs from left to right in any sentence.
    answers = _text(words("improve_answers", model="\0")).replace("\0", f"<bdi>{_text(found['answers'])}</bdi>")
    lines = [f"<p>{answers}</p>"]
    if found["fixed"]:
        lines.append(f'<p class="warned">{_text(words("improve_fixed"))}</p>')
    elif found["current"] != found["answers"]:
        key = "improve_cannot_prepare" if found["phase"] == "failed" else "improve_is_prepared"
        lines.append(f'<p class="warned" role="status">{_text(words(key, model=found["current"]))}</p>')
    rows = "".join(
        f"<tr><td>{_text(str(row.get('time_utc', ''))[:16].replace('T', ' '))}</td>"
        f"<td>{_text(words('improve_did_' + str(row.get('action'))))}</td>"
        f'<td dir="ltr">{_text(row.get("model_id", ""))}</td></tr>'
        for row in found["history"]
        if row.get("action") in ("promote", "rollback")
    )
    if rows:
        lines.append(f'<div class="scroll"><table><tbody>{rows}</tbody></table></div>')
    return _section("improve-models", words("improve_models"), "".join(lines))


def promoting(words: Wording) -> str:
    """Return that a model is being promoted."""
    return (
        f'<div class="preparation" role="status"><p>{_text(words("improve_promoting"))}</p><progress></progress></div>'
    )


def _running(found: Mapping[str, Any], words: Wording) -> str:
    known = found["stage"] in STAGES
    stage = words(f"improve_stage_{found['stage']}" if known else "improve_stage_starting")
    said = words(
        "improve_progress", stage=stage, percent=round(100 * found["fraction"]), seconds=round(found["seconds"])
    )
    value = f' value="{found["fraction"]:.3f}"' if known else ""
    return (
        f'<div class="preparation" role="status"><progress max="1"{value} aria-label="{_text(stage)}"></progress>'
        f'<p class="step">{_text(said)}</p></div>'
    )


def _done(found: Mapping[str, Any], words: Wording) -> str:
    gate = found["gate"]
    if not gate:
        return f'<div class="banner"><p>{_text(words("improve_no_verdict"))}</p></div>'
    if gate["passed"]:
        key = "improve_passed" if found["promotable"] else "improve_promoted"
        return f'<p class="fine">✓ {_text(words(key, model=found["model_id"] or "–"))}</p>'
    reasons = "".join(f'<li dir="auto">{_text(reason)}</li>' for reason in gate_reasons(gate, words))
    return (
        f'<div class="left-out" role="status"><p>{_text(words("improve_stopped_by_gate"))}</p><ul>{reasons}</ul></div>'
    )


def _failed(found: Mapping[str, Any], words: Wording) -> str:
    said = words("improve_failed", reason=found["message"])
    return f'<div class="problem" role="alert"><p dir="auto">{_text(said)}</p></div>'


def _cancelled(found: Mapping[str, Any], words: Wording) -> str:
    return f'<div class="banner"><p>{_text(words("improve_cancelled"))}</p></div>'


def _gate(gate: Mapping[str, Any] | None, words: Wording) -> str:
    if not gate:
        return ""
    # Where dev has too little of what was judged, the gate asks what was held out of the feedback.
    judged = gate.get("judged") or gate.get("held_out")
    sets = ((judged, "improve_judged"), (gate.get("unjudged"), "improve_unjudged"))
    parts = [_change(change, words(title), words) for change, title in sets if change]
    return f'<div class="changes">{"".join(parts)}</div>'


def _change(change: Mapping[str, Any], title: str, words: Wording) -> str:
    measure = words(MEASURES[change["measure"]]) if change["measure"] in MEASURES else str(change["measure"])
    said = words(
        "improve_change",
        measure=measure,
        before=f"{change['before']:.1f}",
        after=f"{change['after']:.1f}",
        difference=f"{change['difference']:+.1f}",
        lower=f"{change['lower']:+.1f}",
        upper=f"{change['upper']:+.1f}",
    )
    ordered = sorted(change["languages"].items(), key=lambda each: (each[1]["after"] - each[1]["before"], each[0]))
    rows = "".join(
        f'<tr><th scope="row"><bdi>{_text(_language(code))}</bdi></th>'
        f"<td>{row['before']:.1f}</td><td>{row['after']:.1f}</td>"
        f"<td>{curves.dumbbell(row['before'], row['after'])}</td><td>{row['p']:.2f}</td></tr>"
        for code, row in ordered
    )
    names = ("improve_language", "improve_before", "improve_after", "improve_difference", "improve_p")
    head = "".join(f'<th scope="col">{_text(words(name))}</th>' for name in names)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    shown = words("improve_by_language", count=len(ordered))
    more = f'<details open><summary>{_text(shown)}</summary><div class="scroll" tabindex="0">{table}</div></details>'
    return f'<section><h3>{_text(title)}</h3><p dir="auto">{_text(said)}</p>{more}</section>'


def _counts(found: Mapping[str, Mapping[str, int]], title: str, words: Wording, name: Any) -> str:  # noqa: ANN401
    head = "".join(f'<th scope="col">{_text(words(f"improve_{label}"))}</th>' for label in LABELS)
    rows = "".join(
        f'<tr><th scope="row"><bdi>{_text(name(key))}</bdi></th>'
        + "".join(f"<td>{counts[label] or '·'}</td>" for label in LABELS)
        + "</tr>"
        for key, counts in list(found.items())[:SHOWN_PEOPLE]
    )
    table = f'<table><thead><tr><th scope="col">{_text(title)}</th>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<div class="scroll" tabindex="0">{table}</div>'


def _meter(row: Mapping[str, Any], words: Wording) -> str:
    share = min(1.0, row["found"] / row["wanted"]) if row["wanted"] else 1.0
    name = words(f"improve_need_{row['name']}")
    state = "enough" if row["found"] >= row["wanted"] else "short"
    said = words("improve_of", found=row["found"], wanted=row["wanted"])
    return (
        f'<li data-state="{state}" data-name="{_text(row["name"])}"><span>{_text(name)}</span>'
        f'<span class="bar" aria-hidden="true"><span style="inline-size:{100 * share:.0f}%"></span></span>'
        f"<span>{_text(said)}</span></li>"
    )


def _language(code: str) -> str:
    try:
        return f"{languages.describe(code).autonym} ({code})" if code else "–"
    except CacaraError:
        return code


def _section(name: str, title: str, body: str, state: str = "") -> str:
    marked = f' data-state="{_text(state)}"' if state else ""
    return f'<section class="{name}"{marked}><h2 dir="auto">{_text(title)}</h2>{body}</section>'


def _text(value: object) -> str:
    return html.escape(str(value))
