"""The Review tab as HTML; knows no Gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from feedback_db import LABELS, Adjudication, Campaign, Caption, Deletion, Judgement, Preference
from feedback_db.records.campaigns import ORDERS
from feedback_db.records.review import STATES
from ui.page.templates import markup, render
from ui.server.media import picture_url, sound_url

if TYPE_CHECKING:
    from markupsafe import Markup

    from feedback_db import AnnotatorStatistics, Event, Pair, Progress, ReviewRow
    from ui.page.wording import Wording
    from ui.review.agreement import Agreement

SECTIONS = ("campaigns", "judgements", "disagreements", "agreement", "progress", "data", "changes")
MOST_PAIRS = 100
FORMATS = ("csv", "jsonl", "parquet")
"""The kinds of file that feedback is exported to and imported from."""
MOST_BAD_ROWS = 200


def shell(words: Wording) -> str:
    """Return the tab's frame; ``review.js`` fills it."""
    return render("review/shell.html", words, sections=SECTIONS)


def locked(words: Wording) -> str:
    """Return the page that asks for the admin token."""
    return render("review/locked.html", words)


def page(content: Markup, found: Sequence[Campaign], chosen: str, words: Wording) -> str:
    """Return one section below the choice of the campaign that it is about."""
    return render("review/page.html", words, content=content, campaigns=found, chosen=chosen)


def campaigns(found: Sequence[tuple[Campaign, Progress]], words: Wording) -> Markup:
    """Return the list of campaigns with what can be done to each."""
    rows = [{"campaign": campaign, "progress": progress} for campaign, progress in reversed(found)]
    return markup("review/campaigns.html", words, rows=rows)


def campaign_form(campaign: Campaign | None, models: Sequence[tuple[str, str]], words: Wording) -> Markup:
    """Return the form of a campaign, new or to be changed, and for the latter what adds questions to it."""
    return markup(
        "review/campaign_form.html",
        words,
        campaign=campaign or Campaign(name="-", created_by="-"),
        made=campaign is not None,
        orders=ORDERS,
        models=models,
    )


def judgements(
    rows: Sequence[ReviewRow], total: int, offset: int, filters: Mapping[str, str], people: Sequence[str],
    languages: Sequence[str], words: Wording,
) -> Markup:  # fmt: skip
    """Return a page of all judgements with the filters above; each sound can be played.

    Args:
        rows: The rows of this page.
        total: Number of all rows.
        offset: Number of rows before this page.
        filters: Chosen values by the names of the fields.
        people: Annotators to choose from.
        languages: BCP-47 codes to choose from.
        words: The interface's language.
    """
    choices = (
        ("review_person", "annotator", [(name, name) for name in people]),
        ("language", "language", [(code, code) for code in languages]),
        ("review_label", "label", [(label, _label(label, words)) for label in LABELS]),
        ("review_state", "state", [(state, words(f"review_state_{state}")) for state in STATES]),
    )
    last = offset + len(rows)
    turns = (
        ("review_newer", max(0, offset - max(len(rows), 1)), offset > 0),
        ("review_older", last, last < total),
    )
    return markup(
        "review/judgements.html",
        words,
        selects=[
            {"title": title, "name": name, "choices": options, "chosen": filters.get(name, "")}
            for title, name, options in choices
        ],
        text=filters.get("text", ""),
        rows=[_judgement(row, words) for row in rows],
        first=offset + 1 if rows else 0,
        last=last,
        total=total,
        turns=[turn for turn in turns if turn[2]],
    )


def disagreements(pairs: Sequence[Pair], words: Wording) -> Markup:
    """Return the pairs that people saw differently, each with its sound and the buttons of the last word."""
    shown = [
        {
            "pair_id": pair.pair_id,
            "query": pair.query_text or "♪",
            "language": pair.language,
            "clip": _clip(pair.clip_id, pair.clip_kind),
            "labels": [(name, _label(label, words)) for name, label in pair.labels.items()],
            "adjudicated": pair.adjudicated,
        }
        for pair in pairs[:MOST_PAIRS]
    ]
    labels = [(label, _label(label, words)) for label in LABELS]
    return markup("review/disagreements.html", words, pairs=shown, labels=labels)


