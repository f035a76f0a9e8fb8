"""Handlers of the Annotate tab's script: each returns plain JSON with HTML of ``rendering``."""

from __future__ import annotations

from typing import Any

from cacara.errors import QueryError
from feedback_db import Campaign, Caption, Judgement, Preference, Store
from feedback_db.errors import StaleAnswerError
from ui.annotate import actions, pooling, rendering
from ui.page.wording import Wording
from ui.services.permissions import admin_only, is_admin
from ui.services.services import Services

RECENT = 12
MAX_KNOWN = 40


def annotate_open(
    services: Services,
    token: str = "",
    campaign: str = "",
    languages: list[str] | None = None,
    admin: str = "",
) -> dict[str, Any]:
    """Return the page to begin with: a campaign's if one is named and open, else the list, else the sign-in."""
    words = services.words
    store = services.feedback.store()
    me = store.identify(token) if isinstance(token, str) and token else None
    if me is None:
        return {"state": "nobody", "html": rendering.sign_in(words)}
    if campaign and any(each.campaign_id == campaign for each in actions.open_campaigns(store)):
        return annotate_next(services, token, campaign, languages)
    found = []
    for each in actions.open_campaigns(store):
        (mine,) = store.annotator_statistics(each.campaign_id, me)
        found.append((each, store.progress(each.campaign_id), mine.judgements + mine.preferences))
    return {"state": "campaigns", "name": me, "html": rendering.campaigns(me, found, is_admin(services, admin), words)}


def annotate_register(services: Services, name: str = "", agreed: bool = False) -> dict[str, Any]:
    """Take a name; returns its token and the page that shows it."""
    made = actions.annotator_register(services, name, agreed)
    return made | {"html": rendering.registered(made["annotator"], made["token"], services.words)}


@admin_only("admin")
def annotate_examples(services: Services, token: str = "", admin: str = "") -> dict[str, Any]:
    """Begin a campaign made from the gallery, and return its first question."""
    store, me = actions.require_person(services, token)
    campaign, items = pooling.example_campaign(services.retriever(), me)
    store.save_campaign(campaign)
    store.add_items(items)
    return annotate_next(services, token, campaign.campaign_id, None)


def annotate_next(services: Services, token: str, campaign: str, languages: list[str] | None = None) -> dict[str, Any]:
    """Return the page with the next question of a campaign."""
    store, me = actions.require_person(services, token)
    found = store.campaign(str(campaign))
    chosen = actions.known_languages(found, actions.checked_codes(languages), services.words.code)
    item = actions.annotation_next(services, token, campaign, chosen)["item"]
    return _page(services, me, found, chosen, item)


def annotate_again(services: Services, token: str, item_id: str, languages: list[str] | None = None) -> dict[str, Any]:
    """Return the page with a question that was answered or passed over, and the answer given."""
    store, me = actions.require_person(services, token)
    item = actions.annotation_again(services, token, item_id)["item"]
    found = store.campaign(item["campaign_id"])
    chosen = actions.known_languages(found, actions.checked_codes(languages), services.words.code)
    return _page(services, me, found, chosen, item)


def annotate_judge(
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
    languages: list[str] | None = None,
) -> dict[str, Any]:
    """Store an answer about one clip; where another stands than was seen, return that and ask."""
    try:
        return actions.annotation_judge(
            services, token, item_id, label, reasons, comment, caption, caption_language, seconds, seen
        )
    except StaleAnswerError:
        return _stale(services, token, item_id, languages)


def annotate_prefer(
    services: Services,
    token: str,
    item_id: str,
    choice: str,
    seconds: float | None = None,
    seen: str | None = None,
    languages: list[str] | None = None,
) -> dict[str, Any]:
    """Store which of two lists is better; where another answer stands than was seen, return that and ask."""
    try:
        return actions.annotation_prefer(services, token, item_id, choice, seconds, seen)
    except StaleAnswerError:
        return _stale(services, token, item_id, languages)


