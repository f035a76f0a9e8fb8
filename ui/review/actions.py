"""Actions of team leads, as plain JSON values: campaigns, their questions, adjudication, agreement."""

from __future__ import annotations

import dataclasses
from typing import Any

from cacara.errors import LanguageError, QueryError
from cacara.languages import normalise
from feedback_db import Adjudication, Campaign, FeedbackError, Pair
from ui.annotate import pooling
from ui.review import agreement
from ui.services.permissions import admin_only
from ui.services.services import Services

SETTINGS = ("name", "guidelines", "languages", "wanted_judgements", "order", "check_every", "open")
"""Settings of a campaign."""
NOBODY = "team lead"
MAX_AT_ONCE = 40
"""Most queries of one call; the page sends more in parts, between which it can be stopped."""


@admin_only("admin")
def review_save_campaign(
    services: Services,
    admin: str = "",
    campaign_id: str = "",
    settings: dict[str, Any] | None = None,
    lead: str = "",
    token: str = "",
) -> dict[str, Any]:
    """Create a campaign, or change one.

    Args:
        services: The app's services.
        admin: The admin token; empty where none is needed.
        campaign_id: The one to change; empty for a new one.
        settings: ``name``, ``guidelines`` (Markdown), ``languages`` (list of codes), ``wanted_judgements``, ``order``,
            ``check_every`` and ``open``; what is missing stays, or takes its default.
        lead: The name under which it is noted.
        token: The token of that name, if it has one.

    Returns:
        ``campaign_id``.
    """
    store = services.feedback.store()
    given = settings if isinstance(settings, dict) else {}
    if unknown := sorted(set(given) - set(SETTINGS)):
        raise QueryError(f"settings: found {unknown!r:.200}, wanted {', '.join(SETTINGS)}")
    if "languages" in given:
        given = given | {"languages": _languages(given["languages"])}
    changed = {name: given[name] for name in SETTINGS if name in given}
    who = lead_name(services, lead, token)
    if not campaign_id:
        campaign = Campaign(**({"name": ""} | changed), created_by=who)
    else:
        # The time of this change, not of the first.
        made = Campaign(name="-", created_by=who)
        earlier = store.campaign(str(campaign_id))
        campaign = dataclasses.replace(earlier, **changed, created_by=who, created_utc=made.created_utc)
    return {"campaign_id": store.save_campaign(campaign)}


@admin_only("admin")
def review_add_queries(
    services: Services,
    admin: str = "",
    campaign_id: str = "",
    queries: str = "",
    top_k: int = 5,
    rival: str = "",
    first_line: int = 1,
) -> dict[str, Any]:
    """Add questions to a campaign: each query with each of its first results, or two models' results to compare.

    Where the models know pictures, each query is asked for sounds and for pictures.

    Args:
        services: The app's services.
        admin: The admin token; empty where none is needed.
        campaign_id: The campaign.
        queries: At most 40, one a line: ``sw: ndege``, or the words alone.
        top_k: How many sounds, and how many pictures, of each, 1 to 20.
        rival: The id of another model, whose results are compared; empty to judge single results.
        first_line: The number of the first line, for the problems' lines.

    Returns:
        ``added`` and ``problems``, each with ``line`` and ``problem``.
    """
    store = services.feedback.store()
    campaign = store.campaign(str(campaign_id))
    parsed = pooling.parse_queries(str(queries), campaign.languages)
    if len(parsed) > MAX_AT_ONCE:
        raise QueryError(f"queries: found {len(parsed)}, wanted at most {MAX_AT_ONCE} at once")
    other = services.retriever(str(rival)) if rival else None
    retriever = services.retriever()
    sees = retriever.sees and (other is None or other.sees)
    targets = ("audio", "image") if sees else ("audio",)
    made = pooling.make_items(campaign, retriever, parsed, top_k, other, targets)
    added = store.add_items(made.items)
    offset = int(first_line) - 1 if isinstance(first_line, int) else 0
    return {
        "added": added,
        "problems": [{"line": line + offset, "problem": problem} for line, problem in made.problems],
    }


