"""Handlers of the Review tab's script: each returns plain JSON with HTML of ``rendering``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from cacara.errors import QueryError
from feedback_db import Campaign, Event, Store
from ui.page import rendering as common
from ui.page.wording import Wording
from ui.review import actions, agreement, figures, rendering
from ui.services.permissions import admin_only, refusal
from ui.services.services import Services

PAGE_ROWS = 50
CHANGES_SHOWN = 200
FILTERS = ("annotator", "language", "label", "state", "text")


def review_show(
    services: Services,
    admin: str = "",
    section: str = "campaigns",
    campaign_id: str = "",
    filters: dict[str, str] | None = None,
    offset: int = 0,
) -> dict[str, Any]:
    """Return one section of the tab, or the page that asks for the admin token."""
    words = services.words
    if problem := refusal(services, admin):
        refused = common.problem(problem) if admin or services.access.admin_token is None else ""
        return {"state": "locked", "html": refused + rendering.locked(words)}
    if section not in rendering.SECTIONS:
        raise QueryError(f"section: found {section!r:.40}, wanted one of {', '.join(rendering.SECTIONS)}")
    store = services.feedback.store()
    found = store.campaigns()
    chosen = campaign_id if any(each.campaign_id == campaign_id for each in found) else ""
    answer: dict[str, Any] = {}
    if section == "judgements":
        content = _judgements(store, chosen or None, filters, offset, words)
    elif section == "progress":
        progress = store.progress(chosen) if chosen else None
        answer["figures"] = figures.make_figures(progress, store.current_judgements(chosen or None))
        content = rendering.progress(progress, words)
    else:
        content = _CONTENTS[section](store, chosen or None, words)
    return answer | {"state": section, "html": rendering.page(content, found, chosen, words)}


@admin_only("admin")
def review_form(services: Services, admin: str = "", campaign_id: str = "") -> dict[str, Any]:
    """Return the form of a campaign, an empty one for a new campaign."""
    words, store = services.words, services.feedback.store()
    campaign = store.campaign(str(campaign_id)) if campaign_id else None
    models = [(model, name) for model, name in services.engine.offered() if model != services.engine.default]
    content = rendering.campaign_form(campaign, models, words)
    return {"html": rendering.page(content, store.campaigns(), str(campaign_id), words)}


def _campaigns(store: Store, campaign_id: str | None, words: Wording) -> Markup:
    del campaign_id  # the list is of all
    return rendering.campaigns([(each, store.progress(each.campaign_id)) for each in store.campaigns()], words)


def _judgements(store: Store, campaign_id: str | None, filters: object, offset: object, words: Wording) -> Markup:
    given = filters if isinstance(filters, dict) else {}
    chosen = {name: given[name] for name in FILTERS if isinstance(given.get(name), str) and given[name]}
    first = offset if isinstance(offset, int) and offset > 0 else 0
    rows, total = store.review_rows(campaign_id=campaign_id, limit=PAGE_ROWS, offset=first, **chosen)
    people = [each.annotator for each in store.annotator_statistics(campaign_id)]
    languages = sorted({each.language for each in store.current_judgements(campaign_id) if each.language})
    return rendering.judgements(rows, total, first, chosen, people, languages, words)


def _disagreements(store: Store, campaign_id: str | None, words: Wording) -> Markup:
    return rendering.disagreements(store.disagreements(campaign_id), words)


def _agreement(store: Store, campaign_id: str | None, words: Wording) -> Markup:
    rows = store.label_table(campaign_id)
    people = {each.annotator: each for each in store.annotator_statistics(campaign_id)}
    return rendering.agreements(agreement.by_language(rows), agreement.by_person(rows), people, words)


def _data(store: Store, campaign_id: str | None, words: Wording) -> Markup:
    del store, campaign_id  # the forms are the same for all
    return rendering.data(words)


def _changes(store: Store, campaign_id: str | None, words: Wording) -> Markup:
    events: list[Event | Campaign] = [
        change.event
        for change in store.changes(CHANGES_SHOWN)
        if campaign_id is None or getattr(change.event, "campaign_id", None) == campaign_id
    ]
    events += [
        revision
        for each in store.campaigns()
        if campaign_id in (None, each.campaign_id)
        for revision in store.campaign_revisions(each.campaign_id)
    ]
    # Stable: events keep the order of their arrival where clocks agree.
    return rendering.changes(sorted(events, key=lambda each: each.created_utc, reverse=True), words)


_CONTENTS: dict[str, Callable[[Store, str | None, Wording], Markup]] = {
    "campaigns": _campaigns,
    "disagreements": _disagreements,
    "agreement": _agreement,
    "data": _data,
    "changes": _changes,
}

CALLED = (
    review_show,
    review_form,
    actions.review_save_campaign,
    actions.review_add_queries,
    actions.review_add_checks,
    actions.review_adjudicate,
)
"""Functions that the page's script may call."""
