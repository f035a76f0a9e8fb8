"""Comparing words as plain values; the same for the page and for programs."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara.errors import CacaraError, QueryError
from cacara.words import word_lists
from cacara.words.word_lists import Entry, WordList
from cacara_files import tables
from ui.compare import rendering
from ui.page.wording import FALLBACK, Wording
from ui.services.comparisons import StoredComparison
from ui.services.services import Services

if TYPE_CHECKING:
    from cacara.words.comparison import Comparison
    from cacara.words.lexicon import Concept, Lexicon

MATRICES = 10
"""Up to so many concepts an answer to a program holds the similarity matrices too."""

_FETCHING = threading.Lock()


def compare(
    services: Services,
    texts: list[dict[str, str]],
    wanted: dict[str, str] | None = None,
    model: str | None = None,
) -> dict[str, Any]:
    """Compare what the model makes of words for the same things in many languages.

    Args:
        services: The app's services.
        texts: 1 to 5,000 objects with ``language`` (BCP-47), ``text`` (at most 300 characters) and, where there are
            several things, ``concept``.
        wanted: Concept to the name of its sound, such as ``{"Vogel": "crow"}``; without it a concept's own name or its
            English text names the sound.
        model: The id of a model, as ``/models`` lists them; None for the one that answers by default.

    Returns:
        ``model``, ``sounds`` (how many were searched), ``problems`` (``line``, which is the number of the object, and
        ``reason``), ``columns`` (languages, ``de (2)`` for a second spelling), ``agreement`` of the columns (0 to 1 or
        null), ``concepts`` (``name``, ``wanted`` clip ids, and, of up to 10 concepts, ``items`` and ``similarity``)
        and ``texts``: ``concept``, ``language``, ``variant``, ``text``, ``script``, ``direction``, ``trained_on``,
        ``pieces``, ``unknown``, ``words``, ``rank`` and ``score`` of the wanted sound (or null), ``hits`` (``clip_id``,
        ``score``), ``nearest`` (``language``, ``text``, ``score``), ``nearest_name``, ``findings`` and ``diagnosis``.
    """
    words = services.words
    given = _given(texts)
    if wanted is not None and not isinstance(wanted, Mapping):
        raise QueryError(f"wanted is a {type(wanted).__name__}; wanted an object of concept to name")
    names = {str(concept): str(name) for concept, name in (wanted or {}).items()}
    retriever = services.retriever(model)
    from cacara.words import comparison  # brings torch, which the thread that prepared has loaded by now

    made = comparison.finish(comparison.compare(retriever, given.entries, names))
    return _plain(StoredComparison(made, retriever), given, words)


def show_comparison(services: Services, content: str, wanted: str = "", model: str | None = None) -> Iterator[str]:
    """Yield how far the comparison of a word list is, and last what was found, as HTML.

    Args:
        services: The app's services.
        content: The list, as ``word_lists.read`` takes it.
        wanted: The name of the sound that all words mean; empty finds it by each concept's name.
        model: The id of a model; None for the one that answers by default.
    """
    words = services.words
    if not isinstance(content, str) or not content.strip():
        raise QueryError(words("compare_empty"))
    given = word_lists.read(content)
    retriever = services.retriever(model)
    from cacara.words import comparison

    names = {entry.concept: wanted for entry in given.entries} if wanted else {}
    steps = comparison.compare(retriever, given.entries, names)
    while True:
        try:
            yield rendering.progress(next(steps), len(given.entries), words)
        except StopIteration as stopped:
            compared = StoredComparison(stopped.value, retriever)
            break
    key = services.comparisons.remember(compared)
    yield rendering.noticed(given, words) + rendering.page(key, compared, given.problems, words)


def show_concept(services: Services, comparison: str, concept: str) -> dict[str, str]:
    """Return what was found about one concept of a comparison, as HTML in ``html``."""
    words = services.words
    return {"html": rendering.concept(_recalled(services, comparison, words), str(concept), words)}


def make_csv(services: Services, comparison: str, table: str, concept: str | None = None) -> dict[str, str]:
    """Return a table of a comparison: ``name`` of the file and its ``content``."""
    compared = _recalled(services, comparison, services.words)
    from cacara.words import comparison_tables

    rows = comparison_tables.table(compared.comparison, compared.retriever, str(table), concept)
    part = tables.words(concept or "").replace(" ", "-")[:40]
    return {
        "name": "-".join(filter(None, ("compare", table, part))) + ".csv",
        "content": comparison_tables.to_csv(rows),
    }


def read_list(services: Services, path: str | None) -> tuple[str, str]:
    """Return an uploaded word list as text for the box, and what was understood and left out of it, as HTML.

    Raises:
        CacaraError: No line of it can be used.
    """
    if not path:
        raise QueryError(services.words("compare_empty"))
    words = services.words
    given = word_lists.read_file(Path(path))
    return word_lists.write(given.entries), rendering.understood(given, words) + rendering.problems(
        given.problems, words
    )


def lexicon_choices(services: Services) -> list[tuple[str, str]]:
    """Return (name, key) of the lexicon's concepts: those with a sound of that name first, with a note.

    Args:
        services: The app's services.
    """
    retriever = services.retriever()
    sounding = {(clip.concept or "").casefold() for clip in retriever.gallery.clips}
    code = services.words.code
    spoken = {} if code == FALLBACK else lexicon().names(code)
    named = []
    for concept in lexicon().concepts:
        name = spoken.get(concept.key) or concept.name
        silent = concept.name.casefold() not in sounding
        named.append((silent, name.casefold(), concept.key, _lexicon_name(concept, name) + ("" if silent else " ♪")))
    return [(label, key) for _, _, key, label in sorted(named)]


def _lexicon_name(concept: Concept, name: str) -> str:
    english = "" if name.casefold() == concept.name.casefold() else f" · {concept.name}"
    return f"{concept.symbol} {name}{english}" if concept.symbol else f"{name}{english} · Tux Paint"


def take_concept(services: Services, key: str | None, codes: Sequence[str] | None = None) -> str:
    """Return a concept of the lexicon as text for the box.

    Args:
        services: The app's services.
        key: The concept's.
        codes: Only these languages; none means all.

    Raises:
        CacaraError: There is no such concept, or it has no name in these languages.
    """
    chosen = set(codes or ())
    entries = [entry for entry in lexicon().entries(str(key)) if not chosen or entry.language in chosen]
    if not entries:
        raise CacaraError(f"the lexicon has no name for it in {', '.join(sorted(chosen))}")
    return word_lists.write(entries)


def sound_choices(services: Services, words: Wording) -> list[tuple[str, str]]:
    """Return (name, name) of the gallery's concepts, first that each word names its own; none before it is ready."""
    auto = (words("compare_wanted_auto"), "")
    try:
        retriever = services.retriever()
    except CacaraError:
        return [auto]
    return [
        auto,
        *((name, name) for name in sorted({clip.concept for clip in retriever.gallery.clips if clip.concept})),
    ]


