"""Searching by text, sound, picture, video or a clip, as plain JSON values; the same for the page and for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara.errors import QueryError
from feedback_db.store.recordings import hash_file
from ui.page.wording import FALLBACK, wording
from ui.search.answers import DETECT, TOP_K, Asked, answer, ask, chosen_language, described, shown, text
from ui.search.searches import ShownSearch
from ui.server.services import Services

if TYPE_CHECKING:
    import numpy as np

    from cacara.search.retriever import SearchResult


def search_text(
    services: Services,
    query: str,
    language: str = DETECT,
    top_k: int = TOP_K,
    interface: str = FALLBACK,
    model: str | None = None,
    kind: str = "",
    licence: str = "",
) -> dict[str, Any]:
    """Find sounds and pictures by words in any language.

    Args:
        services: What the handlers work with.
        query: 1 to 2,000 characters.
        language: BCP-47 code of the query, such as ``sw``; ``auto`` detects it.
        top_k: How many of each, 1 to 100.
        interface: Language of descriptions where the query's is unknown, and of errors.
        model: The id of a model, as ``/models`` lists them; None for the one that answers by default.
        kind: ``sound`` or ``picture`` to find these alone; empty for both.
        licence: Find only what has this licence, spelled as in the hits; empty for all.

    Returns:
        ``query``, ``language``, ``language_source`` (``chosen``, ``detected`` or ``unknown``), ``model``,
        ``model_version``, ``gallery``, ``notes``, ``search_id`` (for ``/flag``) and ``hits``: ``rank``,
        ``clip_id``, ``score``, ``caption``, ``caption_language``, ``concept``, ``kind``, ``source``,
        ``licence``, ``sound``, ``waveform`` and ``picture`` (addresses relative to the app's); ``pictures``, where the
        model knows pictures, with a ``search_id`` and ``hits`` of its own, else null. ``kind`` and ``licence`` are
        given back; without sounds ``hits`` is empty and ``search_id`` null.
    """
    words = wording(text("interface", interface))
    if not text("query", query).strip():
        raise QueryError(words("empty_query"))
    asked = ask(services, language, top_k, interface, model, kind, licence)
    from cacara.search.retriever import clean_query  # brings torch, which the thread that prepared has loaded by now

    query = clean_query(query)

    def search(target: str) -> SearchResult:
        return asked.retriever.search_text(query, chosen_language(language), asked.top_k, target)

    def remember(result: SearchResult) -> ShownSearch:
        return shown(asked.retriever, result, query_text=query, language=result.language)

    found = answer(services, asked, search, {"sounds": "audio", "pictures": "image"}, remember)
    sounds = found.pop("sounds") or {"search_id": None, "hits": []}
    return {"query": query, **found, **sounds}


def search_audio(
    services: Services,
    recording: str | None,
    language: str = DETECT,
    top_k: int = TOP_K,
    interface: str = FALLBACK,
    model: str | None = None,
    kind: str = "",
    licence: str = "",
) -> dict[str, Any]:
    """Find words and pictures for a sound, and sounds that resemble it. The sound is not kept by this.

    Args:
        services: What the handlers work with.
        recording: An uploaded sound file.
        language: BCP-47 code of the words; ``auto`` takes ``interface``.
        top_k: How many of each, 1 to 100.
        interface: Language of errors.
        model: The id of a model, as ``/models`` lists them; None for the one that answers by default.
        kind: ``sound`` or ``picture`` to find these alone beside the words; empty for both.
        licence: Find only what has this licence; empty for all.

    Returns:
        ``language``, ``language_source``, ``model``, ``model_version``, ``gallery``, ``notes``, ``seconds``
        (how much was listened to), and ``words``, ``sounds`` and, where the model knows pictures, ``pictures``, each
        with a ``search_id`` and ``hits`` as in ``/search_text``; a hit of ``words`` is a description, of the clip it
        names. ``speech`` is how much of it is speech, 0 to 1, or null, and ``is_speech`` whether that is enough for
        ``/write_down``, which takes the ``search_id`` of ``words``.
    """
    from cacara.media import audio
    from cacara.recordings import speech

    words = wording(text("interface", interface))
    if not recording:
        raise QueryError(words("no_sound"))
    asked = ask(services, language, top_k, interface, model, kind, licence)
    path = Path(recording)
    sha256 = hash_file(path)
    heard = audio.load(path)

    def search(target: str) -> SearchResult:
        return asked.retriever.search_audio(heard.waveform, asked.top_k, target, asked.spoken)

    def remember(result: SearchResult) -> ShownSearch:
        return shown(asked.retriever, result, recording=path, recording_sha256=sha256)

    targets = {"words": "text", "sounds": "audio", "pictures": "image"}
    found = answer(services, asked, search, targets, remember)
    probability = speech.speech_probability(asked.retriever.model, heard.waveform)
    return found | {
        "notes": [*heard.notes, *found["notes"]],
        "seconds": round(heard.seconds, 3),
        "speech": None if probability is None else round(probability, 3),
        "is_speech": speech.is_speech(probability),
    }


def search_image(
    services: Services,
    picture: str | None,
    language: str = DETECT,
    top_k: int = TOP_K,
    interface: str = FALLBACK,
    model: str | None = None,
    kind: str = "",
    licence: str = "",
) -> dict[str, Any]:
    """Find sounds that fit a picture, and pictures that resemble it. The picture is not kept by this.

    Args:
        services: What the handlers work with.
        picture: An uploaded picture: PNG, JPEG, WebP or GIF.
        language: BCP-47 code of the descriptions; ``auto`` takes ``interface``.
        top_k: How many of each, 1 to 100.
        interface: Language of errors.
        model: The id of a model, as ``/models`` lists them; None for the one that answers by default.
        kind: ``sound`` or ``picture`` to find these alone; empty for both.
        licence: Find only what has this licence; empty for all.

    Returns:
        ``language``, ``language_source``, ``model``, ``model_version``, ``gallery``, ``notes``, and ``sounds`` and
        ``pictures``, each with ``hits`` as in ``/search_text``; their ``search_id`` is null, as what is found by a
        picture is not judged.
    """
    from cacara.media import images

    words = wording(text("interface", interface))
    if not picture:
        raise QueryError(words("no_picture"))
    asked = ask(services, language, top_k, interface, model, kind, licence, must_see=True)
    return _search_pixels(services, asked, [images.load(Path(picture))])


def search_video(
    services: Services,
    video: str | None,
    language: str = DETECT,
    top_k: int = TOP_K,
    interface: str = FALLBACK,
    model: str | None = None,
    kind: str = "",
    licence: str = "",
) -> dict[str, Any]:
    """Find sounds and pictures that fit what a short video shows: the mean of 12 of its pictures. It is not kept.

    Args:
        services: What the handlers work with.
        video: An uploaded video of at most 60 seconds.
        language: BCP-47 code of the descriptions; ``auto`` takes ``interface``.
        top_k: How many of each, 1 to 100.
        interface: Language of errors.
        model: The id of a model, as ``/models`` lists them; None for the one that answers by default.
        kind: ``sound`` or ``picture`` to find these alone; empty for both.
        licence: Find only what has this licence; empty for all.

    Returns:
        As ``/search_image``, and ``frames``: how many of its pictures were looked at.
    """
    from cacara.media import video as videos

    words = wording(text("interface", interface))
    if not video:
        raise QueryError(words("no_video"))
    asked = ask(services, language, top_k, interface, model, kind, licence, must_see=True)
    frames = videos.frames(video)
    return {**_search_pixels(services, asked, frames), "frames": len(frames)}


def search_like(
    services: Services,
    clip_id: str,
    language: str = DETECT,
    top_k: int = TOP_K,
    interface: str = FALLBACK,
    model: str | None = None,
    kind: str = "",
    licence: str = "",
) -> dict[str, Any]:
    """Find the sounds and pictures that are nearest to one of the gallery.

    Args:
        services: What the handlers work with.
        clip_id: The ``clip_id`` of a hit.
        language: BCP-47 code of the descriptions; ``auto`` takes ``interface``.
        top_k: How many of each, 1 to 100.
        interface: Language of errors.
        model: The id of a model, as ``/models`` lists them; None for the one that answers by default.
        kind: ``sound`` or ``picture`` to find these alone; empty for both.
        licence: Find only what has this licence; empty for all.

    Returns:
        As ``/search_image``, and ``clip_id`` and ``caption`` of what was asked with.
    """
    asked = ask(services, language, top_k, text("interface", interface), model, kind, licence)
    clip = asked.retriever.clip(text("clip_id", clip_id))

    def search(target: str) -> SearchResult:
        return asked.retriever.search_like(clip.clip_id, asked.top_k, target, asked.spoken)

    found = answer(services, asked, search, {"sounds": "audio", "pictures": "image"})
    return found | {"clip_id": clip.clip_id, "caption": described(clip, asked.spoken)[0]}


def _search_pixels(services: Services, asked: Asked, pictures: list[np.ndarray]) -> dict[str, Any]:
    def search(target: str) -> SearchResult:
        return asked.retriever.search_image(pictures, asked.top_k, target, asked.spoken)

    return answer(services, asked, search, {"sounds": "audio", "pictures": "image"})
