"""The Annotate tab as HTML; knows no Gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from feedback_db import REASONS, Adjudication, Caption, Judgement, Preference, Undo
from ui.page.templates import markup, render
from ui.server.media import picture_url, sound_url, waveform_url

if TYPE_CHECKING:
    from feedback_db import AnnotatorStatistics, Campaign, Event, Progress
    from ui.page.wording import Wording

SIDES = ("left", "right", "both", "neither")
LABELS = (("relevant", "✓"), ("partly", "◐"), ("not_relevant", "✕"), ("unsure", "?"))
"""The judgements of a clip, in the order of the keys 1 to 4, each with a sign."""
REASON_KEYS = "ADFGHJKL"
SPEEDS = ("0.5", "0.75", "1", "1.25", "1.5", "2")
EVENTS_SHOWN = 200


def shell(words: Wording) -> str:
    """Return the tab's frame; ``annotate.js`` fills it."""
    return render("annotate/shell.html", words)


def sign_in(words: Wording) -> str:
    """Return the page on which somebody takes a name, or shows the token of the one they have."""
    return render("annotate/sign_in.html", words)


def registered(name: str, token: str, words: Wording) -> str:
    """Return the page that shows a new token, once."""
    return render("annotate/registered.html", words, name=name, token=token)


def campaigns(name: str, found: Sequence[tuple[Campaign, Progress, int]], may_start: bool, words: Wording) -> str:
    """Return the list of campaigns to choose from.

    Args:
        name: The annotator.
        found: Each campaign with how far it is and how much this person has answered.
        may_start: Whether this visitor may begin one made of examples.
        words: The interface's language.
    """
    rows = [
        {"campaign": campaign, "progress": progress, "mine": mine, "share": _share(progress)}
        for campaign, progress, mine in found
    ]
    return render("annotate/campaigns.html", words, name=name, rows=rows, may_start=may_start)


def campaign_page(
    campaign: Campaign,
    chosen: Sequence[str],
    progress: Progress,
    mine: AnnotatorStatistics,
    body: Markup,
    words: Wording,
) -> str:
    """Return the page of one campaign around a question or the word that none is left.

    Args:
        campaign: The campaign.
        chosen: Its languages in which this person is asked; none for any.
        progress: Its progress.
        mine: Statistics of this person's answers in it.
        body: A ``question`` or ``nothing_left``.
        words: The interface's language.
    """
    return render(
        "annotate/campaign.html",
        words,
        campaign=campaign,
        chosen=chosen,
        progress=progress,
        share=_share(progress),
        mine=mine,
        statistics=_statistics(mine, words),
        body=body,
    )


def question(asked: Mapping[str, Any], known: Sequence[str], earlier: Mapping[str, Any], words: Wording) -> Markup:
    """Return one question with all that it is answered with.

    Args:
        asked: The question, as ``actions.shown`` returns it.
        known: BCP-47 codes for the language of a description, the likeliest first.
        earlier: The same person's answer before, to be changed: ``label`` or ``choice``, ``reasons``, ``comment``,
            ``caption`` and ``caption_language``, and ``seen``, its id; empty for none.
        words: The interface's language.
    """
    compared = "clip" not in asked
    lists = {side: [_media(clip) for clip in asked[side]] for side in SIDES[:2]} if compared else {}
    clips = lists if compared else {"clip": _media(asked["clip"])}
    if compared:
        chosen = earlier.get("choice")
        answers = [{"value": side, "sign": "", "text": f"annotate_{side}", "pressed": chosen == side} for side in SIDES]
    else:
        answers = [
            {
                "value": label,
                "sign": sign,
                "text": "annotate_partly" if label == "partly" else label,
                "pressed": earlier.get("label") == label,
            }
            for label, sign in LABELS
        ]
    first = earlier.get("caption_language")
    return markup(
        "annotate/question.html",
        words,
        asked={**asked, **clips},
        compared=compared,
        title=words("annotate_question_pair" if compared else "annotate_question"),
        speeds=SPEEDS,
        answers=answers,
        reasons=list(zip(REASONS, REASON_KEYS, strict=True)),
        codes=list(dict.fromkeys([*([first] if first else []), *known])),
        earlier={
            "seen": earlier.get("seen", ""),
            "reasons": earlier.get("reasons", ()),
            "caption": earlier.get("caption") or "",
            "comment": earlier.get("comment") or "",
        },
    )


def nothing_left(elsewhere: Sequence[str], words: Wording) -> Markup:
    """Return that there is nothing to do for this person now.

    Args:
        elsewhere: Names of galleries that the campaign asks about too, whose sounds are not here.
        words: The interface's words.
    """
    return markup("annotate/nothing_left.html", words, elsewhere=elsewhere)


def recent(events: Sequence[Judgement | Preference], words: Wording) -> str:
    """Return a person's latest answers, each with a button to change it."""
    rows = [
        {"query": event.query_text or "♪", "answer": _answer(event, words), "item_id": event.item_id}
        for event in events
    ]
    return render("annotate/recent.html", words, rows=rows)


def mine(name: str, events: Sequence[Event], recordings: int, words: Wording) -> str:
    """Return the page on which somebody lists, takes away and deletes what is theirs."""
    rows = [
        {
            "when": event.created_utc[:16].replace("T", " "),
            "kind": type(event).__name__.lower(),
            "what": _content(event, words),
        }
        for event in list(reversed(events))[:EVENTS_SHOWN]
    ]
    return render("annotate/mine.html", words, name=name, events=len(events), recordings=recordings, rows=rows)


def deleted(events: int, recordings: int, words: Wording) -> str:
    """Return what was deleted."""
    return render("annotate/deleted.html", words, events=events, recordings=recordings)


def _share(progress: Progress) -> float:
    return min(1.0, progress.answers / progress.wanted) if progress.wanted else 0.0


def _media(clip_id: str) -> dict[str, str]:
    return {"picture": picture_url(clip_id), "sound": sound_url(clip_id), "waveform": waveform_url(clip_id)}


def _statistics(mine: AnnotatorStatistics, words: Wording) -> str:
    answered = mine.judgements + mine.preferences
    counts = words("annotate_statistics", answers=answered, captions=mine.captions, skips=mine.skips)
    seconds = mine.median_seconds
    return counts if seconds is None else f"{counts} · {words('annotate_seconds', seconds=f'{seconds:.1f}')}"


def answer_name(said: str, words: Wording) -> str:
    """Return a label, or a side of a comparison, in the interface's words."""
    return words(f"annotate_{said}" if said in ("partly", *SIDES) else said)


def _answer(event: Judgement | Preference, words: Wording) -> str:
    if isinstance(event, Judgement):
        return answer_name(event.label, words)
    side = event.choice if event.choice in SIDES else ("left" if event.choice == event.left else "right")
    return answer_name(side, words)


def _content(event: Event, words: Wording) -> str:
    if isinstance(event, Judgement | Preference):
        return f"{event.query_text or '♪'} → {_answer(event, words)}"
    if isinstance(event, Caption):
        return f"{event.caption} ({event.caption_language})"
    if isinstance(event, Adjudication):
        return f"{event.query_text or '♪'} → {event.label}"
    return event.judgement_id[:8] if isinstance(event, Undo) else ""
