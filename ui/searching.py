"""Searching by text, by sound and by picture as plain JSON values; the same for the page and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara.errors import QueryError
from feedback_db.recordings import hash_file
from ui.media import picture_url, sound_url
from ui.searches import ShownSearch
from ui.services import Services
from ui.wording import FALLBACK, wording

if TYPE_CHECKING:
    from cacara.manifest import Clip
    from cacara.retrieval import Hit, Retriever, SearchResult

DETECT = "auto"
"""The language of a query whose language nobody chose."""

TOP_K = 10


def search_text(
    services: Services, query: str, language: str = DETECT, top_k: int = TOP_K, interface: str = FALLBACK
) -> dict[str, Any]:
    """Find sounds and pictures by words in any language.

    Args:
        services: What the handlers work with.
        query: 1 to 2,000 characters.
        language: BCP-47 code of the query, such as ``sw``; ``auto`` detects it.
        top_k: How many of each, 1 to 100.
        interface: Language of descriptions where the query's is unknown, and of errors.

    Returns:
        ``query``, ``language``, ``language_source`` (``chosen``, ``detected`` or ``unknown``), ``model``,
        ``model_version``, ``gallery``, ``notes``, ``search_id`` (for ``/flag``) and ``hits``: ``rank``,
        ``clip_id``, ``score``, ``caption``, ``caption_language``, ``concept``, ``kind``, ``source``,
        ``licence``, ``sound`` and ``picture`` (addresses relative to the app's); ``pictures``, where the model knows
        pictures, with a ``search_id`` and ``hits`` of its own, else null.
    """
    words = wording(_text("interface", interface))
    if not _text("query", query).strip():
        raise QueryError(words("empty_query"))
    retriever = services.engine.retriever(words)
    from cacara.retrieval import clean_query  # brings torch, which the thread that prepared has loaded by now

    query = clean_query(query)
    found: dict[str, dict[str, Any] | None] = {"image": None}
    for target in ("audio", "image") if retriever.sees else ("audio",):
        result = retriever.search_text(query, _language(language), _count(top_k), target)
        shown = _shown(retriever, result, query_text=query, language=result.language)
        hits = _hits(retriever, result, result.language or words.code)
        found[target] = {"search_id": services.searches.remember(shown), "hits": hits}
    return {"query": query, **_answerer(retriever, result), **(found["audio"] or {}), "pictures": found["image"]}


def search_audio(
    services: Services,
    recording: str | None,
    language: str = DETECT,
    top_k: int = TOP_K,
    interface: str = FALLBACK,
) -> dict[str, Any]:
    """Find words and pictures for a sound, and sounds that resemble it. The sound is not kept by this.

    Args:
        services: What the handlers work with.
        recording: An uploaded sound file.
        language: BCP-47 code of the words; ``auto`` takes ``interface``.
        top_k: How many of each, 1 to 100.
        interface: Language of errors.

    Returns:
        ``language``, ``language_source``, ``model``, ``model_version``, ``gallery``, ``notes``, ``seconds``
        (how much was listened to), and ``words``, ``sounds`` and, where the model knows pictures, ``pictures``, each
        with a ``search_id`` and ``hits`` as in ``/search_text``; a hit of ``words`` is a description, of the clip it
        names.
    """
    from cacara import audio

    words = wording(_text("interface", interface))
    if not recording:
        raise QueryError(words("no_sound"))
    retriever = services.engine.retriever(words)
    path = Path(recording)
    sha256 = hash_file(path)
    heard = audio.load(path)
    spoken = nearest_language(_language(language) or words.code, retriever.gallery.languages)
    answer: dict[str, Any] = {"pictures": None}
    targets = {"words": "text", "sounds": "audio"} | ({"pictures": "image"} if retriever.sees else {})
    for name, target in targets.items():
        result = retriever.search_audio(heard.waveform, _count(top_k), target, spoken)
        shown = _shown(retriever, result, recording=path, recording_sha256=sha256)
        hits = _hits(retriever, result, result.language or spoken)
        answer |= _answerer(retriever, result)
        answer[name] = {"search_id": services.searches.remember(shown), "hits": hits}
    return answer | {"notes": [*heard.notes, *answer["notes"]], "seconds": round(heard.seconds, 3)}


def search_image(
    services: Services,
    picture: str | None,
    language: str = DETECT,
    top_k: int = TOP_K,
    interface: str = FALLBACK,
) -> dict[str, Any]:
    """Find sounds that fit a picture, and pictures that resemble it. The picture is not kept by this.

    Args:
        services: What the handlers work with.
        picture: An uploaded picture: PNG, JPEG, WebP or GIF.
        language: BCP-47 code of the descriptions; ``auto`` takes ``interface``.
        top_k: How many of each, 1 to 100.
        interface: Language of errors.

    Returns:
        ``language``, ``language_source``, ``model``, ``model_version``, ``gallery``, ``notes``, and ``sounds`` and
        ``pictures``, each with ``hits`` as in ``/search_text``; their ``search_id`` is null, as what is found by a
        picture is not judged.
    """
    from cacara import images

    words = wording(_text("interface", interface))
    if not picture:
        raise QueryError(words("no_picture"))
    retriever = services.engine.retriever(words)
    if not retriever.sees:
        raise QueryError(words("sees_nothing"))
    pixels = images.load(Path(picture))
    spoken = nearest_language(_language(language) or words.code, retriever.gallery.languages)
    answer: dict[str, Any] = {}
    for name, target in (("sounds", "audio"), ("pictures", "image")):
        result = retriever.search_image(pixels, _count(top_k), target, spoken)
        answer |= _answerer(retriever, result)
        answer[name] = {"search_id": None, "hits": _hits(retriever, result, result.language or spoken)}
    return answer


def nearest_language(wanted: str, known: Iterable[str]) -> str:
    """Return the known language nearest to ``wanted``, as ``zh-Hans`` for ``zh``; ``wanted`` where none is related."""
    known = sorted(known)
    base = wanted.split("-")[0]
    siblings = [code for code in known if code.split("-")[0] == base]
    return next((code for code in (wanted, base, *siblings) if code in known), wanted)


def described(clip: Clip, language: str) -> tuple[str, str | None]:
    """Return a clip's description in ``language``, or the nearest there is, and the language it is in."""
    language = nearest_language(language, clip.captions)
    text = clip.caption(language)
    tried = (language, "en", *clip.captions)
    return text, next((code for code in tried if text in clip.captions.get(code, ())), None)


def _answerer(retriever: Retriever, result: SearchResult) -> dict[str, Any]:
    return {
        "language": result.language,
        "language_source": result.language_source,
        "model": result.model,
        "model_version": result.model_version,
        "gallery": retriever.gallery.name,
        "notes": list(result.notes),
    }


def _hits(retriever: Retriever, result: SearchResult, language: str) -> list[dict[str, Any]]:
    return [_hit(hit, retriever.clip(hit.clip_id), language) for hit in result.hits]


def _hit(hit: Hit, clip: Clip, language: str) -> dict[str, Any]:
    caption, caption_language = described(clip, language)
    return {
        "rank": hit.rank,
        "clip_id": hit.clip_id,
        "score": round(hit.score, 6),
        "caption": caption,
        "caption_language": caption_language,
        "concept": clip.concept,
        "kind": clip.kind,
        "source": clip.source,
        "licence": clip.licence,
        "sound": None if clip.kind == "image" else sound_url(clip.clip_id),
        "picture": picture_url(clip.clip_id) if clip.image_path else None,
    }


def _shown(
    retriever: Retriever,
    result: SearchResult,
    *,
    query_text: str | None = None,
    recording: Path | None = None,
    recording_sha256: str | None = None,
    language: str | None = None,
) -> ShownSearch:
    hits: Mapping[str, tuple[int, float]] = {hit.clip_id: (hit.rank, hit.score) for hit in result.hits}
    return ShownSearch(
        query_text,
        recording,
        recording_sha256,
        language,
        result.model,
        result.model_version,
        retriever.gallery.name,
        hits,
    )


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise QueryError(f"{name}: found {value!r:.40}, wanted text")
    return value


def _language(value: object) -> str | None:
    code = _text("language", DETECT if value is None else value).strip()
    return None if code in ("", DETECT) else code


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not float(value).is_integer():
        raise QueryError(f"top_k: found {value!r:.40}, wanted a whole number")
    return int(value)
