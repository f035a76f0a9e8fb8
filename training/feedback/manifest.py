"""From what people said to what is trained on: a dated, hashed manifest of graded pairs, each with a weight.

How far a person is believed is estimated from what others said of the same pairs, and from items whose answer was
known: the model of Dawid and Skene with one accuracy a person, a prior that takes people for mostly right, and
attention checks as answers whose truth is known. A pair's weight is how sure the answer is after that; where nobody
else judged a pair, it is how far that one person is believed. A team lead's word counts as certain.

References:
    Dawid, Skene: Maximum likelihood estimation of observer error-rates using the EM algorithm. Appl. Statist. 28, 1979.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cacara_files import atomic
from feedback_db.records.opinions import GRADES, Caption, FeedbackError
from feedback_db.records.review import Pair
from feedback_db.store.store import Store
from training.run_folder import RunError

FORMAT_VERSION = 1
PRIOR_RIGHT, PRIOR_WRONG = 8.0, 2.0
"""Prior belief in a person's reliability: right 8 times of 10."""

ROUNDS = 30
MIN_WEIGHT = 0.1
"""Pairs that are less sure than this are left out."""

Attention = Mapping[str, tuple[int, int]]


@dataclasses.dataclass(frozen=True)
class Row:
    """One graded pair.

    Attributes:
        query: The query's key: ``text:…`` in NFC, or ``sound:`` or ``picture:`` and the hash of what was recorded.
        language: BCP-47 code of a text, or None when unknown.
        clip_id: The clip.
        clip_kind: ``sound`` or ``picture``.
        grade: Relevance of the clip, 0 to 1.
        weight: Certainty of that, above 0 to 1.
        source: ``judgement``, ``adjudication`` or ``caption``.
        people: Number of people who said so.
    """

    query: str
    language: str | None
    clip_id: str
    clip_kind: str
    grade: float
    weight: float
    source: str
    people: int

    @property
    def text(self) -> str | None:
        """The query's text, or None for a recording or a picture."""
        return self.query.removeprefix("text:") if self.query.startswith("text:") else None


@dataclasses.dataclass(frozen=True)
class Manifest:
    """All that is trained on.

    Attributes:
        date: The day of the newest judgement, ISO-8601.
        rows: Sorted, so that the same feedback gives the same bytes.
        reliability: How often each person is right, estimated, by a number that stands for the person.
        left_out: Numbers of pairs left out, by reason.
        judgements: Number of judgements that the rows are made of.
    """

    date: str
    rows: tuple[Row, ...]
    reliability: Mapping[str, float]
    left_out: Mapping[str, int]
    judgements: int

    @property
    def hash(self) -> str:
        """Hash of date and rows, 12 hex digits."""
        return hashlib.sha256(self.text().encode()).hexdigest()[:12]

    @property
    def positives(self) -> int:
        """Number of pairs that fit, at least partly."""
        return sum(row.grade > 0 for row in self.rows)

    def head(self) -> dict[str, Any]:
        """Return what the first line says, without the hash."""
        return {
            "format_version": FORMAT_VERSION,
            "date": self.date,
            "judgements": self.judgements,
            "positives": self.positives,
            "negatives": len(self.rows) - self.positives,
            "reliability": {key: round(value, 4) for key, value in self.reliability.items()},
            "left_out": dict(self.left_out),
        }

    def text(self) -> str:
        """Return the manifest as JSONL: what it is, then a row a line; names of people are not in it."""
        lines = [self.head(), *(dataclasses.asdict(row) for row in self.rows)]
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def read_store(database: Path) -> Manifest:
    """Return the manifest of a feedback database.

    Raises:
        RunError: There is no such database, or it cannot be read.
    """
    if not database.is_file():
        raise RunError(f"there is no feedback database {database}; wanted the file that the app was started with")
    try:
        with Store(database, read_only=True) as store:
            rows, _ = store.review_rows(state="current", limit=10**9)
            times = [row.judgement.created_utc for row in rows]
            return build(store.pairs(checks=False), store.current_captions(), _attention(rows), max(times, default=""))
    except FeedbackError as error:
        raise RunError(str(error)) from error


