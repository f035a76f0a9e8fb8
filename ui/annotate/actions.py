"""Actions of annotators, as plain JSON values: registration, the next question, an answer, undo.

A question never shows a model's opinion: no model, score, rank or priority.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence
from typing import Any

from cacara.errors import QueryError
from feedback_db import Campaign, Caption, Event, FeedbackError, Item, Judgement, Lease, Preference, Store, Undo
from feedback_db.records.campaigns import left_side
from feedback_db.store.campaigns import base_language
from ui.services.services import Services

RESERVED = ("visitor-", "hf:")
"""Prefixes of names that nobody may choose: random names of visitors, and accounts of those who sign in."""

SIDES = ("left", "right", "both", "neither")
LOOK_BACK = 200
"""Number of a person's newest events among which answers can be taken back or changed."""


def annotator_register(services: Services, name: str, agreed: bool = False) -> dict[str, str]:
    """Take a name for oneself; the token that comes back is the only proof that it is yours, and is shown once.

    Args:
        services: The app's services.
        name: 1 to 100 characters that nobody has taken.
        agreed: Agreement that one's answers are kept under this name.

    Returns:
        ``annotator`` and ``token``.
    """
    words = services.words
    if not isinstance(name, str) or not name.strip():
        raise QueryError(words("annotate_no_name"))
    if agreed is not True:
        raise QueryError(words("annotate_not_agreed"))
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if name.lower().startswith(RESERVED):
        raise QueryError(f"name: found {name[:40]!r}, wanted one that does not begin with {' or '.join(RESERVED)}")
    return {"annotator": name, "token": services.feedback.store().register(name)}


def log_in(services: Services, username: str | None, token: str) -> dict[str, str] | None:
    """Return the name and the token of somebody who has signed in with their account, or None when nobody has.

    Args:
        services: The app's services.
        username: Their account's name, as the sign-in told the server; None when they have not signed in.
        token: The one their browser has; kept if it is of this account.
    """
    if not username:
        return None
    store, name = services.feedback.store(), f"hf:{username}"
    if store.identify(str(token)) == name:
        return {"annotator": name, "token": str(token)}
    return {"annotator": name, "token": store.register(name, claim=True)}


def annotation_next(
    services: Services, token: str, campaign_id: str, languages: list[str] | None = None
) -> dict[str, Any]:
    """Lease the next question of a campaign; the one you hold already comes again.

    Args:
        services: The app's services.
        token: Yours, of ``/annotator_register``.
        campaign_id: The campaign.
        languages: BCP-47 codes you know; none for any.

    Returns:
        ``item``, null when there is nothing to do for you now, else with ``item_id``, ``query``, ``language``,
        ``recording`` (hash of a query that is a sound), ``clip_kind``, and ``clip`` or, to compare, ``left`` and
        ``right``.
    """
    store, me = require_person(services, token)
    at_hand, _ = sort_galleries(services, store, str(campaign_id))
    lease = store.next_item(str(campaign_id), me, checked_codes(languages), at_hand)
    return {"item": None if lease is None else shown(lease)}


def sort_galleries(services: Services, store: Store, campaign_id: str) -> tuple[list[str], list[str]]:
    """Return the names of the galleries that a campaign asks about: those at hand, and those of other folders.

    By their clips and not by the name of the one that is served: a folder may have been moved or renamed.
    """
    at_hand: list[str] = []
    elsewhere: list[str] = []
    for name, clips in store.galleries(campaign_id).items():
        (at_hand if services.engine.may_have(clips) else elsewhere).append(name)
    return at_hand, elsewhere


def annotation_again(services: Services, token: str, item_id: str) -> dict[str, Any]:
    """Lease a question that you have answered or passed over; ``item`` is as in ``/annotation_next``."""
    store, me = require_person(services, token)
    return {"item": shown(store.lease_item(str(item_id), me))}