def agreements(
    languages: Sequence[Agreement],
    people: Sequence[Agreement],
    statistics: Mapping[str, AnnotatorStatistics],
    words: Wording,
) -> Markup:
    """Return how far people agree, by language and by person, with what else is known of each person."""
    found = {each.name: each for each in people}
    persons = [_person(name, each, found.get(name)) for name, each in statistics.items()]
    rows = [
        {"name": each.name, "pairs": each.pairs, "people": each.people, "alpha": _alpha(each.alpha)}
        for each in languages
    ]
    return markup("review/agreements.html", words, languages=rows, people=persons)


def progress(found: Progress | None, words: Wording) -> Markup:
    """Return how far a campaign is in words, and the places of the pictures."""
    return markup("review/progress.html", words, progress=found)


def data(words: Wording) -> Markup:
    """Return the forms of export and import."""
    return markup("review/data.html", words, formats=FORMATS)


def imported(new: int, known: int, problems: Sequence[tuple[int, str]], words: Wording) -> str:
    """Return what an import did, with each bad row by its line."""
    outcome = (
        words("review_imported", new=new, known=known) if new or known or not problems else words("review_nothing")
    )
    return render(
        "review/imported.html", words, outcome=outcome, count=len(problems), problems=problems[:MOST_BAD_ROWS]
    )


def changes(found: Sequence[Event | Campaign], words: Wording) -> Markup:
    """Return who did what, the newest first."""
    rows = [
        {
            "when": _when(each.created_utc),
            "who": _who(each),
            "kind": type(each).__name__.lower(),
            "what": _content(each, words),
        }
        for each in found
    ]
    return markup("review/changes.html", words, rows=rows)


def _judgement(row: ReviewRow, words: Wording) -> dict[str, Any]:
    judgement = row.judgement
    state = words(f"review_state_{row.state}")
    if row.known_label is not None:
        state += f" · {words('review_check', right=words('yes' if row.known_label == judgement.label else 'no'))}"
    if row.adjudicated is not None:
        state += f" · {words('review_decided', label=_label(row.adjudicated, words))}"
    seconds = "" if judgement.seconds_taken is None else f" · {judgement.seconds_taken:.1f} s"
    return {
        "when": f"{_when(judgement.created_utc)}{seconds}",
        "annotator": judgement.annotator,
        "query": judgement.query_text or "♪",
        "language": judgement.language,
        "clip": _clip(judgement.clip_id, judgement.clip_kind),
        "label": _label(judgement.label, words),
        "reasons": ", ".join(_reason(reason, words) for reason in judgement.reasons),
        "comment": judgement.comment,
        "state": state,
    }


def _person(name: str, statistics: AnnotatorStatistics, found: Agreement | None) -> dict[str, Any]:
    median = statistics.median_seconds
    return {
        "name": name,
        "answers": statistics.judgements + statistics.preferences,
        "pairs": found.pairs if found else 0,
        "alpha": _alpha(found.alpha if found else None),
        "checks": f"{statistics.checks_right}/{statistics.checks}" if statistics.checks else "–",
        "seconds": "–" if median is None else f"{median:.1f}",
    }


def _clip(clip_id: str, kind: str) -> dict[str, str]:
    """Return a clip with the address of its picture, or of its sound where it is none."""
    address = {"picture": picture_url(clip_id)} if kind == "picture" else {"picture": "", "sound": sound_url(clip_id)}
    return {"clip_id": clip_id} | address


def _who(each: Event | Campaign) -> str:
    if isinstance(each, Deletion):
        return "–"
    return each.created_by if isinstance(each, Campaign) else each.annotator


def _content(each: Event | Campaign, words: Wording) -> str:
    if isinstance(each, Campaign):
        return each.name
    if isinstance(each, Judgement | Adjudication):
        return f"{each.query_text or '♪'} · {each.clip_id} → {_label(each.label, words)}"
    if isinstance(each, Caption):
        return f"{each.clip_id} → {each.caption} ({each.caption_language})"
    if isinstance(each, Preference):
        better = {"first": each.first_model, "second": each.second_model}
        named = better.get(each.choice) or words(f"annotate_{each.choice}")
        return f"{each.query_text or '♪'} · {each.first_model} / {each.second_model} → {named}"
    return str(len(each.event_ids)) if isinstance(each, Deletion) else each.judgement_id[:8]


def _label(label: str, words: Wording) -> str:
    return words("annotate_partly" if label == "partly" else label)


def _reason(reason: str, words: Wording) -> str:
    return words.table.get(f"annotate_reason_{reason}", reason)


def _alpha(alpha: float | None) -> str:
    return "–" if alpha is None else f"{alpha:.2f}"


def _when(time: str) -> str:
    return time[:16].replace("T", " ")