def build(pairs: Sequence[Pair], captions: Iterable[Caption], attention: Attention, newest: str) -> Manifest:
    """Return the manifest of what people said.

    Args:
        pairs: Queries and clips with everybody's label.
        captions: Corrected captions: each is a text that fits its clip.
        attention: Of each person how many items with a known answer were answered rightly, and wrongly.
        newest: ISO-8601 time of the newest judgement.
    """
    believed, sure = estimate(pairs, attention)
    rows: dict[tuple[str, str], Row] = {}
    left_out: Counter[str] = Counter()
    judgements = 0
    for pair in pairs:
        grades = {person: GRADES[label] for person, label in pair.labels.items() if label in GRADES}
        if row := _row(pair, grades, sure.get(pair.pair_id, 0.5)):
            if row.weight < MIN_WEIGHT:
                left_out["people disagree"] += 1
                continue
            rows[row.query, row.clip_id] = row
            judgements += len(grades)
        else:
            left_out["unsure"] += 1
    for caption in captions:
        row = Row(
            f"text:{_plain(caption.caption)}",
            caption.caption_language,
            caption.clip_id,
            caption.clip_kind,
            1.0,
            round(believed.get(caption.annotator, PRIOR_RIGHT / (PRIOR_RIGHT + PRIOR_WRONG)), 4),
            "caption",
            1,
        )
        rows.setdefault((row.query, row.clip_id), row)
    ordered = sorted(rows.values(), key=lambda row: (row.query, row.clip_id))
    names = {person: str(number) for number, person in enumerate(sorted(believed), start=1)}
    reliability = {names[person]: share for person, share in sorted(believed.items())}
    return Manifest(newest[:10], tuple(ordered), reliability, dict(sorted(left_out.items())), judgements)


def write(manifest: Manifest, path: Path) -> None:
    """Write a manifest, beside its place first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, manifest.text())


def read(path: Path) -> Manifest:
    """Return a manifest that ``write`` wrote.

    Raises:
        RunError: It cannot be read, or is of another format.
    """
    try:
        head, *lines = (json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line)
        if head["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format_version is {head['format_version']!r}; wanted {FORMAT_VERSION}")
        rows = tuple(Row(**line) for line in lines)
        return Manifest(head["date"], rows, head["reliability"], head["left_out"], head["judgements"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"the manifest {path} cannot be read: {error}") from error


def estimate(pairs: Sequence[Pair], attention: Attention) -> tuple[dict[str, float], dict[str, float]]:
    """Return how often each person is right, and of each pair the probability that its clip fits.

    Args:
        pairs: Queries and clips with everybody's label; ``unsure`` says nothing.
        attention: Of each person the known items answered rightly, and wrongly.
    """
    said = {
        pair.pair_id: {person: GRADES[label] > 0 for person, label in pair.labels.items() if label in GRADES}
        for pair in pairs
    }
    people = {person for votes in said.values() for person in votes} | set(attention)
    believed = dict.fromkeys(sorted(people), PRIOR_RIGHT / (PRIOR_RIGHT + PRIOR_WRONG))
    fits: dict[str, float] = {}
    for _ in range(ROUNDS):
        fits = {pair_id: _posterior(votes, believed) for pair_id, votes in said.items()}
        right = {person: PRIOR_RIGHT + attention.get(person, (0, 0))[0] for person in believed}
        total = {person: PRIOR_RIGHT + PRIOR_WRONG + sum(attention.get(person, (0, 0))) for person in believed}
        for votes in said.values():
            if len(votes) > 1:  # one's own vote alone says nothing of oneself
                for person, vote in votes.items():
                    others = _posterior({who: each for who, each in votes.items() if who != person}, believed)
                    right[person] += others if vote else 1 - others
                    total[person] += 1
        believed = {person: right[person] / total[person] for person in believed}
    return believed, fits


def _posterior(votes: Mapping[str, bool], believed: Mapping[str, float]) -> float:
    yes = no = 1.0
    for person, vote in votes.items():
        share = min(max(believed[person], 0.01), 0.99)
        yes *= share if vote else 1 - share
        no *= 1 - share if vote else share
    return yes / (yes + no)


def _row(pair: Pair, grades: Mapping[str, float], fits: float) -> Row | None:
    adjudicated = GRADES.get(pair.adjudicated or "")
    if adjudicated is None and not grades:
        return None
    if adjudicated is not None:
        grade, weight, source = adjudicated, 1.0, "adjudication"
    else:
        agreeing = [grade for grade in grades.values() if (grade > 0) == (fits >= 0.5)]
        grade = sum(agreeing) / len(agreeing) if agreeing and fits >= 0.5 else 0.0
        weight, source = abs(2 * fits - 1), "judgement"
    if pair.query_text is not None:
        query = f"text:{_plain(pair.query_text)}"
    else:
        query = f"{pair.query_kind}:{pair.recording_sha256}"
    values = (round(grade, 4), round(weight, 4), source, max(1, len(grades)))
    return Row(query, pair.language, pair.clip_id, pair.clip_kind, *values)


def _attention(rows: Iterable[Any]) -> dict[str, tuple[int, int]]:
    """Return of each person how many items with a known answer were answered rightly, and wrongly."""
    counted: dict[str, tuple[int, int]] = {}
    for row in rows:
        if row.known_label is not None:
            right = GRADES.get(row.judgement.label) == GRADES.get(row.known_label)
            before = counted.get(row.judgement.annotator, (0, 0))
            counted[row.judgement.annotator] = (before[0] + right, before[1] + (not right))
    return counted


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
