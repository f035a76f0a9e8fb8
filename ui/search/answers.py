"""Options and answers of all searches, as plain JSON values."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cacara.errors import QueryError
from cacara.search.request import SearchRequest
from ui.server.media import picture_url, sound_url, waveform_url
from ui.services.searches import ShownSearch
from ui.services.services import Services

if TYPE_CHECKING:
    from cacara.galleries.manifest import Clip
    from cacara.search.embedding import QueryEmbedding
    from cacara.search.retriever import Hit, Retriever

DETECT = "auto"
"""The language of a query whose language nobody chose."""

TOP_K = 10
KINDS = ("", "sound", "picture")
"""Kinds of results: everything, sounds alone or pictures alone; descriptions are found with each."""

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
class Options:
    """Options of a search; each search takes these after its query, in this order.

    Attributes:
        language: BCP-47 code, such as ``sw``, of a text, or of the descriptions that other queries find; ``auto``
            detects that of a text, and takes the visitor's own for descriptions.
        top_k: Number of results of each kind, 1 to 100.
        model: The id of a model, as ``/models`` lists them; None for the one that answers by default.
        kind: ``sound`` or ``picture`` to find these alone; empty for both.
        licence: Find only what has this licence, spelled as in the hits; empty for all.
    """

    language: str = DETECT
    top_k: int = TOP_K
    model: str | None = None
    kind: str = ""
    licence: str = ""


Search = Callable[..., dict[str, Any]]
"""A function of services, a query and the fields of ``Options``, see ``with_options``."""


def with_options(search: Callable[[Services, Any, Options], dict[str, Any]]) -> Search:
    """Return a search whose options are parameters of their own, as pages and programs give them.

    Args:
        search: Takes services, a query and ``options``, which its docstring names with these words in a line.
    """
    services, query, _ = inspect.signature(search).parameters.values()
    hints = {**typing.get_type_hints(search), **typing.get_type_hints(Options)}
    spread = [services, query] + [
        inspect.Parameter(field.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=field.default)
        for field in dataclasses.fields(Options)
    ]
    shown = [each.replace(annotation=hints[each.name]) for each in spread]
    signature = inspect.Signature(shown, return_annotation=hints["return"])

    @functools.wraps(search)
    def searched(*given: object, **named: object) -> dict[str, Any]:
        arguments = signature.bind(*given, **named)
        arguments.apply_defaults()
        own, asked, *options = arguments.args
        return search(own, asked, Options(*options))

    del searched.__wrapped__  # type: ignore[attr-defined]
    searched.__signature__ = signature  # type: ignore[attr-defined]
    searched.__annotations__ = {each.name: each.annotation for each in shown} | {"return": hints["return"]}
    own, _, fields = (inspect.getdoc(Options) or "").partition("Attributes:\n")
    searched.__doc__ = (inspect.getdoc(search) or "").replace("    options: Options of the search.", fields.rstrip())
    return searched


@dataclasses.dataclass(frozen=True)
class CheckedQuery:
    """The options of a search, checked: who answers, and the language of descriptions."""

    retriever: Retriever
    spoken: str
    top_k: int
    kind: str
    licence: str

    def wants(self, target: str) -> bool:
        """Return whether something of a target is asked for, and known."""
        kind = _KIND_OF_TARGET.get(target, self.kind)
        return self.kind in ("", kind) and (target != "image" or self.retriever.sees)


def ask(services: Services, options: Options, must_see: bool = False) -> CheckedQuery:
    """Return the options of a search, checked.

    Args:
        services: The app's services.
        options: As they came.
        must_see: The query is a picture, which finds sounds in a gallery without pictures too.

    Raises:
        QueryError: One of them is unfit, or the model is not ready or knows no pictures where these are asked for.
    """
    words = services.words
    retriever = services.retriever(options.model)
    if (kind := text("kind", options.kind)) not in KINDS:
        raise QueryError(f"kind: found {kind!r:.40}, wanted sound, picture, or nothing for both")
    if (must_see or kind == "picture") and not retriever.model.sees:
        raise QueryError(words("sees_nothing"))
    if kind == "picture" and not retriever.sees:
        raise QueryError(words("no_pictures_here"))
    spoken = nearest_language(chosen_language(options.language) or words.code, retriever.gallery.languages)
    return CheckedQuery(retriever, spoken, _count(options.top_k), kind, text("licence", options.licence))


def embed(asked: CheckedQuery, lists: Mapping[str, str], **query: Any) -> QueryEmbedding:  # noqa: ANN401
    """Return a query's embedding, the one for all lists.

    Args:
        asked: The checked options.
        lists: Name of each list to its target.
        query: The query and its language, as fields of ``SearchRequest``; descriptions speak ``asked.spoken``.
    """
    targets = tuple(target for target in lists.values() if asked.wants(target))
    limits: dict[str, Any] = {"targets": targets, "licence": asked.licence, "top": asked.top_k}
    return asked.retriever.embed(SearchRequest(**{"language": asked.spoken, **query, **limits}))


def answer(
    services: Services,
    asked: CheckedQuery,
    lists: Mapping[str, str],
    query: QueryEmbedding,
    remembered: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the lists that were asked for by name, and who answered; a list that was not asked for is None.

    Args:
        services: The app's services.
        asked: The checked options.
        lists: Name of each list to its target.
        query: As ``embed`` returned it.
        remembered: The fields of ``ShownSearch`` that tell the query; without them nothing found can be judged.
    """
    retriever, model = asked.retriever, asked.retriever.model
    found: dict[str, Any] = {"kind": asked.kind, "licence": asked.licence, **dict.fromkeys(lists)}
    for name, target in lists.items():
        if target not in query.request.targets:
            continue
        hits = retriever.nearest(query, target)
        search_id = None
        if remembered is not None:
            own = {hit.clip_id: (hit.rank, hit.score) for hit in hits}
            shown = ShownSearch(
                **remembered, model=model.name, model_version=model.version, gallery=retriever.gallery.name, hits=own
            )
            search_id = services.searches.remember(shown)
        heard = retriever.heard([hit.clip_id for hit in hits]) if target == "audio" else [()] * len(hits)
        listed = [
            _hit(hit, retriever.clip(hit.clip_id), query.language or asked.spoken, classes)
            for hit, classes in zip(hits, heard, strict=True)
        ]
        nothing = retriever.nothing_fits(query, target, hits)
        found[name] = {"search_id": search_id, "nothing_fits": nothing, "hits": listed}
    return found | {
        "language": query.language,
        "language_source": query.language_source,
        "model": model.name,
        "model_version": model.version,
        "gallery": retriever.gallery.name,
        "notes": [],
    }


