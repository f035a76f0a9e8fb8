"""Rows of campaigns and their items: what is to be judged."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlite_utils import Database

from feedback_db.errors import FeedbackError
from feedback_db.records import fields
from feedback_db.records.campaigns import Campaign, Item, Ranking
from feedback_db.store.events import EventStore

_CAMPAIGN_FIELDS = tuple(field.name for field in dataclasses.fields(Campaign))
_CAMPAIGN_COLUMNS = tuple("languages_json" if name == "languages" else name for name in _CAMPAIGN_FIELDS)
_INSERT_CAMPAIGN = f"""
    insert into campaigns ({", ".join(f'"{name}"' for name in _CAMPAIGN_COLUMNS)})
    values ({", ".join("?" * len(_CAMPAIGN_COLUMNS))})
"""
_CAMPAIGNS = """
    select campaigns.*, made from campaigns join (
        select min(revision) as made, max(revision) as revision from campaigns
        where :campaign_id is null or campaign_id = :campaign_id group by campaign_id
    ) using (revision)
    order by made
"""
_ITEM_FIELDS = tuple(field.name for field in dataclasses.fields(Item) if field.name not in ("first", "second"))
_ITEM_COLUMNS = (*_ITEM_FIELDS, "first_json", "second_json", "base_language", "shuffle")
_INSERT_ITEM = f"""
    insert into campaign_items ({", ".join(_ITEM_COLUMNS)}) values ({", ".join("?" * len(_ITEM_COLUMNS))})
    on conflict (item_id) do update set priority = excluded.priority