def annotation_judge(
    services: Services,
    token: str,
    item_id: str,
    label: str,
    reasons: list[str] | None = None,
    comment: str = "",
    caption: str = "",
    caption_language: str = "",
    seconds: float | None = None,
    seen: str | None = None,
) -> dict[str, Any]:
    """Answer a question about one clip, with a better description of it if you have one.

    Args:
        services: The app's services.
        token: Yours.
        item_id: The question.
        label: ``relevant``, ``partly``, ``not_relevant`` or ``unsure``.
        reasons: Tags such as ``wrong_sound`` or ``too_faint``.
        comment: Anything to add.
        caption: A better description.
        caption_language: BCP-47 code of its language; needed with one.
        seconds: From showing to answering.
        seen: The id of your answer that stood when you were asked, empty for none: another that stands by now, of a
            second tab, is then not overwritten, and an error says which it is. Null overwrites it.

    Returns:
        ``judgement_id`` and, with a description, ``caption_id``.
    """
    store, me = require_person(services, token)
    if reasons is not None and not isinstance(reasons, list):
        raise QueryError(f"reasons: found {reasons!r:.80}, wanted a list of tags")
    taken = _seconds(seconds)
    known = _seen(seen)
    done = {}
    if known is not None and known != standing(store, me, item_id)[0]:
        caption = ""  # the answer below is refused, and nothing may stay of it
    if isinstance(caption, str) and caption.strip() and not _said_already(store, me, item_id, caption):
        words = caption.strip()
        made = store.caption_item(str(item_id), me, words, str(caption_language), seconds_taken=taken)
        done["caption_id"] = made.caption_id
    comment = comment.strip() if isinstance(comment, str) else ""
    judgement = store.judge_item(
        str(item_id), me, label, reasons=reasons or (), comment=comment or None, seconds_taken=taken, seen=known
    )
    return done | {"judgement_id": judgement.judgement_id}


def annotation_prefer(
    services: Services,
    token: str,
    item_id: str,
    choice: str,
    seconds: float | None = None,
    seen: str | None = None,
) -> dict[str, Any]:
    """Answer which of two lists is better; returns ``preference_id``.

    Args:
        services: The app's services.
        token: Yours.
        item_id: The question.
        choice: ``left``, ``right``, ``both`` or ``neither``, as you saw them.
        seconds: From showing to answering.
        seen: As for ``/annotation_judge``.
    """
    store, me = require_person(services, token)
    if choice not in SIDES:
        raise QueryError(f"choice: found {choice!r:.80}, wanted one of {', '.join(SIDES)}")
    left = left_side(str(item_id), me)
    right = "second" if left == "first" else "first"
    meant = {"left": left, "right": right}.get(choice, choice)
    made = store.prefer_item(str(item_id), me, meant, seconds_taken=_seconds(seconds), seen=_seen(seen))
    return {"preference_id": made.preference_id}


def annotation_skip(services: Services, token: str, item_id: str) -> dict[str, str]:
    """Pass a question over; it does not come again unless you ask for it."""
    store, me = require_person(services, token)
    store.skip(str(item_id), me)
    return {"item_id": str(item_id)}


def annotation_undo(services: Services, token: str, campaign_id: str) -> dict[str, Any]:
    """Take back your last answer in a campaign that still counts, with the description given along.

    Returns:
        ``item_id`` of the question it was about, which waits for another answer; ``undone``, the id of what was taken
        back; and ``stands``, the id of your answer to it before, which counts again, or null.
    """
    store, me = require_person(services, token)
    mine = answers(store, me, str(campaign_id))
    last = next((event for event in mine if not isinstance(event, Caption)), None)
    if last is None:
        raise QueryError(services.words("annotate_nothing_to_undo"))
    store.undo(answer_id(last), me)
    # The description that was given along came just before the answer.
    for event in itertools.takewhile(lambda event: isinstance(event, Caption), mine[mine.index(last) + 1 :]):
        if event.item_id == last.item_id:
            store.undo(answer_id(event), me)
    return {"item_id": last.item_id, "undone": answer_id(last), "stands": standing(store, me, last.item_id)[0] or None}


