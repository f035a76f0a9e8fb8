"""The Teach tab as HTML: rows, taught words and what they brought, and what came of a training; knows no Gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from cacara import languages
from cacara.words.text_pairs import MAX_UNKNOWN
from ui.page.rendering import table_reading
from ui.page.templates import markup, render
from ui.teach import words as taught_words
from ui.teach.actions import Check, lacking
from ui.teach.pairs import fault_of

if TYPE_CHECKING:
    from cacara.words.personal_tables import PersonalTable
    from ui.page.wording import Wording
    from ui.teach.words import TaughtList

SHOWN_FAULTS = 10
SHOWN_LISTS = 50
STAGES = ("reading", "loading", "embedding", "training", "measuring")
"""The training's stages that have a name of their own here."""
SCORES = (("teach_first", "R@1"), ("teach_ten", "R@10"), ("teach_cosine", "cosine"))
"""The measures of what was held out, each with the key of its title."""
EFFECT = (("teach_first", "english"), ("teach_effect_sounds", "sounds"), ("teach_effect_kept_out", "kept_out"))
"""The measures of what words brought, each with the key of its title."""


def intro(words: Wording) -> str:
    """Return what the tab is for."""
    return render("teach/intro.html", words)


def name(language: str, words: Wording) -> str:
    """Return a language's name."""
    return render("teach/name.html", words, language=language)


def report(table: PersonalTable, training: Check | None, model: str | None, words: Wording) -> str:
    """Return what was understood of the rows, before anything is added or started.

    Args:
        table: The rows.
        training: What a training would make of them; None where none can be had of them.
        model: The name of the model that answers and looks words up; None where the one that answers does not.
        words: The interface's language.
    """
    codes = sorted({word.language for word in table.words})
    named = ", ".join(f"{_name(code)} ({code})" for code in codes)
    return render(
        "teach/report.html",
        words,
        table=table,
        lacking=words("teach_swapped", **taught_words.swapped(table)) if table.swapped and table.words else "",
        found=words("teach_words_found", count=len(table.words), language=named),
        training=_training(training, words) if training else "",
        notes=[*([] if model else [words("teach_words_unheeded")]), *(_notes(training, words) if training else [])],
        reading=Markup(table_reading(table.preview, words)),
        columns=[_column(heading, field, codes, words) for heading, field in table.preview.columns],
        faults=_faults(table, words),
        faults_count=len(table.faults),
    )


def added(found: Mapping[str, Any], words: Wording) -> str:
    """Return what became of words that were added.

    Args:
        found: ``added``, ``known``, ``model`` (that heeds them, or None), ``measuring``, and ``effect``, what
            ``measure_words`` returns, or None.
        words: The interface's language.
    """
    effect = found["effect"]
    rows = [] if effect is None else [{"title": title, **_shift(effect[measure])} for title, measure in EFFECT]
    return render("teach/added.html", words, **found, rows=rows)


def lists(found: Sequence[TaughtList], words: Wording) -> str:
    """Return the words that were taught here."""
    more = max(0, len(found) - SHOWN_LISTS)
    return render("teach/words.html", words, lists=found[:SHOWN_LISTS], more=more)


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


def offers(found: Mapping[str, Any], words: Wording) -> str:
    """Return the languages in which feedback suggests words."""
    return render("teach/offers.html", words, problem=found["problem"], rows=found["languages"])


def _notes(check: Check, words: Wording) -> list[str]:
    notes = []
    if check.unknown_share is not None and check.unknown_share > MAX_UNKNOWN:
        notes.append(words("teach_unknown", percent=round(100 * check.unknown_share)))
    if check.long:
        notes.append(words("teach_long", count=check.long))
    if check.reads_already:
        notes.append(words("teach_again", model=check.model))
    return notes


def _training(check: Check, words: Wording) -> str:
    return lacking(check, words) or words("teach_good", count=len(check.pairs.pairs), model=check.model)


def _column(heading: str, field: str, codes: Sequence[str], words: Wording) -> str:
    if field == "english":
        return words("teach_english_column")
    if field == "text" and len(codes) == 1:
        return languages.describe(codes[0]).autonym
    return heading or field


def _name(code: str) -> str:
    found = languages.describe(code)
    return found.english_name if found.autonym == found.english_name else f"{found.english_name} · {found.autonym}"


def _shift(values: Mapping[str, float]) -> dict[str, str]:
    """Return one measure as it is shown, the change with its interval."""
    change, bounds = values["after"] - values["before"], (values["lower"], values["upper"])
    told = f"{change:+.0f} ({bounds[0]:+.0f} … {bounds[1]:+.0f})".replace("-", "−").replace("+0", "0")
    return {"before": f"{values['before']:.0f}", "after": f"{values['after']:.0f}", "change": told}


def _faults(table: PersonalTable, words: Wording) -> list[str]:
    faults = [fault_of(line, found) for line, found in table.faults]
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


def _both(before: Mapping[str, Any], after: Mapping[str, Any], first: str, second: str, form: str) -> dict[str, str]:
    return {"before": _figure(before.get(first), form), "after": _figure(after.get(second), form)}


def _figure(value: object, form: str) -> str:
    return format(value, form) if isinstance(value, int | float) else "–"
