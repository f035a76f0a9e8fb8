"""Agreement of annotators: Krippendorff's alpha over graded labels, by language and by person."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence

import krippendorff
import numpy as np

from feedback_db import GRADES, LabelRow

LEVELS = tuple(sorted(set(GRADES.values())))
"""The grades from worst to best; ``unsure`` is none of them and counts as no answer."""


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Agreement within one group of judgements.

    Attributes:
        name: The language's code or the person; empty for all.
        pairs: Pairs of a query and a clip with grades of at least two people.
        people: People with a grade of such a pair.
        alpha: 1 for perfect agreement, 0 for what chance gives, below 0 for worse; None where it is not defined,
            as without such pairs or when everybody gave the same grade everywhere.
    """

    name: str
    pairs: int
    people: int
    alpha: float | None


def by_language(rows: Sequence[LabelRow]) -> list[Agreement]:
    """Return the agreement over all judgements, then in each language by code; an unknown language is ``und``."""
    groups: dict[str, list[LabelRow]] = defaultdict(list)
    for row in rows:
        groups[row.language or "und"].append(row)
    return [agreement("", rows), *(agreement(code, groups[code]) for code in sorted(groups))]


def by_person(rows: Sequence[LabelRow]) -> list[Agreement]:
    """Return of each person, by name, how far everybody agrees on the pairs that this person judged."""
    judged: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.label in GRADES:
            judged[row.annotator].add(row.pair_id)
    return [agreement(name, [row for row in rows if row.pair_id in judged[name]]) for name in sorted(judged)]


def agreement(name: str, rows: Iterable[LabelRow]) -> Agreement:
    """Return the agreement of one group; the distance between grades is ordinal."""
    grades: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row.label in GRADES:
            grades[row.pair_id][row.annotator] = GRADES[row.label]
    pairs = {pair: given for pair, given in grades.items() if len(given) > 1}
    people = sorted({annotator for given in pairs.values() for annotator in given})
    if len({grade for given in pairs.values() for grade in given.values()}) < 2:
        return Agreement(name, len(pairs), len(people), None)
    table = np.full((len(people), len(pairs)), np.nan)  # [people, pairs]
    for column, given in enumerate(pairs.values()):
        for annotator, grade in given.items():
            table[people.index(annotator), column] = grade
    alpha = krippendorff.alpha(table, value_domain=list(LEVELS), level_of_measurement="ordinal")
    return Agreement(name, len(pairs), len(people), float(alpha))
