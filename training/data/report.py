"""What training data there is, in figures: clips and their hours, pairs and their languages."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cacara.media import audio
from cacara.search.manifest import Clip
from training.data.translations import Translation

LIMITS = audio.AudioLimits(max_seconds=600.0, max_decode_seconds=600.0)
"""As a gallery's, but patient, and long sounds are measured to their tenth minute."""


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
