"""What all searches share: how they are asked, and their answers as plain JSON values."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara.errors import QueryError
from ui.page.wording import wording
from ui.search.searches import ShownSearch
from ui.server.media import picture_url, sound_url, waveform_url
from ui.server.services import Services

if TYPE_CHECKING:
    from cacara.search.manifest import Clip
    from cacara.search.retriever import Hit, Retriever, SearchResult

DETECT = "auto"
"""The language of a query whose language nobody chose."""

TOP_K = 10
KINDS = ("", "sound", "picture")
"""What may be found: everything, sounds alone or pictures alone; words are found whatever is chosen."""

_KIND_OF_TARGET = {"audio": "sound", "image": "picture"}


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


@dataclasses.dataclass(frozen=True)
class Asked:
    """What every search is told, checked: who answers, how many, of which kind, and the language of descriptions."""

    retriever: Retriever
    spoken: str
    top_k: int
    kind: str
    licence: str


def ask(
    services: Services,
    language: object,
    top_k: object,
    interface: str,
    model: str | None,
    kind: object,
    licence: object,
    must_see: bool = False,
) -> Asked:
    """Return what a search is told, checked.

    Args:
        services: What the handlers work with.
        language: BCP-47 code of the query or of the descriptions; ``auto`` takes the interface's for these.
        top_k: How many of each.
        interface: Language of the page.
        model: The id of a model, or None for the one that answers by default.
        kind: One of ``KINDS``.
        licence: A licence, or nothing for all.
        must_see: The query is a picture.

    Raises:
        QueryError: One of them is unfit, or the model is not ready or knows no pictures where these are asked for.
    """
    words = wording(interface)
    retriever = services.engine.retriever(words, model)
    if (kind := text("kind", kind)) not in KINDS:
        raise QueryError(f"kind: found {kind!r:.40}, wanted sound, picture, or nothing for both")
    if (must_see or kind == "picture") and not retriever.sees:
        raise QueryError(words("sees_nothing"))
    spoken = nearest_language(chosen_language(language) or words.code, retriever.gallery.languages)
    allowed = text("licence", licence)
    if allowed:
        retriever = retriever.limited_to(allowed)
    return Asked(retriever, spoken, _count(top_k), kind, allowed)


def answer(
    services: Services,
    asked: Asked,
    search: Callable[[str], SearchResult],
    targets: Mapping[str, str],
    remember: Callable[[SearchResult], ShownSearch] | None = None,
) -> dict[str, Any]:
    """Return the lists that were asked for by name, and who answered; a list that was not asked for is None.

    Args:
        services: What the handlers work with.
        asked: What is wanted.
        search: Searches for one target.
        targets: Name of each list to its target.
        remember: Gives what a judgement needs; without it nothing found can be judged.
    """
    found: dict[str, Any] = {"kind": asked.kind, "licence": asked.licence, **dict.fromkeys(targets)}
    for name, target in targets.items():
        if asked.kind not in ("", _KIND_OF_TARGET.get(target, asked.kind)):
            continue
        if target == "image" and not asked.retriever.sees:
            continue
        result = search(target)
        hits = [_hit(hit, asked.retriever.clip(hit.clip_id), result.language or asked.spoken) for hit in result.hits]
        search_id = None if remember is None else services.searches.remember(remember(result))
        found |= {name: {"search_id": search_id, "hits": hits}, **_answerer(asked.retriever, result)}
    return found


def _answerer(retriever: Retriever, result: SearchResult) -> dict[str, Any]:
    return {
        "language": result.language,
        "language_source": result.language_source,
        "model": result.model,
        "model_version": result.model_version,
        "gallery": retriever.gallery.name,
        "notes": list(result.notes),
    }


def _hit(hit: Hit, clip: Clip, language: str) -> dict[str, Any]:
    caption, caption_language = described(clip, language)
    sounds = clip.kind != "image"
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
        "sound": sound_url(clip.clip_id) if sounds else None,
        "waveform": waveform_url(clip.clip_id) if sounds else None,
        "picture": picture_url(clip.clip_id) if clip.image_path else None,
    }


def shown(
    retriever: Retriever,
    result: SearchResult,
    *,
    query_text: str | None = None,
    recording: Path | None = None,
    recording_sha256: str | None = None,
    language: str | None = None,
) -> ShownSearch:
    """Return what the server remembers of a list that it shows; see ``ShownSearch``."""
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


def text(name: str, value: object) -> str:
    """Return ``value`` if it is text.

    Raises:
        QueryError: It is something else; names it.
    """
    if not isinstance(value, str):
        raise QueryError(f"{name}: found {value!r:.40}, wanted text")
    return value


def chosen_language(value: object) -> str | None:
    """Return a language's code, or None where it is to be detected.

    Raises:
        QueryError: It is no text.
    """
    code = text("language", DETECT if value is None else value).strip()
    return None if code in ("", DETECT) else code


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not float(value).is_integer():
        raise QueryError(f"top_k: found {value!r:.40}, wanted a whole number")
    return int(value)
