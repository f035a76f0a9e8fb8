"""A selection of the map as questions of a campaign, as plain JSON values; this is the team lead's, as Review is."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cacara.errors import QueryError
from feedback_db import Campaign, Item, Store
from feedback_db.store.campaigns import base_language
from ui.annotate.actions import open_campaigns
from ui.annotate.pooling import CLIP_KINDS, uncertainty
from ui.map import actions, rendering
from ui.page import rendering as common
from ui.page.templates import language_name
from ui.page.wording import Wording
from ui.review.actions import lead_name
from ui.search.actions import DETECT
from ui.services.permissions import admin_only, refusal
from ui.services.services import Services

if TYPE_CHECKING:
    import numpy as np

    from cacara.embedding_map.plane import EmbeddingMap
    from cacara.search.retriever import Retriever

MOST_ITEMS = 500
"""Most questions added at once; a second call adds the next."""

MOST_TEXTS = 500
"""Most selected texts that may be queries."""

MOST_CHARACTERS = 2000


class MapQuery(NamedTuple):
    """Words that are asked for: their text, their language or None, their embedding as the map has texts."""

    text: str
    language: str | None
    embedding: np.ndarray


class NewItems(NamedTuple):
    """Questions to add: rows of the map by the index of their query; numbers of known and of waiting ones."""

    rows: Mapping[int, list[int]]
    known: int
    waiting: int


def map_campaigns(
    services: Services,
    key: str,
    positions: list[int],
    query: str = "",
    language: str = "",
    admin: str = "",
) -> dict[str, Any]:
    """Return, as ``html``, the form that sends a selection to a campaign, or why this visitor may not.

    Args:
        services: The app's services.
        key: The map.
        positions: The selected rows.
        query: The words that are on the map now; empty for none.
        language: Their BCP-47 code, or empty.
        admin: The admin token; empty where none is needed.
    """
    words = services.words
    if problem := refusal(services, admin):
        refused = common.problem(problem) if admin or services.access.admin_token is None else ""
        enter = services.access.admin_token is not None
        return {"state": "locked", "html": refused + rendering.sending_locked(enter, words)}
    drawn = services.maps.recall(key, words)
    texts, clips = _parts(drawn, positions)
    words_and_language = (str(query)[:MOST_CHARACTERS], str(language)[:MOST_CHARACTERS])
    if not words_and_language[0].strip() and len(texts) == 1:
        only = drawn.inputs.points[texts[0]]
        words_and_language = (only.text, only.language or "")
    codes = list(dict.fromkeys([*drawn.inputs.languages, *services.engine.languages()]))
    html = rendering.sending_form(
        open_campaigns(services.feedback.store()), words_and_language, codes, len(texts), len(clips), MOST_ITEMS, words
    )
    return {"state": "open", "html": html}


@admin_only("admin")
def map_send(
    services: Services,
    key: str,
    positions: list[int],
    campaign_id: str = "",
    name: str = "",
    ask: str = "words",
    query: str = "",
    language: str = DETECT,
    admin: str = "",
    lead: str = "",
    token: str = "",
    model: str = "",
) -> dict[str, Any]:
    """Add selected sounds and pictures to a campaign as questions, at most ``MOST_ITEMS`` at once.

    What does not fit waits for the next sending; what the campaign asks already is not asked again. Where there is
    more than fits, each text is asked of its nearest sounds and pictures first, and each text as often as the others.

    Args:
        services: The app's services.
        key: The map.
        positions: The selected rows.
        campaign_id: An open campaign; empty for a new one, in the languages of what is asked.
        name: The new one's name.
        ask: ``words`` to ask ``query`` of each clip, ``texts`` to ask each selected text of each selected clip.
        query: The words.
        language: Their BCP-47 code; ``auto`` detects it.
        admin: The admin token; empty where none is needed.
        lead: The name under which a new campaign is noted.
        token: The token of that name, if it has one.
        model: The id of the model that drew the map; empty for the one that answers by default.

    Returns:
        ``campaign_id``, ``name``, ``added``, ``known`` (were there already), ``waiting`` (did not fit), ``left_out``
        (texts in none of the campaign's languages) and ``html``.
    """
    words, store = services.words, services.feedback.store()
    drawn = services.maps.recall(key, words)
    retriever = services.retriever(model)
    if retriever.model.text_fingerprint != drawn.inputs.fingerprint:
        raise QueryError(words("map_forgotten"))
    texts, clips = _parts(drawn, positions)
    if not clips:
        raise QueryError(words("map_send_no_clips"))
    askings = _askings(retriever, drawn, texts, ask, query, language, words)
    if campaign_id:
        campaign = _open_campaign(store, str(campaign_id), words)
    else:
        campaign = _new_campaign(name, askings, lead_name(services, lead, token), words)
    kept = _within(askings, campaign, words)
    known = {_pair(item) for item in store.items(campaign.campaign_id)} if campaign_id else set()
    chosen = choose(drawn, kept, clips, known, MOST_ITEMS)
    items = make_items(campaign, retriever, drawn, kept, chosen.rows)
    if not campaign_id:
        # Not before its questions are made: nothing that is refused leaves an empty campaign.
        store.save_campaign(campaign)
    outcome = {
        "campaign_id": campaign.campaign_id,
        "name": campaign.name,
        "added": store.add_items(items),
        "known": chosen.known,
        "waiting": chosen.waiting,
        "left_out": len(askings) - len(kept),
    }
    return outcome | {"html": rendering.sent(outcome, words)}


def choose(
    drawn: EmbeddingMap,
    askings: Sequence[MapQuery],
    clips: Sequence[int],
    known: set[tuple[str | None, ...]],
    most: int,
) -> NewItems:
    """Return which clips each asking is put to: of each its nearest first, until there are ``most``.

    Sounds and pictures take turns, as a picture's score says nothing beside a sound's.

    Args:
        drawn: The map.
        askings: The queries.
        clips: Rows of sounds and pictures.
        known: Text, language and clip of the questions that are there already; they are passed over.
        most: Most pairs.
    """
    rows: dict[int, list[int]] = {}
    found = passed = 0
    for place, row in _nearest_first(drawn, askings, clips):
        if found == most:
            break
        if (askings[place].text, askings[place].language, drawn.inputs.points[row].clip_id) in known:
            passed += 1
        else:
            rows.setdefault(place, []).append(row)
            found += 1
    return NewItems(rows, passed, len(askings) * len(clips) - found - passed)


def make_items(
    campaign: Campaign,
    retriever: Retriever,
    drawn: EmbeddingMap,
    askings: Sequence[MapQuery],
    rows: Mapping[int, list[int]],
) -> list[Item]:
    """Return the questions, each with the clip's rank among all of its kind on the map; no annotator is shown it."""
    made = []
    for place, own in rows.items():
        asking = askings[place]
        ranked = drawn.judged_against(asking.embedding, own)
        priority = uncertainty([near.score for near in ranked])
        for near in ranked:
            point = drawn.inputs.points[near.position]
            # The same question has the same id, so that two sendings at one time do not add it twice.
            content = "\0".join([campaign.campaign_id, asking.text, asking.language or "", point.clip_id])
            item = Item(
                item_id=hashlib.sha256(content.encode()).hexdigest()[:32],
                campaign_id=campaign.campaign_id,
                query_text=asking.text,
                language=asking.language,
                gallery=retriever.gallery.name,
                clip_id=point.clip_id,
                clip_kind=CLIP_KINDS[point.kind],
                model=retriever.model.name,
                model_version=retriever.model.version,
                rank=near.rank,
                score=near.score,
                priority=priority,
            )
            made.append(item)
    return made


def _parts(drawn: EmbeddingMap, positions: object) -> tuple[list[int], list[int]]:
    """Return the selected texts, and the selected sounds and pictures."""
    rows = actions.checked_rows(drawn, positions)
    kinds = {row: drawn.inputs.points[row].kind for row in rows}
    return [row for row in rows if kinds[row] == "text"], [row for row in rows if kinds[row] != "text"]


def _askings(
    retriever: Retriever,
    drawn: EmbeddingMap,
    texts: Sequence[int],
    ask: object,
    query: object,
    language: object,
    words: Wording,
) -> list[MapQuery]:
    if ask == "words":
        if not isinstance(query, str) or not query.strip():
            raise QueryError(words("empty_query"))
        embedded = actions.embed_query(retriever, drawn, query, str(language))
        return [MapQuery(embedded.text, embedded.language, embedded.vector)]
    if ask != "texts":
        raise QueryError(f"ask: found {ask!r:.40}, wanted words or texts")
    if not 1 <= len(texts) <= MOST_TEXTS:
        raise QueryError(words("map_send_texts_number", count=len(texts), most=MOST_TEXTS))
    points = drawn.inputs.points
    return [MapQuery(points[row].text, points[row].language, drawn.embeddings[row]) for row in texts]


def _open_campaign(store: Store, campaign_id: str, words: Wording) -> Campaign:
    campaign = store.campaign(campaign_id)
    if not campaign.open:
        raise QueryError(words("map_send_closed", name=campaign.name))
    return campaign


def _new_campaign(name: object, askings: Sequence[MapQuery], created_by: str, words: Wording) -> Campaign:
    """Return a campaign in the languages of what is asked; in any, if the language of something is unknown."""
    if not isinstance(name, str) or not name.strip():
        raise QueryError(words("map_send_no_name"))
    spoken = [asking.language for asking in askings]
    languages = [code for code in spoken if code] if all(spoken) else []
    return Campaign(name=" ".join(name.split()), languages=tuple(languages), created_by=created_by)


def _within(askings: Sequence[MapQuery], campaign: Campaign, words: Wording) -> list[MapQuery]:
    """Return those in the campaign's languages; a campaign without any takes all."""
    wanted = {base_language(code) for code in campaign.languages}
    kept = [each for each in askings if not wanted or each.language is None or base_language(each.language) in wanted]
    if not kept:
        spoken = Counter(each.language for each in askings if each.language)
        raise QueryError(
            words(
                "map_send_language",
                wanted=", ".join(language_name(code) for code in campaign.languages),
                found=", ".join(language_name(code) for code in spoken),
            )
        )
    return kept


def _nearest_first(drawn: EmbeddingMap, askings: Sequence[MapQuery], clips: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield place of the asking and row of the clip for all pairs, each asking's nearest before anybody's second."""
    import numpy as np

    embeddings = np.stack([asking.embedding for asking in askings])
    orders = []
    for kind in CLIP_KINDS:
        own = np.array([row for row in clips if drawn.inputs.points[row].kind == kind], dtype=int)
        scores = embeddings @ drawn.embeddings[own].T
        orders.append(own[np.argsort(-scores, axis=1, kind="stable")])
    for depth in range(max(order.shape[1] for order in orders)):
        for order in orders:
            if depth < order.shape[1]:
                yield from ((place, int(row)) for place, row in enumerate(order[:, depth]))


def _pair(item: Item) -> tuple[str | None, ...]:
    return item.query_text, item.language, item.clip_id


CALLED = (map_campaigns, map_send)
"""Functions that the page's script may call."""
