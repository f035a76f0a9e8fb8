"""Actions of the Map tab, as plain JSON values; the same for the page and for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara.errors import QueryError
from cacara.search.request import SearchRequest
from ui.page.wording import Wording
from ui.search import judgements
from ui.search.actions import DETECT
from ui.services.searches import ShownSearch
from ui.services.services import Services

if TYPE_CHECKING:
    import numpy as np

    from cacara.embedding_map.plane import EmbeddingMap, MapInputs, Neighbour
    from cacara.search.embedding import QueryEmbedding
    from cacara.search.retriever import Retriever

TOP_K = 6
MOST_FLAGGED = 200
ANYBODY = "anybody"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def find_inputs(services: Services, languages: object, centred: bool, model: str) -> tuple[Retriever, MapInputs]:
    """Return the model that is asked for, and what its map would be made of.

    Args:
        services: The app's services.
        languages: Codes of the texts' languages, or None or nothing for the default.
        centred: Whether texts are moved to their language's centre.
        model: The id of an offered model; empty for the one that answers by default.
    """
    retriever = services.retriever(model)
    from cacara.embedding_map import points as embedding_map_points

    if languages is not None and not (isinstance(languages, list) and all(isinstance(code, str) for code in languages)):
        raise QueryError(f"languages: found {languages!r:.80}, wanted a list of language codes, e.g. ['en', 'sw']")
    return retriever, embedding_map_points.choose(retriever, languages or None, bool(centred))


def map_neighbours(
    services: Services,
    query: str,
    language: str = DETECT,
    top_k: int = TOP_K,
    languages: list[str] | None = None,
    centred: bool = True,
    model: str = "",
) -> dict[str, Any]:
    """Find where words in any language fall on the map, and the texts, sounds and pictures nearest to them.

    If the map is not there yet, it is begun and an error tells so.

    Args:
        services: The app's services.
        query: 1 to 2,000 characters.
        language: BCP-47 code of the query, such as ``sw``; ``auto`` detects it.
        top_k: Number of neighbours of each kind, 1 to 50.
        languages: Codes of the languages whose texts are on the map; null for the usual ones.
        centred: Whether texts are moved to their language's centre, as for searching.
        model: The id of an offered model; empty for the one that answers by default.

    Returns:
        ``query``, ``language``, ``x``, ``y`` (-1 to 1), ``model`` and ``neighbours``: for each kind (``text``,
        ``audio``, ``image``) a list of ``rank``, ``score``, ``text``, ``language``, ``concept``, ``source``,
        ``clip_id`` and ``position`` (its row of the map).
    """
    words = services.words
    retriever, inputs = find_inputs(services, languages, centred, model)
    drawn = services.maps.find(inputs)
    if drawn is None:
        job = services.maps.make(retriever, inputs, ANYBODY, words)
        raise QueryError(words("map_not_ready", progress=progress_text(job.step, job.fraction, words)))
    return place_text(retriever, drawn, query, language, top_k)


def place_text(retriever: Retriever, drawn: EmbeddingMap, query: str, language: str, top_k: int) -> dict[str, Any]:
    """Return where a text falls on a map and what is near it; ``map_neighbours`` tells the fields."""
    embedded = embed_query(retriever, drawn, query, language)
    return {"query": embedded.text, "language": embedded.language, **_placed(drawn, embedded.vector, top_k)}


def place_sound(retriever: Retriever, drawn: EmbeddingMap, recording: Path, top_k: int = TOP_K) -> dict[str, Any]:
    """Return where a recording falls on a map and what is near it; ``map_neighbours`` tells the fields."""
    from cacara.media import audio

    query = retriever.embed(SearchRequest(sound=audio.load(recording).waveform))
    return {"query": None, "language": None, **_placed(drawn, query.vector, top_k)}


def near_point(drawn: EmbeddingMap, position: object, top_k: int = TOP_K) -> dict[str, Any]:
    """Return a point of a map and what is near it, in the form of ``map_neighbours``."""
    (row,) = checked_rows(drawn, [position])
    found = drawn.neighbours(drawn.embeddings[row], top_k, besides=row)
    return {"point": described(drawn, row), "neighbours": _neighbours(drawn, found)}


def embed_query(retriever: Retriever, drawn: EmbeddingMap, query: str, language: str) -> QueryEmbedding:
    """Return a text's embedding as the map has texts."""
    chosen = None if language in ("", DETECT, None) else str(language)
    return retriever.embed(SearchRequest(text=query, language=chosen, centred=drawn.inputs.centred))


