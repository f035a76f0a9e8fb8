"""Rows of work in hand: who holds which item, who passed it over, and the answers to it."""

from __future__ import annotations

import datetime
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlite_utils import Database

from feedback_db.errors import FeedbackError
from feedback_db.records import fields
from feedback_db.records.campaigns import MAX_LEASE_SECONDS, Campaign, Item, Lease, left_side
from feedback_db.records.opinions import Caption, Judgement, Preference, check_annotator
from feedback_db.records.people import Skip
from feedback_db.store.campaigns import CampaignStore, base_language, find_campaign, find_item, item_of
from feedback_db.store.events import insert, refuse_stale

GALLERY_SAMPLES = 20
"""Clips by which it is told whether a campaign's gallery is at hand."""

_ORDERS: Mapping[str, str] = {
    "random": "",
    "uncertainty": "priority desc,",
    "disagreement": "labels desc, answers desc,",
}
_ANSWERED = """
    select item_id, count(distinct annotator) as answers, count(distinct label) as labels,
           max(annotator = :annotator) as mine
    from item_answers
    where item_id in (select item_id from campaign_items where campaign_id = :campaign_id)
    group by item_id
"""
# A lease of a future day was made before the clock jumped back; nobody waits a day for it.
_HELD_BY_ANOTHER = """
    exists (select 1 from leases where leases.item_id = items.item_id and annotator <> :annotator
            and expires_ms > :now_ms and expires_ms <= :now_ms + :longest_ms)
"""
_NEXT = """
    with answered as ({answered})
    select items.*, coalesce(answers, 0) as answers, coalesce(labels, 0) as labels,
           exists (select 1 from leases where leases.item_id = items.item_id and annotator = :annotator) as held
    from campaign_items as items left join answered using (item_id)
    where campaign_id = :campaign_id and coalesce(mine, 0) = 0
        and (known_label is not null or coalesce(answers, 0) < :wanted)
        and ((known_label is not null) = :check or held)
        and (:languages is null or base_language is null
             or base_language in (select value from json_each(:languages)))
        and (:galleries is null or gallery in (select value from json_each(:galleries)))
        and not exists (select 1 from skips where skips.item_id = items.item_id and annotator = :annotator)
        and not {held_by_another}
    order by held desc, {order} (shuffle * :odd) & 2147483647, item_id
    limit 1
"""
_GALLERIES = """
    with numbered as (
        select gallery, coalesce(clip_id, first_json ->> '$.clip_ids[0]') as clip,
               row_number() over (partition by gallery order by item_id) as place
        from campaign_items where campaign_id = :campaign_id
    )
    select gallery, json_group_array(clip) as clips from numbered where place <= :samples group by gallery
"""
_LEASE = """
    insert into leases (item_id, annotator, expires_ms) values (:item_id, :annotator, :expires_ms)
    on conflict (item_id) do update set annotator = excluded.annotator, expires_ms = excluded.expires_ms
"""
_DROP_OTHER_LEASES = """
    delete from leases where annotator = :annotator and item_id <> :item_id
        and item_id in (select item_id from campaign_items where campaign_id = :campaign_id)
"""
_COUNT_MINE = """
    select count(*) as number from item_answers join campaign_items using (item_id)
    where campaign_id = ? and annotator = ?
"""


_STANDING = "select event_id, label from item_answers where item_id = ? and annotator = ? order by seq desc limit 1"


