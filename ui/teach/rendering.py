"""The Teach tab as HTML: pairs, the languages of the feedback, and what came of a teaching; knows no Gradio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from cacara.words.text_pairs import MAX_UNKNOWN
from ui.page.rendering import gate_reasons, table_reading
from ui.page.templates import markup, render
from ui.teach import feedback
from ui.teach.actions import Check, lacking, swapped

if TYPE_CHECKING:
    from ui.page.wording import Wording

SHOWN_FAULTS = 10
SHOWN_PAIRS = 5
STAGES = ("reading", "loading", "embedding", "training", "measuring")
"""The training's stages that have a name of their own here."""
SCORES = (("teach_first", "R@1"), ("teach_ten", "R@10"), ("teach_cosine", "cosine"))
"""The measures of what was held out, each with the key of its title."""
PARTS = ("feedback", "dev")
"""The parts of a gate that were measured before and after."""


def intro(words: Wording) -> str:
    """Return what the tab is for."""
    return render("teach/intro.html", words)


def unavailable(words: Wording) -> str:
    """Return that no model here takes languages."""
    return render("teach/unavailable.html", words)


def name(language: str, words: Wording) -> str:
    """Return a language's name."""
    return render("teach/name.html", words, language=language)


def report(check: Check, words: Wording) -> str:
    """Return what was found in the rows, before anything is started."""
    name = check.name if check.autonym == check.name else f"{check.name} · {check.autonym}"
    pairs, notes = check.pairs, _notes(check, words)
    return render(
        "teach/report.html",
        words,
        found=words("teach_good", count=len(pairs.pairs), language=name, code=check.code, model=check.model),
        lacking=lacking(check, words),
        fine=check.unknown_share is not None and not notes and not pairs.faults,
        notes=notes,
        reading=Markup(table_reading(pairs.preview, words)) if pairs.preview else "",
        check=check,
        pairs=pairs.pairs[:SHOWN_PAIRS],
        faults=_faults(check, words),
        faults_count=len(pairs.faults),
    )


def status(status: Mapping[str, Any], words: Wording) -> str:
    """Return how far the last teaching is, or what came of it."""
    last = status["last"]
    if not last:
        return ""
    state = last["state"]
    return render(
        "teach/status.html",
        words,
        state=state,
        language=f"{last['name']} ({last['language']})",
        model=last["model"],
        progress=_progress(last, words) if state == "running" else None,
        message=last.get("message"),
        outcome=_outcome(last, words) if state == "done" else None,
    )


def taught(status: Mapping[str, Any], names: Mapping[str, str], words: Wording) -> str:
    """Return the languages that were taught here."""
    if not status["taught"]:
        return ""
    languages = [(code, names[code]) for code in status["taught"]]
    return render("teach/taught.html", words, model=status["model"], languages=languages)


def feedback_heading(words: Wording) -> str:
    """Return what teaching from feedback is for."""
    return render("teach/feedback_heading.html", words)


def offers(found: Mapping[str, Any], words: Wording) -> str:
    """Return the languages of the feedback, with how many pairs there are and how many are missing."""
    languages = found["languages"]
    rows = None if languages is None else [_offer(row, words) for row in languages]
    return render("teach/offers.html", words, problem=found["problem"], rows=rows)


def verdict(last: Mapping[str, Any], words: Wording) -> Markup:
    """Return what came of a teaching from feedback: the gate's verdict, its figures, its words."""
    gate = last["gate"]
    return markup(
        "teach/verdict.html",
        words,
        passed=gate.get("passed"),
        in_use=last["in_use"],
        language=last["name"],
        model=last["model"],
        reasons=gate_reasons(gate, words),
        rows=[
            {"title": f"teach_from_part_{part}"} | _both(found, found, "before", "after", ".1f")
            for part in PARTS
            if isinstance(found := gate.get(part), Mapping)
        ],
        explained=_explained(gate, words),
        lines=[str(line) for line in (*(gate.get("said") or ()), *(last.get("warnings") or ()))],
    )


def _notes(check: Check, words: Wording) -> list[str]:
    notes = []
    if check.unknown_share is not None and check.unknown_share > MAX_UNKNOWN:
        notes.append(words("teach_unknown", percent=round(100 * check.unknown_share)))
    if check.long:
        notes.append(words("teach_long", count=check.long))
    if check.pairs.swapped and check.ready:
        notes.append(swapped(check, words))
    if check.reads_already:
        notes.append(words("teach_again", model=check.model))
    return notes


def _faults(check: Check, words: Wording) -> list[str]:
    faults = check.pairs.faults
    lines = [words("teach_line", line=each.line, reason=words(each.key, **each.values)) for each in faults]
    more = len(faults) - SHOWN_FAULTS
    return lines[:SHOWN_FAULTS] + ([words("teach_more_lines", count=more)] if more > 0 else [])


def _progress(last: Mapping[str, Any], words: Wording) -> dict[str, str]:
    known = last["stage"] in STAGES
    stage = words(f"teach_stage_{last['stage']}" if known else "teach_stage_starting")
    percent, seconds = round(100 * last["fraction"]), round(last["seconds"])
    return {
        "stage": stage,
        "told": words("teach_progress", stage=stage, percent=percent, seconds=seconds),
        "value": f"{last['fraction']:.3f}" if known else "",
    }


def _outcome(last: Mapping[str, Any], words: Wording) -> Markup:
    if last["source"] == "feedback":
        return verdict(last, words)
    before, after = last.get("before") or {}, last.get("after") or {}
    return markup(
        "teach/outcome.html",
        words,
        better=float(after.get("R@10") or 0) > float(before.get("R@10") or 0),
        language=last["name"],
        model=last["model"],
        rows=[{"title": title} | _both(before, after, measure, measure, "g") for title, measure in SCORES],
        pairs=after.get("pairs", "–"),
        candidates=after.get("candidates", "–"),
        warnings=[str(each) for each in last.get("warnings") or ()],
    )


def _offer(row: Mapping[str, Any], words: Wording) -> dict[str, Any]:
    return {**row, "lacking": feedback.lacking(row["missing"], words) if row["missing"] else ""}


def _explained(gate: Mapping[str, Any], words: Wording) -> list[str]:
    lines = []
    if isinstance(pairs := gate.get("pairs"), Mapping):
        counts = {name: pairs.get(name, "–") for name in ("taught", "taught_from_feedback", "held_out")}
        lines.append(words("teach_from_learnt", **counts))
    others = gate.get("others")
    if isinstance(others, Mapping) and others.get("texts") and not others.get("changed"):
        lines.append(words("teach_from_others", texts=others["texts"], languages=others.get("languages", "–")))
    return lines


def _both(before: Mapping[str, Any], after: Mapping[str, Any], first: str, second: str, form: str) -> dict[str, str]:
    return {"before": _figure(before.get(first), form), "after": _figure(after.get(second), form)}


def _figure(value: object, form: str) -> str:
    return format(value, form) if isinstance(value, int | float) else "–"
