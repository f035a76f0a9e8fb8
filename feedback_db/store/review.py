"""Queries for review: agreement, disagreement, progress, and changes by person."""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Mapping
from typing import Any

from sqlite_utils import Database

from feedback_db.records.campaigns import AnnotatorStatistics, LanguageProgress, Progress
from feedback_db.records.opinions import LABELS
from feedback_db.records.review import Change, LabelRow, Pair, ReviewRow
from feedback_db.store.events import EventStore, opinion_of, read_numbered

_JUDGED = """
    select judged.*, decided.label as adjudicated
    from current_judgements as judged
    left join current_adjudications as decided
        on decided.query_text is judged.query_text and decided.recording_sha256 is judged.recording_sha256
        and decided.clip_id = judged.clip_id and decided.clip_kind = coalesce(judged.clip_kind, 'sound')
    where (:campaign_id is null or judged.campaign_id = :campaign_id)
        and (:language is null or judged.language = :language)
        and (:checks or judged.item_id is null or judged.item_id not in
             (select item_id from campaign_items where known_label is not null))
    order by judged.seq
"""
_ROWS = """
    from (
        select events.seq, events.annotator, events.created_utc, judged.*, items.known_label,
            case when undos.event_id is not null then 'undone'
                 when current.seq is not null then 'current' else 'changed' end as state,
            (select label from current_adjudications as decided
             where decided.query_text is judged.query_text and decided.recording_sha256 is judged.recording_sha256
                 and decided.clip_id = judged.clip_id
                 and decided.clip_kind = coalesce(judged.clip_kind, 'sound')) as adjudicated
        from judgements as judged
        join events using (event_id)
        left join undos on undos.undone_event_id = events.event_id
        left join current_judgements as current on current.event_id = events.event_id
        left join campaign_items as items on items.item_id = judged.item_id
    )
    where (:campaign_id is null or campaign_id = :campaign_id)
        and (:annotator is null or annotator = :annotator)
        and (:language is null or language = :language)
        and (:label is null or label = :label)
        and (:model is null or model = :model)
        and (:state is null or state = :state)
        and (:text is null or instr(lower(query_text), lower(:text)) or instr(lower(clip_id), lower(:text)))
"""
_ITEMS = """
    select items.item_id, coalesce(language, '') as language, known_label is not null as is_check,
           (select count(distinct annotator) from item_answers where item_answers.item_id = items.item_id) as answers
    from campaign_items as items where campaign_id = ?
"""
_AROUND = """
    select
        (select count(*) from leases join campaign_items using (item_id)
         where campaign_id = :campaign_id and expires_ms > :now_ms) as leased,
        (select count(*) from skips join campaign_items using (item_id)
         where campaign_id = :campaign_id) as skips,
        (select count(distinct annotator) from item_answers join campaign_items using (item_id)
         where campaign_id = :campaign_id) as annotators
"""
_WANTED = """
    select wanted_judgements from campaigns where campaign_id = ? order by revision desc limit 1
"""
_BY_PERSON = """
    select judged.annotator, judged.label, judged.seconds_taken, items.known_label
    from current_judgements as judged left join campaign_items as items on items.item_id = judged.item_id
    where (:campaign_id is null or judged.campaign_id = :campaign_id)
"""
_COUNTS_BY_PERSON: Mapping[str, str] = {
    "preferences": """
        select annotator, count(*) as number from current_preferences
        where :campaign_id is null or campaign_id = :campaign_id group by annotator
    """,
    "captions": """
        select annotator, count(*) as number from current_captions
        where :campaign_id is null or campaign_id = :campaign_id group by annotator
    """,
    "undos": """
        select annotator, count(*) as number from undos join events using (event_id)
        where :campaign_id is null or undone_event_id in (
            select event_id from judgements where campaign_id = :campaign_id
            union all select event_id from captions where campaign_id = :campaign_id
            union all select event_id from preferences where campaign_id = :campaign_id
        )
        group by annotator
    """,
    "skips": """
        select annotator, count(*) as number from skips join campaign_items using (item_id)
        where :campaign_id is null or campaign_id = :campaign_id group by annotator
    """,
}
_TIMES = """
    select annotator, min(created_utc) as first_utc, max(created_utc) as last_utc from (
        select event_id, campaign_id from judgements
        union all select event_id, campaign_id from captions
        union all select event_id, campaign_id from preferences
    ) join events using (event_id)
    where :campaign_id is null or campaign_id = :campaign_id group by annotator
"""