@admin_only("admin")
def review_add_checks(services: Services, admin: str = "", campaign_id: str = "", number: int = 2) -> dict[str, int]:
    """Add questions with a known answer, made from the gallery's own descriptions; returns how many were ``added``.

    Args:
        services: The app's services.
        admin: The admin token; empty where none is needed.
        campaign_id: The campaign.
        number: How many in each of its languages, 0 to 50.
    """
    store = services.feedback.store()
    retriever = services.retriever()
    return {"added": store.add_items(pooling.make_checks(store.campaign(str(campaign_id)), retriever, number))}


@admin_only("admin")
def review_adjudicate(
    services: Services,
    admin: str = "",
    pair_id: str = "",
    label: str = "",
    note: str = "",
    campaign_id: str = "",
    lead: str = "",
    token: str = "",
    seen: str | None = None,
) -> dict[str, str]:
    """Say the last word on a query and a clip; returns ``adjudication_id``.

    Args:
        services: The app's services.
        admin: The admin token; empty where none is needed.
        pair_id: The pair, as ``/review_disagreements`` lists it.
        label: ``relevant``, ``partly``, ``not_relevant`` or ``unsure``.
        note: Reason.
        campaign_id: The campaign whose judgements were looked at; empty for all.
        lead: The name under which it is noted.
        token: The token of that name, if it has one.
        seen: The label of the last word that you know of, empty for none: another that stands by now, of a second tab
            or another lead, is then not overwritten, and an error says which it is. Null overwrites it.
    """
    store, words = services.feedback.store(), services.words
    pair = next((each for each in store.pairs(campaign_id or None) if each.pair_id == pair_id), None)
    if pair is None:
        raise QueryError(f"pair_id: found {str(pair_id)[:40]!r}, wanted one of the pairs that were judged")
    if seen is not None and seen != (pair.adjudicated or ""):
        key = "annotate_partly" if pair.adjudicated == "partly" else pair.adjudicated
        raise QueryError(words("review_stale", answer=words(key)) if key else words("review_stale_none"))
    note = note.strip() if isinstance(note, str) else ""
    decided = Adjudication(
        query_text=pair.query_text,
        recording_sha256=pair.recording_sha256,
        query_kind=pair.query_kind,
        language=pair.language,
        clip_id=pair.clip_id,
        clip_kind=pair.clip_kind,
        label=label,
        note=note or None,
        campaign_id=campaign_id or None,
        annotator=lead_name(services, lead, token),
    )
    return {"adjudication_id": store.adjudicate(decided)}


@admin_only("admin")
def review_agreement(services: Services, admin: str = "", campaign_id: str = "") -> dict[str, Any]:
    """Return Krippendorff's alpha over all, by ``languages`` and by ``annotators``, without checks of attention.

    Args:
        services: The app's services.
        admin: The admin token; empty where none is needed.
        campaign_id: Only this campaign's judgements; empty for all.
    """
    rows = services.feedback.store().label_table(campaign_id or None)
    return {
        "languages": [dataclasses.asdict(each) for each in agreement.by_language(rows)],
        "annotators": [dataclasses.asdict(each) for each in agreement.by_person(rows)],
    }


@admin_only("admin")
def review_disagreements(services: Services, admin: str = "", campaign_id: str = "") -> list[dict[str, Any]]:
    """Return the pairs with different labels, those without a last word first, then the widest apart.

    Args:
        services: The app's services.
        admin: The admin token; empty where none is needed.
        campaign_id: Only this campaign's judgements; empty for all.
    """
    pairs: list[Pair] = services.feedback.store().disagreements(campaign_id or None)
    return [dataclasses.asdict(pair) | {"labels": dict(pair.labels)} for pair in pairs]


def lead_name(services: Services, lead: object, token: object) -> str:
    """Return under which name a team lead's doing is noted: that of their token, else the one they typed.

    Raises:
        FeedbackError: The typed name is somebody's, who proves it with a token.
    """
    store = services.feedback.store()
    mine = store.identify(token) if isinstance(token, str) and token else None
    name = " ".join(lead.split()) if isinstance(lead, str) else ""
    if mine is not None and name in ("", mine):
        return mine
    if name and store.is_registered(name):
        raise FeedbackError(services.words("review_name_taken", name=name))
    return name or NOBODY


def _languages(codes: object) -> tuple[str, ...]:
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise QueryError(f"languages: found {codes!r:.80}, wanted a list of codes such as 'sw'")
    try:
        return tuple(normalise(code.strip()) for code in codes if code.strip())
    except LanguageError as error:
        raise QueryError(f"languages: {error}") from error
