"""Figures of the training data: clips and hours, pairs and languages, words and agreement."""

from __future__ import annotations

import heapq
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cacara.galleries.manifest import Clip
from cacara.media import audio
from training.data.lexicon.lexicon import LexiconRow
from training.data.translations import Translation

LIMITS = audio.AudioLimits(max_seconds=600.0, max_decode_seconds=600.0)
"""As a gallery's, but patient, and long sounds are measured to their tenth minute."""

ENOUGH_WORDS = 100
"""A language with so many pairs of the lexicon can be searched in."""
SHOWN_WORDS = 4
"""Of each language, for people to look at: so many on which sources agree, and so many others."""


def durations(clips: Sequence[Clip]) -> list[float]:
    """Return the seconds of every clip, in their order.

    Raises:
        AudioError: A clip cannot be decoded.
    """
    return [audio.load(clip.path, LIMITS).seconds for clip in clips]


def describe_clips(clips: Sequence[Clip], seconds: Sequence[float]) -> dict[str, Any]:
    """Return counts and hours of clips by source, kind and licence, and counts of concepts and captions.

    Args:
        clips: The clips.
        seconds: How long each is, as ``durations`` returns it.
    """
    phrasings = [len(clip.captions["en"]) for clip in clips]
    return {
        "count": len(clips),
        "hours": round(sum(seconds) / 3600, 4),
        "concepts": len({clip.concept for clip in clips}),
        "captions": len({caption for clip in clips for caption in clip.captions["en"]}),
        "phrasings": {str(number): count for number, count in sorted(Counter(phrasings).items())},
        **{field: _counted(getattr(clip, field) for clip in clips) for field in ("source", "kind", "licence")},
        **{
            f"hours_by_{field}": _hours(zip((getattr(clip, field) for clip in clips), seconds, strict=True))
            for field in ("source", "kind", "licence")
        },
        "source_by_kind": _nested((clip.kind, clip.source) for clip in clips),
        "licence_by_kind": _nested((clip.kind, clip.licence) for clip in clips),
    }


def describe_pairs(pairs: Sequence[Translation]) -> dict[str, Any]:
    """Return counts of pairs by source and language, and of distinct English texts and languages.

    Dictionaries of one collection (``freedict-eng-deu``, ``freedict-deu-eng``) count as one source.
    """
    return {
        "count": len(pairs),
        "english": len({pair.english for pair in pairs}),
        "languages": len({pair.language for pair in pairs}),
        "source": _counted(_collection(pair) for pair in pairs),
        "language": _counted(pair.language for pair in pairs),
        "language_by_source": _nested((_collection(pair), pair.language) for pair in pairs),
    }


class LexiconFigures:
    """Counts of a lexicon's rows, added one by one, as there are millions."""

    def __init__(self) -> None:
        self._agreement: Counter[int] = Counter()
        self._sources: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()
        self._agreeing: Counter[str] = Counter()
        self._parts: Counter[str] = Counter()
        self._english: set[str] = set()
        self._words = 0
        self._last: tuple[str, str] | None = None
        self._shown: defaultdict[tuple[str, bool], list[tuple[int, str, str, tuple[str, ...]]]] = defaultdict(list)

    def add(self, row: LexiconRow) -> None:
        """Count a row; the rows of a word follow each other."""
        agree = len(row.sources) > 1
        self._agreement[len(row.sources)] += 1
        self._sources.update(row.sources)
        self._languages[row.language] += 1
        self._agreeing[row.language] += agree
        self._parts[row.part_of_speech or "unknown"] += 1
        self._english.add(row.english)
        self._words += (row.language, row.text) != self._last
        self._last = (row.language, row.text)
        # A draw that is the same in every run: those with the highest checksums.
        drawn = (zlib.crc32(f"{row.english}\t{row.text}".encode()), row.text, row.english, row.sources)
        shown = self._shown[row.language, agree]
        if len(shown) < SHOWN_WORDS:
            heapq.heappush(shown, drawn)
        else:
            heapq.heappushpop(shown, drawn)

    def describe(self) -> dict[str, Any]:
        """Return the counts by agreement, source, part of speech and language, and words of each to look at."""
        return {
            "count": self._agreement.total(),
            "words": self._words,
            "english": len(self._english),
            "languages": len(self._languages),
            "languages_with_enough": sum(count >= ENOUGH_WORDS for count in self._languages.values()),
            "agreement": {str(number): count for number, count in sorted(self._agreement.items())},
            "source": dict(sorted(self._sources.items())),
            "part_of_speech": dict(sorted(self._parts.items())),
            "language": {
                language: {
                    "count": count,
                    "agreeing": self._agreeing[language],
                    "sample": [
                        {"text": text, "english": english, "sources": list(sources)}
                        for agree in (True, False)
                        for _, text, english, sources in sorted(self._shown[language, agree], reverse=True)
                    ],
                }
                for language, count in sorted(self._languages.items())
            },
        }


def _collection(pair: Translation) -> str:
    return pair.source.partition("-")[0]


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _nested(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for outer, inner in pairs:
        counts[outer][inner] += 1
    return {outer: dict(sorted(inner.items())) for outer, inner in sorted(counts.items())}


def _hours(durations_of: Iterable[tuple[str, float]]) -> Mapping[str, float]:
    total: defaultdict[str, float] = defaultdict(float)
    for name, seconds in durations_of:
        total[name] += seconds
    return {name: round(value / 3600, 4) for name, value in sorted(total.items())}