def answers(store: Store, annotator: str, campaign_id: str) -> list[Judgement | Caption | Preference]:
    """Return a person's newest answers in a campaign that are not taken back, the newest first."""
    events: list[Event] = [change.event for change in store.changes(LOOK_BACK, annotator)]
    undone = {event.judgement_id for event in events if isinstance(event, Undo)}
    return [
        event
        for event in events
        if isinstance(event, Judgement | Caption | Preference)
        and event.campaign_id == campaign_id
        and event.item_id is not None
        and answer_id(event) not in undone
    ]


def standing(store: Store, annotator: str, item_id: object) -> tuple[str, str]:
    """Return the id of a person's answer to a question that counts now, and the label or the side; empty for none."""
    found, answer = store.standing_answer(str(item_id), annotator)
    if answer in ("first", "second"):
        answer = "left" if answer == left_side(str(item_id), annotator) else "right"
    return found, answer


def answer_id(event: Judgement | Caption | Preference) -> str:
    """Return the identity of an answer of any kind."""
    if isinstance(event, Judgement):
        return event.judgement_id
    return event.caption_id if isinstance(event, Caption) else event.preference_id


def require_person(services: Services, token: str) -> tuple[Store, str]:
    """Return the database and whose token this is.

    Raises:
        FeedbackError: It is nobody's; the text says so in the interface's language.
    """
    store = services.feedback.store()
    me = store.identify(token) if isinstance(token, str) and token else None
    if me is None:
        raise FeedbackError(services.words("annotate_unknown_token"))
    return store, me


def shown(lease: Lease) -> dict[str, Any]:
    """Return what a person may see of a question they hold."""
    item: Item = lease.item
    visible: dict[str, Any] = {
        "item_id": item.item_id,
        "campaign_id": item.campaign_id,
        "query": item.query_text,
        "recording": item.recording_sha256,
        "query_kind": item.query_kind,
        "language": item.language,
        "clip_kind": item.clip_kind,
    }
    if item.first is None or item.second is None:
        return visible | {"clip": item.clip_id}
    sides = {"first": list(item.first.clip_ids), "second": list(item.second.clip_ids)}
    left = lease.left
    return visible | {"left": sides[left], "right": sides["second" if left == "first" else "first"]}


def open_campaigns(store: Store) -> list[Campaign]:
    """Return the campaigns that give out questions, the newest first."""
    return [campaign for campaign in reversed(store.campaigns()) if campaign.open]


def known_languages(campaign: Campaign, chosen: Sequence[str], spoken: str) -> list[str]:
    """Return in which of a campaign's languages a person is asked: what they chose, else the interface's, else any."""
    bases = {base_language(code): code for code in reversed(campaign.languages)}
    kept = [code for code in chosen if code in campaign.languages]
    own = bases.get(base_language(spoken))
    return kept or ([own] if own else [])


def _said_already(store: Store, annotator: str, item_id: object, caption: str) -> bool:
    """Return whether a person has described this question so already, as when they change the label alone."""
    item = store.item(str(item_id))
    mine = answers(store, annotator, item.campaign_id)
    caption_before = next((each for each in mine if isinstance(each, Caption) and each.item_id == item.item_id), None)
    return caption_before is not None and caption_before.caption == caption.strip()


def checked_codes(languages: object) -> list[str]:
    """Return language codes as the page sent them, none for None; QueryError for anything but a list of texts."""
    if languages is None:
        return []
    if not isinstance(languages, list) or not all(isinstance(code, str) for code in languages):
        raise QueryError(f"languages: found {languages!r:.80}, wanted a list of codes such as 'sw'")
    return languages


def _seen(seen: object) -> str | None:
    """Return the id that the page has seen; QueryError for anything but a text or None."""
    if seen is not None and not isinstance(seen, str):
        raise QueryError(f"seen: found {seen!r:.80}, wanted the id of an answer, an empty text or null")
    return seen


def _seconds(seconds: object) -> float | None:
    """Return a time the page has measured, cut to a day; None where it is no time."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
        return None
    return round(min(float(seconds), 86_400.0), 2)
