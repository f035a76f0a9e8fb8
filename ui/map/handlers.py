"""Handlers of the map's script: each returns plain JSON with HTML of ``rendering``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara.errors import QueryError
from ui.map import actions, rendering
from ui.page.templates import language_name
from ui.search.actions import DETECT
from ui.services.services import Services

if TYPE_CHECKING:
    from cacara.embedding_map.plane import EmbeddingMap


def map_open(
    services: Services,
    languages: list[str] | None = None,
    centred: bool = True,
    model: str = "",
    visitor: str = "",
) -> dict[str, Any]:
    """Return the map of these languages, or begin to make it; ``state`` says which."""
    words = services.words
    status = services.engine.status
    if status.phase in ("waiting", "preparing") and not model:
        return {
            "state": "preparing",
            "html": rendering.waiting(words("not_ready", progress=status.progress(words)), words),
        }
    retriever, inputs = actions.find_inputs(services, languages, centred, model)
    drawn = services.maps.find(inputs)
    if drawn is None:
        services.maps.make(retriever, inputs, _visitor(visitor), words)
        return map_progress(services, inputs.key)
    from cacara.embedding_map.points import text_counts

    counts = text_counts(retriever)
    return {
        "state": "ready",
        "map": actions.columns(drawn, retriever),
        "languages": {code: language_name(code) for code in inputs.languages},
        "boxes": rendering.language_boxes(counts, inputs.languages, words),
        "options": rendering.language_options(inputs.languages, words),
        "measures": rendering.measures(drawn.measures, drawn.method, _counts(drawn, None), words),
    }


def map_progress(services: Services, key: str) -> dict[str, Any]:
    """Return how far a map is: ``fitting``, ``stopped``, ``failed``, or ``made``, when it can be opened."""
    words = services.words
    job = services.maps.job(str(key))
    if job is None:
        return {"state": "made", "key": key}
    if job.phase == "fitting":
        progress = actions.progress_text(job.step, job.fraction, words)
        return {"state": "fitting", "key": key, "html": rendering.progress(progress, job.fraction, words)}
    message = words("map_stopped") if job.phase == "stopped" else words("map_failed", problem=job.problem)
    return {"state": job.phase, "key": key, "html": rendering.ended(message, words)}


def map_stop(services: Services, key: str, visitor: str = "") -> dict[str, Any]:
    """Wait no longer for a map; its making ends when nobody else waits for it."""
    words = services.words
    services.maps.stop(str(key), _visitor(visitor))
    return {"state": "stopped", "key": key, "html": rendering.ended(words("map_stopped"), words)}


def map_point(services: Services, key: str, position: int, model: str = "") -> dict[str, Any]:
    """Return a picked point and its neighbours in every kind, as ``html``."""
    words = services.words
    found = actions.near_point(services.maps.recall(key, words), position)
    clip = services.retriever(model).clip(found["point"]["clip_id"])
    return {"html": rendering.point(found, clip, words)}


def map_place(
    services: Services,
    key: str,
    query: str = "",
    language: str = DETECT,
    model: str = "",
) -> dict[str, Any]:
    """Return where words fall on a map and what is near them, as ``html``."""
    words = services.words
    if not isinstance(query, str) or not query.strip():
        raise QueryError(words("empty_query"))
    drawn = services.maps.recall(key, words)
    retriever = services.retriever(model)
    return {"html": rendering.placed(actions.place_text(retriever, drawn, query, language, actions.TOP_K), words)}


def place_recording(services: Services, recording: str | None, key: str, model: str) -> str:
    """Return where a recording falls on a map and what is near it, as HTML."""
    words = services.words
    if not recording:
        raise QueryError(words("no_sound"))
    drawn = services.maps.recall(key, words)
    retriever = services.retriever(model)
    return rendering.placed(actions.place_sound(retriever, drawn, Path(recording)), words)


def map_select(services: Services, key: str, positions: list[int], query: str = "") -> dict[str, Any]:
    """Return the table of selected points, as ``html``."""
    words = services.words
    drawn = services.maps.recall(key, words)
    rows = actions.checked_rows(drawn, positions)
    shown = [actions.described(drawn, row) for row in rows[: rendering.ROWS_SHOWN]]
    return {"html": rendering.selection(shown, _counts(drawn, rows), str(query)[:2000], words)}


def map_export(services: Services, key: str, positions: list[int]) -> dict[str, Any]:
    """Return selected points as ``csv``, with the ``name`` of a file for it."""
    drawn = services.maps.recall(key, services.words)
    return {"csv": actions.export_csv(drawn, positions), "name": f"map-{drawn.inputs.model}-{drawn.inputs.key[:8]}.csv"}


def map_flag(
    services: Services,
    key: str,
    positions: list[int],
    query: str,
    label: str,
    annotator: str,
    language: str = DETECT,
    model: str = "",
) -> dict[str, Any]:
    """Store for all selected sounds and pictures whether they match a text, and say in ``message`` what was stored."""
    words = services.words
    if not isinstance(query, str) or not query.strip():
        raise QueryError(words("empty_query"))
    drawn = services.maps.recall(key, words)
    retriever = services.retriever(model)
    done = actions.flag_points(services, retriever, drawn, positions, query, language, label, annotator)
    message = words("map_flagged", count=len(done["judgement_ids"]), label=words(label))
    left_out = f" {words('map_left_out', count=done['left_out'])}" if done["left_out"] else ""
    return done | {"message": message + left_out}


def map_undo(services: Services, judgement_ids: list[str], annotator: str) -> dict[str, Any]:
    """Take back what ``map_flag`` stored."""
    return actions.undo_points(services, judgement_ids, annotator)


def _visitor(visitor: object) -> str:
    return str(visitor)[:100] or actions.ANYBODY


def _counts(drawn: EmbeddingMap, rows: list[int] | None) -> Counter[str]:
    points = drawn.inputs.points
    return Counter(points[row].kind for row in (range(len(points)) if rows is None else rows))
