"""Data of the Review tab's charts, as plain JSON: progress by language, time an answer, answers a day."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from feedback_db import Judgement, Progress

MOST_PEOPLE = 30
MOST_VALUES = 2000


def make_figures(progress: Progress | None, judgements: Sequence[Judgement]) -> dict[str, Any]:
    """Return the data of the pictures.

    Args:
        progress: Progress of a campaign, or None over all campaigns.
        judgements: Those that count now.

    Returns:
        ``languages`` with ``names``, ``done`` and ``left`` (answers), ``seconds`` with ``name`` and ``values`` of each
        person (those with the most answers; the latest values), and ``days`` with ``names`` (UTC) and ``counts``.
    """
    languages = progress.languages if progress is not None else {}
    seconds: dict[str, list[float]] = defaultdict(list)
    for judgement in judgements:
        if judgement.seconds_taken is not None:
            seconds[judgement.annotator].append(judgement.seconds_taken)
    busiest = sorted(seconds, key=lambda name: (-len(seconds[name]), name))[:MOST_PEOPLE]
    days = Counter(judgement.created_utc[:10] for judgement in judgements)
    return {
        "languages": {
            "names": [code or "und" for code in languages],
            "done": [each.answers for each in languages.values()],
            "left": [each.wanted - each.answers for each in languages.values()],
        },
        "seconds": [{"name": name, "values": seconds[name][-MOST_VALUES:]} for name in busiest],
        "days": {"names": sorted(days), "counts": [days[day] for day in sorted(days)]},
    }
