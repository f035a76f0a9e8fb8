"""Actions of the Recordings tab: plain values in and out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara.errors import QueryError
from cacara.recordings.export import FORMATS, Search
from cacara.search.request import SearchRequest
from ui.recordings.routes import export_url, sound_url
from ui.search.actions import DETECT
from ui.services.recordings import SEARCHES, OpenRecording
from ui.services.services import Services

if TYPE_CHECKING:
    import numpy as np

    from cacara.model.model import Cacara
    from cacara.recordings.long_recordings import Timeline

TOP_K = 10
BINS = 600
"""So many points of a curve are drawn at most; of several steps in one point the best is shown."""


def listen(services: Services, recording: str, model: str = "") -> dict[str, Any]:
    """Begin to listen to an opened recording, as soon as the model is ready; return how far it is.

    Args:
        services: The app's services.
        recording: Its id.
        model: The id of the model that shall listen; empty for the one that answers by default.
    """
    chosen = _text(model) or services.engine.default

    def ready() -> Cacara | None:
        status = services.engine.status_of(chosen)
        if status.phase == "failed":
            raise QueryError(status.problem)
        return services.retriever(chosen).model if status.phase == "ready" else None

    services.recordings.listen(_text(recording), ready, chosen)
    return progress(services, recording)


def progress(services: Services, recording: str) -> dict[str, Any]:
    """Return how far the listening to a recording is, with notes in the language of the interface."""
    words = services.words
    opened = services.recordings.get(_text(recording))
    phase = "cancelled" if opened.busy and opened.stopped.is_set() else opened.phase
    seconds = opened.timeline.seconds if opened.timeline else None
    return {
        "recording": recording,
        "name": opened.name,
        "phase": phase,
        "share": round(opened.share, 4),
        "problem": opened.problem,
        "seconds": seconds,
        "notes": [words.note(note) for note in opened.timeline.notes] if opened.timeline else [],
    }


def cancel(services: Services, recording: str) -> dict[str, Any]:
    """Stop listening to a recording."""
    services.recordings.cancel(_text(recording))
    return progress(services, recording)


def forget(services: Services, recording: str) -> dict[str, Any]:
    """Delete an opened recording with all that is known of it."""
    services.recordings.forget(_text(recording))
    return {"recording": recording, "phase": "forgotten"}


def find_text(
    services: Services,
    recording: str,
    query: str,
    language: str = DETECT,
    top_k: int = TOP_K,
) -> dict[str, Any]:
    """Find the passages of an opened recording that are nearest to a text.

    Returns:
        ``recording``, ``name``, ``seconds``, ``query``, ``language``, ``language_source``, ``hits`` (each with
        ``rank``, ``start_seconds``, ``end_seconds``, ``score``, ``prominence`` and ``clear``), ``usual`` (the median
        similarity), ``curve`` (similarity over time in up to 600 points, null where it is silent), ``model`` and
        ``model_version``, ``sound`` and ``exports`` (addresses relative to the page), and ``notes``.
    """
    opened, timeline, model = _ready(services, recording)
    answer = _found_text(opened, timeline, model, _request(query, language), top_k)
    return answer | _addresses(recording) | {"recording": recording}


def find_sound(services: Services, recording: str, sound: str | None, top_k: int = TOP_K) -> dict[str, Any]:
    """Find the passages of an opened recording that are nearest to a sound; as ``find_text``."""
    from cacara.media import audio
    from cacara.search.embedding import embed

    words = services.words
    if not sound:
        raise QueryError(words("no_sound"))
    opened, timeline, model = _ready(services, recording)
    decoded = audio.load(Path(sound))
    embedded = embed(model, SearchRequest(sound=decoded.waveform))
    answer = _found(opened, timeline, model, embedded.vector, words("recordings_your_sound"), None, top_k)
    answer["notes"] = [*decoded.notes, *answer["notes"]]
    return answer | _addresses(recording) | {"recording": recording, "language_source": "audio"}


def find_in_file(
    services: Services,
    file: str | None,
    query: str,
    language: str = DETECT,
    top_k: int = TOP_K,
    model: str = "",
) -> dict[str, Any]:
    """Find the passages of an uploaded file that are nearest to a text, at once; nothing of it is kept.

    Returns:
        As ``find_text``, without addresses.
    """
    from cacara.media import streaming
    from cacara.recordings import long_recordings

    words = services.words
    if not file:
        raise QueryError(words("no_sound"))
    request = _request(query, language)
    hearing = services.retriever(model).model
    timeline = long_recordings.embed(hearing, streaming.blocks(Path(file)))
    return _found_text(OpenRecording(Path(file).name, Path(file), Path(file)), timeline, hearing, request, top_k)


def _ready(services: Services, recording: str) -> tuple[OpenRecording, Timeline, Cacara]:
    words = services.words
    if not recording:
        raise QueryError(words("recordings_open_first"))
    opened = services.recordings.get(_text(recording))
    if opened.phase != "ready" or opened.timeline is None or opened.model is None:
        raise QueryError(words("recordings_still_listening"))
    return opened, opened.timeline, opened.model


def _request(query: object, language: object) -> SearchRequest:
    return SearchRequest(text=_text(query), language=None if language in ("", DETECT, None) else _text(language))


def _found_text(
    opened: OpenRecording, timeline: Timeline, model: Cacara, request: SearchRequest, top_k: int
) -> dict[str, Any]:
    from cacara.search.embedding import embed

    embedded = embed(model, request)
    found = _found(opened, timeline, model, embedded.vector, embedded.text, embedded.language, top_k)
    return found | {"language_source": embedded.language_source}


def _found(
    opened: OpenRecording,
    timeline: Timeline,
    model: Cacara,
    embedding: np.ndarray,
    query: str,
    language: str | None,
    top_k: int,
) -> dict[str, Any]:
    from cacara.recordings import long_recordings

    if isinstance(top_k, bool) or not isinstance(top_k, int | float) or not float(top_k).is_integer():
        raise QueryError(f"top_k: found {top_k!r:.40}, wanted a whole number")
    curve = long_recordings.similarity(timeline, embedding)
    passages = long_recordings.passages(timeline, curve, int(top_k))
    opened.searches.pop((query, language), None)
    opened.searches[query, language] = Search(query, language, passages)
    while len(opened.searches) > SEARCHES:
        opened.searches.popitem(last=False)
    known = curve[~_nan(curve)]
    return {
        "name": opened.name,
        "seconds": round(timeline.seconds, 3),
        "query": query,
        "language": language,
        "model": model.config.name,
        "model_version": model.config.version,
        "hits": [
            {
                "rank": passage.rank,
                "start_seconds": round(passage.start_seconds, 3),
                "end_seconds": round(passage.end_seconds, 3),
                "score": round(passage.score, 6),
                "prominence": round(passage.prominence, 3),
                "clear": passage.clear,
            }
            for passage in passages
        ],
        "usual": round(float(_median(known)), 6) if known.size else None,
        "curve": _points(curve),
        "notes": list(timeline.notes),
    }


def _addresses(recording: str) -> dict[str, Any]:
    return {"sound": sound_url(recording), "exports": {suffix: export_url(recording, suffix) for suffix in FORMATS}}


def _points(curve: np.ndarray) -> list[float | None]:
    """Return a curve in at most ``BINS`` points, each the best of its steps."""
    width = math.ceil(curve.size / BINS)
    points: list[float | None] = []
    for start in range(0, curve.size, width):
        step = curve[start : start + width]
        known = step[~_nan(step)]
        points.append(round(float(known.max()), 4) if known.size else None)
    return points


def _nan(values: np.ndarray) -> np.ndarray:
    return values != values


def _median(values: np.ndarray) -> float:
    import numpy

    return float(numpy.median(values))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise QueryError(f"found {value!r:.40}, wanted text")
    return value
