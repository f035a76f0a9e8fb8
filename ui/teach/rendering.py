"""The Teach tab's HTML; everything that comes in is escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from cacara.words.text_pairs import MAX_UNKNOWN
from ui.page.rendering import table_reading
from ui.page.wording import Wording
from ui.teach import feedback_rendering
from ui.teach.teaching import Check, lacking, swapped

SHOWN_FAULTS = 10
SHOWN_PAIRS = 5
STAGES = ("reading", "loading", "embedding", "training", "measuring")
"""The training's stages that have a name of their own here."""


def intro(words: Wording) -> str:
    """Return what the tab is for."""
    return f'<div class="teach-intro"><p>{_text(words("teach_intro"))}</p></div>'


def unavailable(words: Wording) -> str:
    """Return that no model here takes languages."""
    return f'<div class="banner" role="status"><p>{_text(words("teach_no_model"))}</p></div>'


def name(language: str) -> str:
    """Return a language's name."""
    return f'<p class="named" dir="auto">{_text(language)}</p>'


def report(check: Check, words: Wording) -> str:
    """Return what was found in the rows, before anything is started."""
    name = check.name if check.autonym == check.name else f"{check.name} · {check.autonym}"
    good = words("teach_good", count=len(check.pairs.pairs), language=name, code=check.code, model=check.model)
    notes = []
    if check.unknown_share is not None and check.unknown_share > MAX_UNKNOWN:
        notes.append(words("teach_unknown", percent=round(100 * check.unknown_share)))
    if check.long:
        notes.append(words("teach_long", count=check.long))
    if check.pairs.swapped and check.ready:
        notes.append(swapped(check, words))
    if check.reads_already:
        notes.append(words("teach_again", model=check.model))
    parts = [f'<p class="found" dir="auto">{_text(good)}</p>']
    if missing := lacking(check, words):
        parts.append(f'<p class="lacking" role="alert">{_text(missing)}</p>')
    elif check.unknown_share is not None and not notes and not check.pairs.faults:
        parts.append(f'<p class="fine">✓ {_text(words("teach_fine"))}</p>')
    parts += [f'<p class="warned">{_text(note)}</p>' for note in notes]
    read = table_reading(check.pairs.preview, words) if check.pairs.preview else ""
    return f'<div class="teach-report">{"".join(parts)}{read}{_sample(check, words)}{_faults(check, words)}</div>'


def status(status: Mapping[str, Any], words: Wording) -> str:
    """Return how far the last teaching is, or what came of it."""
    last = status["last"]
    if not last:
        return ""
    title = words("teach_job", language=f"{last['name']} ({last['language']})", model=last["model"])
    told = {"running": _running, "done": _done, "failed": _failed, "cancelled": _cancelled}[last["state"]]
    return (
        f'<section class="teach-job" data-state="{_text(last["state"])}" aria-live="polite">'
        f'<h2 dir="auto">{_text(title)}</h2>{told(last, words)}</section>'
    )


def taught(status: Mapping[str, Any], names: Mapping[str, str], words: Wording) -> str:
    """Return the languages that were taught here."""
    if not status["taught"]:
        return ""
    each = "".join(f"<li><bdi>{_text(names[code])}</bdi> <code>{_text(code)}</code></li>" for code in status["taught"])
    return (
        f'<div class="teach-taught"><h3>{_text(words("teach_taught", model=status["model"]))}</h3><ul>{each}</ul></div>'
    )


def _sample(check: Check, words: Wording) -> str:
    rows = "".join(
        f'<tr><td dir="ltr" lang="en">{_text(english)}</td>'
        f'<td dir="{_text(check.direction)}" lang="{_text(check.code)}">{_text(other)}</td></tr>'
        for english, other in check.pairs.pairs[:SHOWN_PAIRS]
    )
    if not rows:
        return ""
    english = _text(words("teach_english_column"))
    head = f'<th scope="col">{english}</th><th scope="col" dir="auto">{_text(check.autonym)}</th>'
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _faults(check: Check, words: Wording) -> str:
    if not check.pairs.faults:
        return ""
    lines = [
        words("teach_line", line=each.line, reason=words(each.key, **each.values))
        for each in check.pairs.faults[:SHOWN_FAULTS]
    ]
    if more := len(check.pairs.faults) - SHOWN_FAULTS:
        lines += [words("teach_more_lines", count=more)] if more > 0 else []
    title = words("teach_left_out", count=len(check.pairs.faults))
    return f'<div class="left-out"><p>{_text(title)}</p><ul>{_items(lines)}</ul></div>'


def _running(last: Mapping[str, Any], words: Wording) -> str:
    stage = words(f"teach_stage_{last['stage']}" if last["stage"] in STAGES else "teach_stage_starting")
    said = words("teach_progress", stage=stage, percent=round(100 * last["fraction"]), seconds=round(last["seconds"]))
    value = f' value="{last["fraction"]:.3f}"' if last["stage"] in STAGES else ""
    return (
        f'<div class="preparation" role="status"><progress max="1"{value} aria-label="{_text(stage)}"></progress>'
        f'<p class="step">{_text(said)}</p></div>'
    )


def _done(last: Mapping[str, Any], words: Wording) -> str:
    if last["source"] == "feedback":
        return feedback_rendering.verdict(last, words)
    before, after = last.get("before") or {}, last.get("after") or {}
    rows = "".join(
        f'<tr><th scope="row">{_text(words(key))}</th><td>{_number(before.get(name))}</td>'
        f'<td class="after">{_number(after.get(name))}</td></tr>'
        for key, name in (("teach_first", "R@1"), ("teach_ten", "R@10"), ("teach_cosine", "cosine"))
    )
    head = "".join(f'<th scope="col">{_text(words(key))}</th>' for key in ("teach_before", "teach_after"))
    explained = words("teach_held_out", pairs=after.get("pairs", "–"), candidates=after.get("candidates", "–"))
    better = float(after.get("R@10") or 0) > float(before.get("R@10") or 0)
    verdict = words("teach_usable" if better else "teach_not_better", language=last["name"], model=last["model"])
    warnings = [str(each) for each in last.get("warnings") or ()]
    more = f'<div class="left-out"><ul>{_items(warnings)}</ul></div>' if warnings else ""
    return (
        f'<p class="{"fine" if better else "warned"}" dir="auto">{_text(verdict)}</p>'
        f'<table class="scores"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>'
        f'<p class="explained">{_text(explained)}</p>{more}'
    )


def _failed(last: Mapping[str, Any], words: Wording) -> str:
    said = words("teach_failed", reason=last["message"])
    return f'<div class="problem" role="alert"><p dir="auto">{_text(said)}</p></div>'


def _cancelled(last: Mapping[str, Any], words: Wording) -> str:
    return f'<div class="banner"><p>{_text(words("teach_cancelled"))}</p></div>'


def _items(lines: Sequence[str]) -> str:
    return "".join(f'<li dir="auto">{_text(line)}</li>' for line in lines)


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "–"


def _text(value: object) -> str:
    return html.escape(str(value))
