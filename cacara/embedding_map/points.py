"""Points of a map: the gallery's sounds and pictures, and its texts in chosen languages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cacara import languages as language_codes
from cacara.embedding_map.plane import MapInputs, MapPoint
from cacara.errors import CacaraError, QueryError
from cacara.sources.clients import Progress, Report, silent

if TYPE_CHECKING:
    from cacara.galleries.manifest import Clip
    from cacara.search.retriever import Retriever

DEFAULT_LANGUAGES = ("en", "pt-BR", "es", "fr", "de", "ar", "zh-Hans", "sw")
"""Default languages of a map: many families and scripts. Those without a text are left out."""

MAX_POINTS = 12_000
TEXTS_AT_ONCE = 64
SUBJECT = "map"
"""Name of the step in progress reports."""


class MapStopped(CacaraError):
    """Somebody has stopped the making of a map."""


def never() -> bool:
    """Return False: nobody stops it."""
    return False


def text_counts(retriever: Retriever) -> dict[str, int]:
    """Return how many texts there are in each language, the language with most first."""
    counts = Counter(language for clip in _clips(retriever) for language, texts in clip.captions.items() if texts)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def default_languages(retriever: Retriever) -> tuple[str, ...]:
    """Return those of ``DEFAULT_LANGUAGES`` that have a text, or the one with most texts."""
    known = text_counts(retriever)
    chosen = tuple(code for code in DEFAULT_LANGUAGES if code in known)
    return tuple(sorted(chosen or list(known)[:1]))


def choose(retriever: Retriever, chosen: Sequence[str] | None = None, centred: bool = True) -> MapInputs:
    """Return what a map of this model and gallery is made of.

    Args:
        retriever: Model and gallery.
        chosen: BCP-47 codes of the texts' languages; None takes the default.
        centred: Whether texts are moved to their language's centre.

    Raises:
        QueryError: A language has no texts here, or there would be more than ``MAX_POINTS`` points.
        LanguageError: Something is no language code.
    """
    known = text_counts(retriever)
    wanted = default_languages(retriever) if chosen is None else _checked(chosen, known)
    clips = _clips(retriever)
    points = [point for language in wanted for point in _texts(clips, language)]
    points += [_of_clip(clip) for clip in clips]
    if len(points) > MAX_POINTS:
        raise QueryError(
            f"{len(wanted)} languages make a map of {len(points):,} points; wanted at most {MAX_POINTS:,}, "
            "so choose fewer languages"
        )
    model = retriever.model
    files = {clip.clip_id: clip.sha256 for clip in clips}
    return MapInputs(
        model.name, model.text_fingerprint, wanted, centred, tuple(points), files, model.config.space_width
    )


def embed(
    retriever: Retriever, inputs: MapInputs, report: Report = silent, stopped: Callable[[], bool] = never
) -> np.ndarray:
    """Return the embeddings of all points, float32 [points, dimension], L2-normalised.

    Raises:
        MapStopped: ``stopped`` said so.
    """
    texts = [point for point in inputs.points if point.kind == "text"]
    others = [point.clip_id for point in inputs.points if point.kind != "text"]
    parts = []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        if stopped():
            raise MapStopped("the making of the map was stopped")
        report(Progress(SUBJECT, "embed texts", start / len(texts)))
        batch = texts[start : start + TEXTS_AT_ONCE]
        spoken = [point.language for point in batch]
        centre = None if inputs.centred else False
        parts.append(retriever.model.encode_text([point.text for point in batch], spoken, centre=centre))
    return np.concatenate([*parts, retriever.embeddings(others)]).astype(np.float32, copy=False)


def _clips(retriever: Retriever) -> tuple[Clip, ...]:
    gallery = retriever.gallery
    return (*gallery.clips, *(gallery.pictures if retriever.sees else ()))


def _checked(chosen: Sequence[str], known: dict[str, int]) -> tuple[str, ...]:
    codes = sorted({language_codes.normalise(code) for code in chosen})
    if unknown := [code for code in codes if code not in known]:
        raise QueryError(
            f"the gallery has no texts in {', '.join(unknown[:5])}; it has some in {', '.join(sorted(known))}"
        )
    return tuple(codes)


def _texts(clips: Sequence[Clip], language: str) -> Iterator[MapPoint]:
    """Yield the first text of each clip in a language; a wording that several share once."""
    seen = set()
    for clip in clips:
        for text in clip.captions.get(language, ())[:1]:
            if text not in seen:
                seen.add(text)
                yield MapPoint("text", text, language, clip.concept, clip.source, clip.clip_id)


def _of_clip(clip: Clip) -> MapPoint:
    kind = "image" if clip.kind == "image" else "audio"
    return MapPoint(kind, clip.caption("en"), None, clip.concept, clip.source, clip.clip_id)
