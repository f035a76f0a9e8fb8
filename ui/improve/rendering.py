"""The Improve tab as HTML; knows no Gradio."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cacara import languages
from cacara.errors import CacaraError
from feedback_db.records.opinions import LABELS
from ui.improve import curves
from ui.page.rendering import gate_reasons
from ui.page.templates import render
from ui.page.wording import Wording

STAGES = ("manifest", "prepare", "train", "gate")
"""The training's stages that have a name of their own here."""
SHOWN_PEOPLE = 30
MEASURES = {"contests won": "improve_contests", "R@10": "improve_ten"}


def intro(words: Wording) -> str:
    """Return what the tab is for."""
    return render("improve/intro.html", words)


def collected(found: Mapping[str, Any], words: Wording) -> str:
    """Return how much feedback there is, by label, language and annotator."""
    tables = [{"title": "improve_language", "rows": _counts(found["languages"], _language)}]
    if found["annotators"] is not None:
        tables.append({"title": "improve_annotator", "rows": _counts(found["annotators"], str)})
    return render(
        "improve/collected.html",
        words,
        empty=not found["total"] and not found["captions"],
        labels=[{"name": label, "count": found["labels"][label]} for label in LABELS],
        captions=found["captions"],
        preferences=found["preferences"],
        tables=tables,
    )


def needed(found: Mapping[str, Any], words: Wording) -> str:
    """Return how much feedback the training wants, and how much of that there is."""
    rows = found["rows"]
    missing = [row for row in rows or () if row["found"] < row["wanted"]]
    return render(
        "improve/needed.html",
        words,
        problem=found["problem"],
        counting=found["counting"],
        missing=", ".join(f"{row['wanted'] - row['found']} {words('improve_need_' + row['name'])}" for row in missing),
        rows=None if rows is None else [_meter(row) for row in rows],
    )


def run(found: Mapping[str, Any] | None, words: Wording) -> str:
    """Return how far the last fine-tuning is, or what came of it."""
    if not found:
        return ""
    gate = found["gate"]
    return render(
        "improve/run.html",
        words,
        state=found["state"],
        base=found["base"] or "–",
        progress=_progress(found, words) if found["state"] == "running" else None,
        message=found["message"],
        gate=gate,
        promotable=found["promotable"],
        model_id=found["model_id"] or "–",
        reasons=gate_reasons(gate, words) if gate else [],
        curves=curves.drawings(found["curves"], words),
        changes=_changes(gate, words) if gate else [],
    )


def models(found: Mapping[str, Any], words: Wording) -> str:
    """Return which model answers, and what was promoted when."""
    history = [
        {
            "when": str(row.get("time_utc", ""))[:16].replace("T", " "),
            "action": row["action"],
            "model_id": row.get("model_id", ""),
        }
        for row in found["history"]
        if row.get("action") in ("promote", "rollback")
    ]
    return render(
        "improve/models.html",
        words,
        answers=found["answers"],
        fixed=found["fixed"],
        current=found["current"],
        phase=found["phase"],
        history=history,
    )


def promoting(words: Wording) -> str:
    """Return that a model is being promoted."""
    return render("improve/promoting.html", words)


def _progress(found: Mapping[str, Any], words: Wording) -> dict[str, str]:
    known = found["stage"] in STAGES
    stage = words(f"improve_stage_{found['stage']}" if known else "improve_stage_starting")
    percent, seconds = round(100 * found["fraction"]), round(found["seconds"])
    return {
        "stage": stage,
        "told": words("improve_progress", stage=stage, percent=percent, seconds=seconds),
        "value": f"{found['fraction']:.3f}" if known else "",
    }


def _changes(gate: Mapping[str, Any], words: Wording) -> list[dict[str, Any]]:
    # Where dev has too little of what was judged, the gate asks what was held out of the feedback.
    judged = gate.get("judged") or gate.get("held_out")
    sets = ((judged, "improve_judged"), (gate.get("unjudged"), "improve_unjudged"))
    return [_change(change, title, words) for change, title in sets if change]


def _change(change: Mapping[str, Any], title: str, words: Wording) -> dict[str, Any]:
    measure = words(MEASURES[change["measure"]]) if change["measure"] in MEASURES else str(change["measure"])
    told = words(
        "improve_change",
        measure=measure,
        before=f"{change['before']:.1f}",
        after=f"{change['after']:.1f}",
        difference=f"{change['difference']:+.1f}",
        lower=f"{change['lower']:+.1f}",
        upper=f"{change['upper']:+.1f}",
    )
    ordered = sorted(change["languages"].items(), key=lambda each: (each[1]["after"] - each[1]["before"], each[0]))
    rows = [
        {
            "name": _language(code),
            "before": f"{row['before']:.1f}",
            "after": f"{row['after']:.1f}",
            "p": f"{row['p']:.2f}",
            "drawing": curves.dumbbell(row["before"], row["after"]),
        }
        for code, row in ordered
    ]
    return {"title": title, "told": told, "languages": rows}


def _counts(found: Mapping[str, Mapping[str, int]], name: Callable[[str], str]) -> list[dict[str, Any]]:
    rows = list(found.items())[:SHOWN_PEOPLE]
    return [{"name": name(key), "counts": [counts[label] for label in LABELS]} for key, counts in rows]


def _meter(row: Mapping[str, Any]) -> dict[str, Any]:
    share = row["found"] / row["wanted"] if row["wanted"] else 1.0
    return {**row, "share": share, "enough": row["found"] >= row["wanted"]}


def _language(code: str) -> str:
    try:
        return f"{languages.describe(code).autonym} ({code})" if code else "–"
    except CacaraError:
        return code
