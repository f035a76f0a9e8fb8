"""Searching by text, sound, picture, video or a clip, as plain JSON values; the same for the page and for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cacara.errors import QueryError
from cacara.search.request import clean_query
from feedback_db.store.recordings import hash_file
from ui.search.answers import (
    DETECT,
    TOP_K,
    Options,
    answer,
    ask,
    chosen_language,
    described,
    embed,
    looked_up,
    text,
    with_options,
)
from ui.services.services import Services

__all__ = ["DETECT", "TOP_K", "search_audio", "search_image", "search_like", "search_text", "search_video"]

SOUNDS_AND_PICTURES = {"sounds": "audio", "pictures": "image"}
EVERYTHING = {"words": "text", **SOUNDS_AND_PICTURES}


@with_options
def search_text(services: Services, query: str, options: Options) -> dict[str, Any]:
    """Find sounds and pictures by words in any language.

    Args:
        services: The app's services.
        query: 1 to 2,000 characters.
        options: Options of the search.

    Returns:
        ``query``, ``language``, ``language_source`` (``chosen``, ``detected`` or ``unknown``), ``model``,
        ``model_version``, ``gallery``, ``notes``, ``search_id`` (for ``/flag``) and ``hits``: ``rank``,
        ``clip_id``, ``score``, ``probability`` that it is right (0 to 1) and ``verdict`` (``likely``, ``maybe`` or
        ``unlikely``), both null where nobody measured that, ``heard`` (classes that stand out of a sound, English),
        ``caption``, ``caption_language``, ``concept``, ``kind``, ``source``, ``licence``, ``sound``, ``waveform`` and
        ``picture`` (addresses relative to the app's), and ``notes``, e.g. that only its beginning is searched;
        ``nothing_fits``, whether even the first is too unlikely; ``pictures``, where the model knows pictures, with
        ``search_id``, ``nothing_fits`` and ``hits`` of their own, else null. ``kind`` and ``licence`` are given back;
        without sounds ``hits`` is empty and ``search_id`` null. ``looked_up`` lists the words that the model's lexical
        memory knows: ``word`` as it is listed, ``language`` and ``senses``, English, the surest first.
    """
    if not text("query", query).strip():
        raise QueryError(services.words("empty_query"))
    checked = ask(services, options)
    lists, cleaned = SOUNDS_AND_PICTURES, clean_query(query)
    embedding = embed(checked, lists, text=cleaned, language=chosen_language(options.language))
    remembered = {"query_text": cleaned, "language": embedding.language}
    found = answer(services, checked, lists, embedding, remembered)
    sounds = found.pop("sounds") or {"search_id": None, "nothing_fits": False, "hits": []}
    return {"query": cleaned, **found, **sounds, "looked_up": looked_up(embedding)}


@with_options
def search_audio(services: Services, recording: str | None, options: Options) -> dict[str, Any]:
    """Find words and pictures for a sound, and sounds that resemble it. The sound is not kept by this.

    Args:
        services: The app's services.
        recording: An uploaded sound file.
        options: Options of the search.

    Returns:
        ``language``, ``language_source``, ``model``, ``model_version``, ``gallery``, ``notes``, ``seconds``
        (how much was listened to), and ``words``, ``sounds`` and, where the model knows pictures, ``pictures``, each
        with a ``search_id`` and ``hits`` as in ``/search_text``; a hit of ``words`` is a description, of the clip it
        names, and found whatever ``kind`` is. ``speech`` is how much of it is speech, 0 to 1, or null, and
        ``is_speech`` whether that is enough for ``/write_down``, which takes the ``search_id`` of ``words``.
    """
    from cacara.media import audio
    from cacara.recordings import speech

    if not recording:
        raise QueryError(services.words("no_sound"))
    checked = ask(services, options)
    path = Path(recording)
    remembered = {"recording": path, "recording_sha256": hash_file(path)}
    decoded = audio.load(path)
    embedding = embed(checked, EVERYTHING, sound=decoded.waveform)
    found = answer(services, checked, EVERYTHING, embedding, remembered)
    assert embedding.classes is not None, "a sound has classes"
    probability = speech.speech_probability(checked.retriever.model, embedding.classes)
    return found | {
        "notes": list(decoded.notes),
        "seconds": round(decoded.seconds, 3),
        "speech": None if probability is None else round(probability, 3),
        "is_speech": speech.is_speech(probability),
    }


@with_options
def search_image(services: Services, picture: str | None, options: Options) -> dict[str, Any]:
    """Find sounds that fit a picture, and pictures that resemble it. The picture is not kept by this.

    Args:
        services: The app's services.
        picture: An uploaded picture: PNG, JPEG, WebP or GIF.
        options: Options of the search.

    Returns:
        ``language``, ``language_source``, ``model``, ``model_version``, ``gallery``, ``notes``, and ``sounds`` and
        ``pictures``, each with ``hits`` as in ``/search_text``; their ``search_id`` is null, as what is found by a
        picture is not judged.
    """
    from cacara.media import images

    if not picture:
        raise QueryError(services.words("no_picture"))
    checked, lists = ask(services, options, must_see=True), SOUNDS_AND_PICTURES
    return answer(services, checked, lists, embed(checked, lists, pictures=[images.load(Path(picture))]))


@with_options
def search_video(services: Services, video: str | None, options: Options) -> dict[str, Any]:
    """Find sounds and pictures that fit what a short video shows: the mean of 12 of its pictures. It is not kept.

    Args:
        services: The app's services.
        video: An uploaded video of at most 60 seconds.
        options: Options of the search.

    Returns:
        As ``/search_image``, and ``frames``: how many of its pictures were looked at.
    """
    from cacara.media import video as videos

    if not video:
        raise QueryError(services.words("no_video"))
    checked, lists = ask(services, options, must_see=True), SOUNDS_AND_PICTURES
    frames = videos.frames(video)
    return {**answer(services, checked, lists, embed(checked, lists, pictures=frames)), "frames": len(frames)}


@with_options
def search_like(services: Services, clip_id: str, options: Options) -> dict[str, Any]:
    """Find the sounds and pictures that are nearest to one of the gallery.

    Args:
        services: The app's services.
        clip_id: The ``clip_id`` of a hit.
        options: Options of the search.

    Returns:
        As ``/search_image``, and ``clip_id`` and ``caption`` of what was asked with.
    """
    checked, lists = ask(services, options), SOUNDS_AND_PICTURES
    clip = checked.retriever.clip(text("clip_id", clip_id))
    found = answer(services, checked, lists, embed(checked, lists, like=clip.clip_id))
    return found | {"clip_id": clip.clip_id, "caption": described(clip, checked.spoken)[0]}