class QueueStore(CampaignStore):
    """The part of ``Store`` that gives out work and takes the answers."""

    def galleries(self, campaign_id: str) -> dict[str, tuple[str, ...]]:
        """Return the names of the galleries that a campaign's items are of, each with the ids of some of its clips."""
        with self._connection.reading() as database:
            rows = list(database.query(_GALLERIES, {"campaign_id": campaign_id, "samples": GALLERY_SAMPLES}))
        return {row["gallery"]: tuple(json.loads(row["clips"])) for row in rows}

    def next_item(
        self,
        campaign_id: str,
        annotator: str,
        languages: Sequence[str] = (),
        galleries: Sequence[str] | None = None,
    ) -> Lease | None:
        """Lease the next item to one person: the one they hold already, else the first in the campaign's order.

        They are not given what they have answered or skipped, what others hold, what has all the answers
        wanted, or what is in none of their languages. Each ``check_every``-th answer is to an item with a
        known answer, while there are some.

        Args:
            campaign_id: The campaign.
            annotator: Who asks.
            languages: BCP-47 codes this person knows; ``pt`` and ``pt-BR`` are both given either. Empty for any.
            galleries: Names of the galleries whose clips can be shown to them; None for any.

        Returns:
            The lease, or None when there is nothing to do for this person now.

        Raises:
            FeedbackError: The campaign is unknown or closed, or the database cannot be written.
        """
        check_annotator(annotator)
        for code in languages:
            fields.check_language("languages", code)
        with self._connection.writing() as database:
            campaign = find_campaign(database, campaign_id)
            if not campaign.open:
                raise FeedbackError(f"the campaign {campaign.name!r} is closed; choose another one")
            answered = _count_mine(database, campaign_id, annotator)
            check = bool(campaign.check_every) and (answered + 1) % campaign.check_every == 0
            known = json.dumps(sorted({base_language(code) for code in languages})) if languages else None
            at_hand = None if galleries is None else json.dumps(list(galleries))
            for asked in (True, False) if check else (False,):
                item = _pick(database, campaign, annotator, {"languages": known, "galleries": at_hand}, check=asked)
                if item is not None:
                    return _lease(database, campaign, item, annotator, answered + 1)
        return None

    def lease_item(self, item_id: str, annotator: str) -> Lease:
        """Lease a certain item to one person, also one they have answered or skipped: to go back and change.

        Raises:
            FeedbackError: Another person holds it now, it is unknown, or its campaign is closed.
        """
        check_annotator(annotator)
        with self._connection.writing() as database:
            item = find_item(database, item_id)
            campaign = find_campaign(database, item.campaign_id)
            if not campaign.open:
                raise FeedbackError(f"the campaign {campaign.name!r} is closed; choose another one")
            query = f"select {_HELD_BY_ANOTHER} as held from campaign_items as items where item_id = :item_id"
            (row,) = database.query(query, _moment(annotator) | {"item_id": item_id})
            if row["held"]:
                raise FeedbackError("somebody else is working on this item now; take the next one")
            answered = _count_mine(database, item.campaign_id, annotator)
            return _lease(database, campaign, item, annotator, answered + 1)

    def release(self, annotator: str) -> None:
        """Give back everything a person holds.

        Raises:
            FeedbackError: The database cannot be written.
        """
        with self._connection.writing() as database:
            database.execute("delete from leases where annotator = ?", [annotator])

    def skip(self, item_id: str, annotator: str) -> None:
        """Give an item back and do not offer it to this person again; skipping twice is fine.

        Raises:
            FeedbackError: The item is unknown, or the database cannot be written.
        """
        skip = Skip(item_id=item_id, annotator=annotator)
        with self._connection.writing() as database:
            find_item(database, item_id)
            add_skip(database, skip)
        self._told([skip])

    def standing_answer(self, item_id: str, annotator: str) -> tuple[str, str]:
        """Return the id of a person's answer to an item that counts now and its label or choice; empty for none.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            return _standing(database, item_id, annotator)

    def judge_item(
        self,
        item_id: str,
        annotator: str,
        label: str,
        *,
        reasons: Sequence[str] = (),
        comment: str | None = None,
        seconds_taken: float | None = None,
        seen: str | None = None,
    ) -> Judgement:
        """Store a person's answer to an item and end the lease; what the person did not see is filled in.

        The answer is stored even if the lease has run out meanwhile: nobody's work is thrown away.

        Args:
            item_id: The item.
            annotator: Who answers.
            label: One of ``LABELS``.
            reasons: Tags.
            comment: Anything to add.
            seconds_taken: From showing to answering, 0 or more.
            seen: The person's own answer, by its id, that stood when they were asked, empty for none; another one that
                stands now is not overwritten. None overwrites whatever stands.

        Raises:
            StaleAnswerError: Another answer of this person stands than the one they saw.
            FeedbackError: The item is unknown or a comparison, a field is out of its range, or the answer
                could not be stored.
        """
        with self._connection.writing() as database:
            item = find_item(database, item_id)
            if item.clip_id is None:
                raise FeedbackError(f"item {item_id} is a comparison: found a label, wanted a preference")
            if seen is not None:
                refuse_stale(_standing(database, item_id, annotator), seen)
            judgement = Judgement(
                **_about(item),
                **_clip_of(item),
                annotator=annotator,
                position=_count_mine(database, item.campaign_id, annotator) + 1,
                seconds_taken=seconds_taken,
                label=label,
                reasons=tuple(reasons),
                comment=comment,
            )
            insert(database, judgement)
        self._told([judgement])
        return judgement

    def prefer_item(
        self,
        item_id: str,
        annotator: str,
        choice: str,
        *,
        seconds_taken: float | None = None,
        seen: str | None = None,
    ) -> Preference:
        """Store which of an item's two rankings a person found better and end the lease.

        Args:
            item_id: The item, a comparison.
            annotator: Who answers.
            choice: One of ``CHOICES``, of the item and not of the page: see ``Lease.left``.
            seconds_taken: From showing to answering, 0 or more.
            seen: As for ``judge_item``.

        Raises:
            StaleAnswerError: Another answer of this person stands than the one they saw.
            FeedbackError: The item is unknown or no comparison, a field is out of its range, or the answer
                could not be stored.
        """
        with self._connection.writing() as database:
            item = find_item(database, item_id)
            if item.first is None or item.second is None:
                raise FeedbackError(f"item {item_id} is no comparison: found a preference, wanted a label")
            if seen is not None:
                refuse_stale(_standing(database, item_id, annotator), seen)
            preference = Preference(
                **_about(item),
                annotator=annotator,
                position=_count_mine(database, item.campaign_id, annotator) + 1,
                seconds_taken=seconds_taken,
                first_model=item.first.model,
                first_version=item.first.model_version,
                first_clip_ids=item.first.clip_ids,
                second_model=item.second.model,
                second_version=item.second.model_version,
                second_clip_ids=item.second.clip_ids,
                left=left_side(item_id, annotator),
                choice=choice,
            )
            insert(database, preference)
        self._told([preference])
        return preference

    def caption_item(
        self, item_id: str, annotator: str, caption: str, language: str, *, seconds_taken: float | None = None
    ) -> Caption:
        """Store a better caption of an item's clip; the lease goes on.

        Raises:
            FeedbackError: The item is unknown or a comparison, a field is out of its range, or the caption
                could not be stored.
        """
        with self._connection.writing() as database:
            item = find_item(database, item_id)
            if item.clip_id is None:
                raise FeedbackError(f"item {item_id} is a comparison: it has no single clip to describe")
            made = Caption(
                **_about(item),
                **_clip_of(item),
                annotator=annotator,
                seconds_taken=seconds_taken,
                caption=caption,
                caption_language=language,
            )
            insert(database, made)
        self._told([made])
        return made


def add_skip(database: Database, skip: Skip) -> bool:
    """Write a skip and end the lease, inside a write transaction; return whether it is new."""
    values = [skip.item_id, skip.annotator, skip.created_utc]
    known = "select 1 from skips where item_id = ? and annotator = ?"
    new = next(database.query(known, values[:2]), None) is None
    database.execute("insert or ignore into skips (item_id, annotator, created_utc) values (?, ?, ?)", values)
    database.execute("delete from leases where item_id = ? and annotator = ?", values[:2])
    return new


def _moment(annotator: str) -> dict[str, Any]:
    return {
        "annotator": annotator,
        "now_ms": time.time_ns() // 1_000_000,
        "longest_ms": MAX_LEASE_SECONDS * 1000,
    }


def _pick(
    database: Database, campaign: Campaign, annotator: str, only: Mapping[str, str | None], *, check: bool
) -> Item | None:
    query = _NEXT.format(answered=_ANSWERED, order=_ORDERS[campaign.order], held_by_another=_HELD_BY_ANOTHER)
    values = _moment(annotator) | {
        **only,
        "campaign_id": campaign.campaign_id,
        "wanted": campaign.wanted_judgements,
        "check": check,
        # Odd, so that no two items fall on one place: each person's own shuffle, the same at each call.
        "odd": int.from_bytes(hashlib.sha256(annotator.encode()).digest()[:3], "big") | 1,
    }
    row = next(database.query(query, values), None)
    return None if row is None else item_of(row)


def _lease(database: Database, campaign: Campaign, item: Item, annotator: str, position: int) -> Lease:
    expires_ms = time.time_ns() // 1_000_000 + campaign.lease_seconds * 1000
    row = {"item_id": item.item_id, "annotator": annotator, "expires_ms": expires_ms}
    database.execute(_LEASE, row)
    database.execute(_DROP_OTHER_LEASES, row | {"campaign_id": campaign.campaign_id})
    expires = datetime.datetime.fromtimestamp(expires_ms / 1000, datetime.UTC)
    return Lease(item=item, annotator=annotator, position=position, expires_utc=expires.isoformat(timespec="seconds"))


def _count_mine(database: Database, campaign_id: str, annotator: str) -> int:
    (row,) = database.query(_COUNT_MINE, [campaign_id, annotator])
    return int(row["number"])


def _standing(database: Database, item_id: str, annotator: str) -> tuple[str, str]:
    row = next(database.query(_STANDING, [item_id, annotator]), None)
    return ("", "") if row is None else (str(row["event_id"]), str(row["label"]))


def _about(item: Item) -> dict[str, Any]:
    """Return what any answer to an item says of its query; a recording is in a campaign only with consent."""
    return {
        "query_text": item.query_text,
        "recording_sha256": item.recording_sha256,
        "query_kind": item.query_kind,
        "consent": item.recording_sha256 is not None,
        "language": item.language,
        "gallery": item.gallery,
        "index_version": item.index_version,
        "campaign_id": item.campaign_id,
        "item_id": item.item_id,
    }


def _clip_of(item: Item) -> dict[str, Any]:
    assert item.clip_id is not None
    return {
        "clip_id": item.clip_id,
        "clip_kind": item.clip_kind,
        "rank": item.rank,
        "score": item.score,
        "model": item.model,
        "model_version": item.model_version,
    }