"""


class CampaignStore(EventStore):
    """The part of ``Store`` that knows what is to be judged."""

    def save_campaign(self, campaign: Campaign) -> str:
        """Store a new campaign, or a change of one with the same ``campaign_id``; return that id.

        Raises:
            FeedbackError: It could not be stored.
        """
        fields.check_visible("name", campaign.name)
        fields.check_visible("created_by", campaign.created_by)
        with self._connection.writing() as database:
            insert_campaign(database, campaign)
        self._told([campaign])
        return campaign.campaign_id

    def campaigns(self) -> list[Campaign]:
        """Return every campaign as last changed, the oldest first.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            return read_campaigns(database)

    def campaign(self, campaign_id: str) -> Campaign:
        """Return a campaign as last changed.

        Raises:
            FeedbackError: There is none of this id.
        """
        with self._connection.reading() as database:
            return find_campaign(database, campaign_id)

    def campaign_revisions(self, campaign_id: str) -> list[Campaign]:
        """Return all that a campaign ever was, the oldest first; none for an unknown one.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            return read_campaigns(database, campaign_id)

    def add_items(self, items: Iterable[Item]) -> int:
        """Add items to their campaigns, all or none; return how many.

        An item that is there already, by its ``item_id``, gets the new priority and is not counted.

        Raises:
            FeedbackError: A campaign is unknown, or an item's language is none of its campaign's.
        """
        known: dict[str, Campaign] = {}
        taken = list(items)
        with self._connection.writing() as database:
            added = 0
            for item in taken:
                if item.campaign_id not in known:
                    known[item.campaign_id] = find_campaign(database, item.campaign_id)
                wanted = known[item.campaign_id].languages
                if (
                    wanted
                    and item.language
                    and base_language(item.language) not in {base_language(code) for code in wanted}
                ):
                    fields.refuse("language", item.language, f"one of the campaign's: {', '.join(wanted)}")
                added += insert_item(database, item)
        self._told(taken)
        return added

    def items(self, campaign_id: str) -> list[Item]:
        """Return the items of a campaign, in the order in which they were added.

        Raises:
            FeedbackError: The database cannot be read.
        """
        with self._connection.reading() as database:
            return read_items(database, campaign_id)

    def item(self, item_id: str) -> Item:
        """Return one item.

        Raises:
            FeedbackError: There is none of this id.
        """
        with self._connection.reading() as database:
            return find_item(database, item_id)

    def set_priorities(self, priorities: Mapping[str, float]) -> None:
        """Set how much is learnt from each of these items; those of the highest priority come first.

        Args:
            priorities: By ``item_id``, finite numbers.

        Raises:
            FeedbackError: An item is unknown, or a priority is no finite number; nothing is then changed.
        """
        changed = []
        with self._connection.writing() as database:
            for item_id, priority in priorities.items():
                item = dataclasses.replace(find_item(database, item_id), priority=priority)
                insert_item(database, item)
                changed.append(item)
        self._told(changed)


def insert_campaign(database: Database, campaign: Campaign) -> None:
    """Write a campaign or a change of one, inside a write transaction."""
    row = [getattr(campaign, name) for name in _CAMPAIGN_FIELDS]
    row[_CAMPAIGN_FIELDS.index("languages")] = json.dumps(campaign.languages)
    database.execute(_INSERT_CAMPAIGN, row)


def insert_item(database: Database, item: Item) -> bool:
    """Write an item, or the new priority of a known one, inside a write transaction; return whether it is new."""
    known = next(database.query("select 1 from campaign_items where item_id = ?", [item.item_id]), None)
    database.execute(_INSERT_ITEM, _item_row(item))
    return known is None


def read_campaigns(database: Database, revisions_of: str | None = None) -> list[Campaign]:
    """Return every campaign as last changed, the oldest first; or all that one campaign ever was."""
    if revisions_of is not None:
        query = "select * from campaigns where campaign_id = ? order by revision"
        return [_campaign(row) for row in database.query(query, [revisions_of])]
    return [_campaign(row) for row in database.query(_CAMPAIGNS, {"campaign_id": None})]


def read_items(database: Database, campaign_id: str | None = None) -> list[Item]:
    """Return the items of one campaign, or of all, in the order in which they were added."""
    query = "select * from campaign_items where :campaign_id is null or campaign_id = :campaign_id order by rowid"
    return [item_of(row) for row in database.query(query, {"campaign_id": campaign_id})]


def find_campaign(database: Database, campaign_id: str) -> Campaign:
    """Return a campaign as last changed; an unknown one is a FeedbackError."""
    rows = list(database.query(_CAMPAIGNS, {"campaign_id": str(campaign_id)}))
    if not rows:
        raise FeedbackError(f"there is no campaign {str(campaign_id)[:40]!r}; choose one of the list")
    return _campaign(rows[0])


def find_item(database: Database, item_id: str) -> Item:
    """Return an item; an unknown one is a FeedbackError."""
    row = next(database.query("select * from campaign_items where item_id = ?", [str(item_id)]), None)
    if row is None:
        raise FeedbackError(f"there is no item {str(item_id)[:40]!r}; take the next one")
    return item_of(row)


def _campaign(row: Mapping[str, Any]) -> Campaign:
    given = {name: row[name] for name in _CAMPAIGN_FIELDS if name != "languages"}
    return Campaign(**given | {"languages": tuple(json.loads(row["languages_json"])), "open": bool(row["open"])})


def item_of(row: Mapping[str, Any]) -> Item:
    """Return the item that a row of ``campaign_items`` holds."""
    given = {name: row[name] for name in _ITEM_FIELDS}
    for side in ("first", "second"):
        if row[f"{side}_json"] is not None:
            told = json.loads(row[f"{side}_json"])
            given[side] = Ranking(**told | {"clip_ids": tuple(told["clip_ids"])})
    return Item(**given)


def _item_row(item: Item) -> list[Any]:
    sides = [
        None if side is None else json.dumps(dataclasses.asdict(side), ensure_ascii=False)
        for side in (item.first, item.second)
    ]
    base = None if item.language is None else base_language(item.language)
    # From the id, so that the same items come in the same order in every copy of the database.
    shuffle = int(item.item_id[:7], 16)
    return [*(getattr(item, name) for name in _ITEM_FIELDS), *sides, base, shuffle]


def base_language(language: str) -> str:
    """Return a code's language in small letters: ``pt`` of ``pt-BR``; a private one is itself, ``x-foo``."""
    code = language.lower()
    return code if code.startswith("x-") else code.partition("-")[0]