class ReviewStore(EventStore):
    """The part of ``Store`` that a team lead reads."""

    def pairs(self, campaign_id: str | None = None, language: str | None = None, *, checks: bool = True) -> list[Pair]:
        """Return every judged query and clip with everybody's label that counts now, in order of arrival.

        Args:
            campaign_id: Only judgements given in this campaign; all when None.
            language: Only queries in exactly this language; all when None.
            checks: Include answers to items that check attention.

        Raises:
            FeedbackError: The database cannot be read.
        """
        values = {"campaign_id": campaign_id, "language": language, "checks": checks}
        with self._connection.reading() as database:
            rows = list(database.query(_JUDGED, values))
        found: dict[str, dict[str, Any]] = {}
        for row in rows:
            labels = found.setdefault(_pair_id(row), {"labels": {}})["labels"]
            found[_pair_id(row)] = dict(row) | {"labels": labels | {row["annotator"]: row["label"]}}
        return [_pair(pair_id, row) for pair_id, row in found.items()]

    def label_table(
        self, campaign_id: str | None = None, language: str | None = None, *, checks: bool = False
    ) -> list[LabelRow]:
        """Return who gave which label to which pair, for a measure of agreement such as Krippendorff's alpha.

        Args:
            campaign_id: As for ``pairs``.
            language: As for ``pairs``.
            checks: As for ``pairs``; left out when not asked for, as everybody is meant to agree on them.

        Raises:
            FeedbackError: The database cannot be read.
        """
        return [
            LabelRow(annotator=annotator, pair_id=pair.pair_id, label=label, language=pair.language)
            for pair in self.pairs(campaign_id, language, checks=checks)
            for annotator, label in pair.labels.items()
        ]

    def disagreements(self, campaign_id: str | None = None, language: str | None = None) -> list[Pair]:
        """Return the pairs with different labels: those not adjudicated first, the widest apart first.

        Raises:
            FeedbackError: The database cannot be read.
        """
        found = [pair for pair in self.pairs(campaign_id, language, checks=False) if pair.disagreed]
        return sorted(found, key=lambda pair: (pair.adjudicated is not None, -pair.spread))

    def review_rows(
        self,
        *,
        campaign_id: str | None = None,
        annotator: str | None = None,
        language: str | None = None,
        label: str | None = None,
        model: str | None = None,
        state: str | None = None,
        text: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> tuple[list[ReviewRow], int]:
        """Return a page of all judgements, the newest first, and how many there are in all.

        Args:
            campaign_id: Only of this campaign.
            annotator: Only by this person.
            language: Only queries in this language.
            label: Only with this label.
            model: Only of this model.
            state: Only in this state, one of ``STATES``.
            text: Only those whose query or clip id contains this, capitals and small letters alike.
            limit: At most so many, 0 or more.
            offset: Leave out so many.

        Raises:
            FeedbackError: The database cannot be read.
        """
        values = {
            "campaign_id": campaign_id,
            "annotator": annotator,
            "language": language,
            "label": label,
            "model": model,
            "state": state,
            "text": text,
            "limit": max(0, int(limit)),
            "offset": max(0, int(offset)),
        }
        with self._connection.reading() as database:
            (total,) = database.query(f"select count(*) as number {_ROWS}", values)
            page = list(database.query(f"select * {_ROWS} order by seq desc limit :limit offset :offset", values))
        rows = [
            ReviewRow(
                seq=row["seq"],
                judgement=opinion_of("judgement", row),
                state=row["state"],
                known_label=row["known_label"],
                adjudicated=row["adjudicated"],
            )
            for row in page
        ]
        return rows, int(total["number"])

    def changes(self, limit: int = 100, annotator: str | None = None) -> list[Change]:
        """Return who did what, the newest first.

        Args:
            limit: At most so many.
            annotator: Only by this person.

        Raises:
            FeedbackError: The database cannot be read.
        """
        where = """
            where events.seq in (select seq from events where :annotator is null or annotator = :annotator
                                 order by seq desc limit :limit)
        """
        values = {"annotator": annotator, "limit": max(0, int(limit))}
        with self._connection.reading() as database:
            found = read_numbered(database, where, values)
        return [Change(seq=seq, event=event) for seq, event in reversed(found)]

    def progress(self, campaign_id: str) -> Progress:
        """Return how far a campaign is; all counts are 0 for an unknown one.

        Raises:
            FeedbackError: The database cannot be read.
        """
        now = {"campaign_id": campaign_id, "now_ms": time.time_ns() // 1_000_000}
        with self._connection.reading() as database:
            wanted = next((row["wanted_judgements"] for row in database.query(_WANTED, [campaign_id])), 0)
            items = list(database.query(_ITEMS, [campaign_id]))
            (around,) = database.query(_AROUND, now)
        answers: dict[str, list[int]] = {}
        for row in items:
            if not row["is_check"]:
                answers.setdefault(row["language"], []).append(row["answers"])
        every = [number for numbers in answers.values() for number in numbers]
        return Progress(
            **_count(every, wanted),
            checks=sum(row["is_check"] for row in items),
            languages={code: LanguageProgress(**_count(answers[code], wanted)) for code in sorted(answers)},
            **around,
        )

    def annotator_statistics(
        self, campaign_id: str | None = None, annotator: str | None = None
    ) -> list[AnnotatorStatistics]:
        """Return what each person has done, by name.

        Args:
            campaign_id: Only in this campaign; anywhere when None.
            annotator: Only this person, also one who has done nothing; everybody who has when None.

        Raises:
            FeedbackError: The database cannot be read.
        """
        values = {"campaign_id": campaign_id}
        with self._connection.reading() as database:
            judged: dict[str, list[dict[str, Any]]] = {}
            for row in database.query(_BY_PERSON, values):
                judged.setdefault(row["annotator"], []).append(row)
            counts = {name: _by_annotator(database, query, values) for name, query in _COUNTS_BY_PERSON.items()}
            times = {row["annotator"]: row for row in database.query(_TIMES, values)}
        people = (
            {annotator}
            if annotator is not None
            else {*judged, *times, *(who for told in counts.values() for who in told)}
        )
        return [
            _statistics(
                who,
                judged.get(who, []),
                {name: told.get(who, 0) for name, told in counts.items()},
                times.get(who, {"first_utc": None, "last_utc": None}),
            )
            for who in sorted(people)
        ]


def _pair_id(row: Mapping[str, Any]) -> str:
    key = [row["query_text"], row["recording_sha256"], row["clip_id"], row["clip_kind"] or "sound"]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]


def _pair(pair_id: str, row: Mapping[str, Any]) -> Pair:
    return Pair(
        pair_id=pair_id,
        query_text=row["query_text"],
        recording_sha256=row["recording_sha256"],
        query_kind=row["query_kind"] or ("text" if row["query_text"] is not None else "sound"),
        language=row["language"],
        clip_id=row["clip_id"],
        clip_kind=row["clip_kind"] or "sound",
        gallery=row["gallery"],
        labels=row["labels"],
        adjudicated=row["adjudicated"],
    )


def _count(answers: list[int], wanted: int) -> dict[str, int]:
    return {
        "items": len(answers),
        "done": sum(number >= wanted for number in answers),
        "answers": sum(min(number, wanted) for number in answers),
        "wanted": wanted * len(answers),
    }


def _by_annotator(database: Database, query: str, values: dict[str, Any]) -> dict[str, int]:
    return {row["annotator"]: row["number"] for row in database.query(query, values)}


def _statistics(
    annotator: str, judged: list[dict[str, Any]], counts: Mapping[str, int], times: Mapping[str, Any]
) -> AnnotatorStatistics:
    labels = dict.fromkeys(LABELS, 0)
    for row in judged:
        labels[row["label"]] += 1
    seconds = [row["seconds_taken"] for row in judged if row["seconds_taken"] is not None]
    checks = [row for row in judged if row["known_label"] is not None]
    return AnnotatorStatistics(
        annotator=annotator,
        judgements=len(judged),
        labels=labels,
        checks=len(checks),
        checks_right=sum(row["label"] == row["known_label"] for row in checks),
        mean_seconds=statistics.fmean(seconds) if seconds else None,
        median_seconds=statistics.median(seconds) if seconds else None,
        first_utc=times["first_utc"],
        last_utc=times["last_utc"],
        **counts,
    )