def looked_up(query: QueryEmbedding) -> list[dict[str, Any]]:
    """Return the words of a text that the model knows by heart.

    ``word`` as it is listed, ``text`` as it stands in the query, ``language``, ``senses`` in English, and ``read_in``,
    the language in which the text was read, for which a look-up that is wrong is taken back.
    """
    return [
        {
            "word": found.surface,
            "text": found.text,
            "language": found.language,
            "read_in": query.language or found.language,
            "senses": [english for english, _ in found.senses],
        }
        for found in query.looked_up
    ]


def _hit(hit: Hit, clip: Clip, language: str, heard: Sequence[str]) -> dict[str, Any]:
    from cacara.media import audio
    from cacara.search import likelihood

    caption, caption_language = described(clip, language)
    sounds = clip.kind != "image"
    return {
        "rank": hit.rank,
        "clip_id": hit.clip_id,
        "score": round(hit.score, 6),
        **likelihood.told(hit.probability),
        "heard": list(heard),
        "caption": caption,
        "caption_language": caption_language,
        "concept": clip.concept,
        "kind": clip.kind,
        "source": clip.source,
        "licence": clip.licence,
        "sound": sound_url(clip.clip_id) if sounds else None,
        "waveform": waveform_url(clip.clip_id) if sounds else None,
        "picture": picture_url(clip.clip_id) if clip.image_path else None,
        "notes": audio.search_notes(clip.path) if sounds else [],
    }


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