def lexicon() -> Lexicon:
    """Return the built-in lexicon; the first call fetches what is missing of it.

    Raises:
        SourceError: It cannot be had.
    """
    with _FETCHING:
        return _lexicon()


@functools.cache
def _lexicon() -> Lexicon:
    from cacara.words import lexicon as built_in

    return built_in.load()


def _given(texts: object) -> WordList:
    if not isinstance(texts, list) or not texts:
        raise QueryError(f"texts is {type(texts).__name__} {str(texts)[:40]!r}; wanted a list of objects")
    if len(texts) > word_lists.MAX_ROWS:
        raise QueryError(f"there are {len(texts):,} texts; wanted at most {word_lists.MAX_ROWS:,}")
    rows = []
    for number, row in enumerate(texts, start=1):
        if not isinstance(row, dict) or not all(isinstance(row.get(name, ""), str) for name in ("language", "text")):
            raise QueryError(f"text {number} is {str(row)[:80]!r}; wanted an object with language and text")
        fields = [str(row.get(name) or "")[: word_lists.MAX_BYTES] for name in ("language", "text", "concept")]
        rows.append(Entry(fields[0], fields[1], fields[2], line=number))
    return word_lists.check(rows)


def _recalled(services: Services, key: str, words: Wording) -> StoredComparison:
    compared = services.comparisons.recall(str(key))
    if compared is None:
        raise QueryError(words("compare_forgotten"))
    return compared


def _plain(compared: StoredComparison, given: WordList, words: Wording) -> dict[str, Any]:
    from cacara.words import comparison_tables

    made = compared.comparison
    concepts: list[dict[str, Any]] = []
    for name in made.concepts:
        concepts.append({"name": name, "wanted": list(made.wanted[name]), "items": None, "similarity": None})
        if len(made.concepts) <= MATRICES:
            found = comparison_tables.similarity(made, compared.retriever, name)
            items = [{"kind": item.kind, "language": item.language, "label": item.label} for item in found.items]
            concepts[-1] |= {"items": items, "similarity": _numbers(found.matrix)}
    return {
        "model": made.model,
        "sounds": made.sounds,
        "problems": [{"line": bad.line, "reason": bad.reason} for bad in given.problems],
        "columns": [column.label for column in made.distinct_columns],
        "agreement": _numbers(made.agreement()),
        "concepts": concepts,
        "texts": [_text(made, at, words) for at in range(len(made.entries))],
    }


def _text(made: Comparison, at: int, words: Wording) -> dict[str, Any]:
    entry, reading, place, name = made.entries[at], made.readings[at], made.places[at], made.names[at]
    return {
        "concept": entry.concept,
        "language": entry.language,
        "variant": made.columns[at].variant,
        "text": entry.text,
        "script": reading.script,
        "direction": reading.direction,
        "trained_on": reading.trained_on,
        "pieces": list(reading.pieces),
        "unknown": reading.unknown,
        "words": reading.words,
        "rank": place.rank,
        "score": place.score,
        "hits": [{"clip_id": clip_id, "score": score} for clip_id, score in place.hits],
        "nearest": [
            {"language": near.language, "text": near.text, "score": near.score} for near in made.neighbours[at]
        ],
        "nearest_name": None if name is None else name.text,
        "findings": [finding.code for finding in made.findings[at]],
        "diagnosis": " ".join(rendering.sentences(made.findings[at], words)),
    }


def _numbers(matrix: Any) -> list[list[float | None]]:  # noqa: ANN401
    return [[None if value != value else round(float(value), 4) for value in row] for row in matrix]