def flag_points(
    services: Services,
    retriever: Retriever,
    drawn: EmbeddingMap,
    positions: object,
    query: str,
    language: str,
    label: str,
    annotator: str,
) -> dict[str, Any]:
    """Store for several sounds and pictures at once whether they match a text; texts among them are left out.

    Rank and score are computed here, each among all points of its kind.

    Returns:
        ``judgement_ids``, which undoing takes, ``label``, and ``left_out``: how many texts were not judged.

    Raises:
        QueryError: There is nothing to judge, or more than ``MOST_FLAGGED``.
        FeedbackError: A judgement cannot be stored; those before it are.
    """
    rows = checked_rows(drawn, positions)
    clips = [row for row in rows if drawn.inputs.points[row].kind != "text"]
    if not 1 <= len(clips) <= MOST_FLAGGED:
        raise QueryError(f"{len(clips)} sounds and pictures are selected; wanted 1 to {MOST_FLAGGED} to judge together")
    embedded = embed_query(retriever, drawn, query, language)
    ranked = drawn.judged_against(embedded.vector, clips)
    shown = ShownSearch(
        query_text=embedded.text,
        recording=None,
        recording_sha256=None,
        language=embedded.language,
        model=retriever.model.name,
        model_version=retriever.model.version,
        gallery=retriever.gallery.name,
        hits={drawn.inputs.points[each.position].clip_id: (each.rank, each.score) for each in ranked},
    )
    search_id = services.searches.remember(shown)
    stored = [judgements.flag(services, search_id, clip_id, label, annotator)["judgement_id"] for clip_id in shown.hits]
    return {"judgement_ids": stored, "label": label, "left_out": len(rows) - len(clips)}


def undo_points(services: Services, judgement_ids: object, annotator: str) -> dict[str, Any]:
    """Take back several judgements, the latest first."""
    if not isinstance(judgement_ids, list) or len(judgement_ids) > MOST_FLAGGED:
        raise QueryError(f"judgement_ids: found {judgement_ids!r:.80}, wanted a list of at most {MOST_FLAGGED} ids")
    for judgement_id in reversed(judgement_ids):
        judgements.undo(services, judgement_id, annotator)
    return {"undone": len(judgement_ids)}


def export_csv(drawn: EmbeddingMap, positions: object) -> str:
    """Return chosen points as CSV; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    file = io.StringIO(newline="")
    rows = csv.writer(file)
    rows.writerow(["kind", "text", "language", "concept", "source", "clip_id", "x", "y"])
    for row in checked_rows(drawn, positions):
        point = drawn.inputs.points[row]
        x, y = drawn.positions[row]
        texts = (point.kind, point.text, point.language, point.concept, point.source, point.clip_id)
        rows.writerow([*map(_harmless, texts), f"{x:.5f}", f"{y:.5f}"])
    return file.getvalue()


def checked_rows(drawn: EmbeddingMap, positions: object) -> list[int]:
    """Return rows of a map, each once, in their order.

    Raises:
        QueryError: They are no rows of this map.
    """
    total = len(drawn.inputs.points)
    if not isinstance(positions, list) or len(positions) > total:
        raise QueryError(f"positions: found {positions!r:.80}, wanted a list of rows of the map")
    for row in positions:
        if isinstance(row, bool) or not isinstance(row, int) or not 0 <= row < total:
            raise QueryError(f"positions: found {row!r:.80}, wanted whole numbers from 0 to {total - 1}")
    return sorted(set(positions))


def progress_text(step: str, fraction: float | None, words: Wording) -> str:
    """Return what is being done and how much of it is done, in a few words of the interface."""
    key = f"map_step_{step.lower().replace(' ', '_')}"
    name = words(key) if key in words.table else step
    return name if fraction is None else f"{name} {fraction:.0%}"


def columns(drawn: EmbeddingMap, retriever: Retriever) -> dict[str, Any]:
    """Return a map as the page draws it: a list a field, with names as places in lists of their own."""
    points = drawn.inputs.points
    clips = _coded(point.clip_id for point in points)
    return {
        "key": drawn.inputs.key,
        "x": [round(float(x), 4) for x in drawn.positions[:, 0]],
        "y": [round(float(y), 4) for y in drawn.positions[:, 1]],
        "text": [point.text for point in points],
        "clip": clips["codes"],
        "clips": clips["names"],
        "pictured": [retriever.clip(clip_id).image_path is not None for clip_id in clips["names"]],
        **{
            name: _coded(getattr(point, name) or "" for point in points)
            for name in ("kind", "language", "concept", "source")
        },
    }


def _coded(values: Iterable[str]) -> dict[str, list[Any]]:
    names: dict[str, int] = {}
    codes = [names.setdefault(value, len(names)) for value in values]
    return {"names": list(names), "codes": codes}


def _placed(drawn: EmbeddingMap, embedding: np.ndarray, top_k: int) -> dict[str, Any]:
    x, y = drawn.place(embedding)
    found = drawn.neighbours(embedding, top_k)
    return {"x": x, "y": y, "model": drawn.inputs.model, "neighbours": _neighbours(drawn, found)}


def _neighbours(drawn: EmbeddingMap, found: Mapping[str, list[Neighbour]]) -> dict[str, list[dict[str, Any]]]:
    return {
        kind: [{"rank": near.rank, "score": near.score, **described(drawn, near.position)} for near in nearest]
        for kind, nearest in found.items()
    }


def described(drawn: EmbeddingMap, row: int) -> dict[str, Any]:
    """Return what a point is, by field."""
    point = drawn.inputs.points[row]
    return {
        "position": row,
        "kind": point.kind,
        "text": point.text,
        "language": point.language,
        "concept": point.concept,
        "source": point.source,
        "clip_id": point.clip_id,
    }


def _harmless(value: str | None) -> str:
    value = value or ""
    return f"'{value}" if value.lstrip().startswith(_FORMULA) or value.startswith(_FORMULA) else value