def annotate_undo(services: Services, token: str, campaign: str) -> dict[str, Any]:
    """Take the last answer back; returns the ``item_id`` of its question, and in words what counts now."""
    store, me = actions.require_person(services, token)
    words = services.words
    done = actions.annotation_undo(services, token, campaign)
    _, now = actions.standing(store, me, done["item_id"])
    answer = rendering.answer_name(now, words) if now else ""
    message = words("annotate_undone", answer=answer) if now else words("annotate_undone_none")
    return done | {"message": message}


def annotate_recent(services: Services, token: str, campaign: str) -> dict[str, Any]:
    """Return this person's latest answers in a campaign, one of each question."""
    store, me = actions.require_person(services, token)
    latest: dict[str, Judgement | Preference] = {}
    for event in actions.answers(store, me, str(campaign)):
        if not isinstance(event, Caption) and event.item_id is not None:
            latest.setdefault(event.item_id, event)
    return {"html": rendering.recent(list(latest.values())[:RECENT], services.words)}


def annotate_mine(services: Services, token: str) -> dict[str, Any]:
    """Return the page of what is this person's."""
    store, me = actions.require_person(services, token)
    recordings = store.list_my_recordings(token)
    return {"html": rendering.mine(me, store.list_mine(token), len(recordings), services.words)}


def annotate_forget(services: Services, token: str, name: str = "") -> dict[str, Any]:
    """Delete for good all that is this person's; they typed their name to say that they mean it."""
    store, me = actions.require_person(services, token)
    words = services.words
    if not isinstance(name, str) or " ".join(name.split()) != me:
        raise QueryError(words("annotate_wrong_name"))
    gone = store.forget(token, services.feedback.recordings)
    outcome = rendering.deleted(gone.events, len(gone.recordings), words)
    return {"html": outcome + rendering.sign_in(words)}


def _page(
    services: Services, me: str, campaign: Campaign, chosen: list[str], item: dict[str, Any] | None
) -> dict[str, Any]:
    store, words = services.feedback.store(), services.words
    (mine,) = store.annotator_statistics(campaign.campaign_id, me)
    known = list(dict.fromkeys([*chosen, *_own(words, campaign), *campaign.languages]))[:MAX_KNOWN]
    if item is None:
        _, elsewhere = actions.sort_galleries(services, store, campaign.campaign_id)
        body = rendering.nothing_left(elsewhere, words)
    else:
        body = rendering.question(item, known, _earlier(store, me, item), words)
    html = rendering.campaign_page(campaign, chosen, store.progress(campaign.campaign_id), mine, body, words)
    return {"state": "done" if item is None else "asked", "campaign": campaign.campaign_id, "html": html}


def _stale(services: Services, token: str, item_id: str, languages: list[str] | None) -> dict[str, Any]:
    """Return the page with the question and the answer that stands, and a question whether to replace it."""
    store, me = actions.require_person(services, token)
    words = services.words
    _, now = actions.standing(store, me, item_id)
    message = words("annotate_stale", answer=rendering.answer_name(now, words)) if now else words("annotate_stale_none")
    return annotate_again(services, token, item_id, languages) | {"stale": message}


def _earlier(store: Store, me: str, item: dict[str, Any]) -> dict[str, Any]:
    """Return what this person said before about a question, to fill its fields with."""
    mine = [each for each in actions.answers(store, me, item["campaign_id"]) if each.item_id == item["item_id"]]
    fields: dict[str, Any] = {"seen": actions.standing(store, me, item["item_id"])[0]}
    for event in reversed(mine):
        if isinstance(event, Judgement):
            fields |= {"label": event.label, "reasons": event.reasons, "comment": event.comment}
        elif isinstance(event, Caption):
            fields |= {"caption": event.caption, "caption_language": event.caption_language}
        else:
            chosen = "left" if event.choice == event.left else "right"
            fields |= {"choice": event.choice if event.choice in actions.SIDES else chosen}
    return fields


def _own(words: Wording, campaign: Campaign) -> list[str]:
    """Return the interface's language as a language to describe in, unless the campaign spells it out itself."""
    base = words.code.split("-")[0]
    return [] if any(code.split("-")[0] == base for code in campaign.languages) else [words.code]
