"""Comparisons as HTML; knows no Gradio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from cacara import languages
from ui.compare import figures
from ui.page.rendering import table_reading
from ui.page.templates import markup, render
from ui.search.answers import described
from ui.server.media import sound_url

if TYPE_CHECKING:
    from cacara.words.comparison import Comparison
    from cacara.words.diagnosis import Finding, Reading
    from cacara.words.word_lists import BadRow, WordList
    from ui.page.wording import Wording
    from ui.services.comparisons import StoredComparison

RESULTS_SHOWN = 5
COLUMNS_SHOWN = 60
PROBLEMS_SHOWN = 20
FIRST_SHOWN = 5
PIECES_SHOWN = 24

_WORD_MARK = "\N{LOWER ONE EIGHTH BLOCK}"


def intro(words: Wording) -> str:
    """Return what the tab is for, in one sentence."""
    return render("compare/intro.html", words)


def progress(done: float, count: int, words: Wording) -> str:
    """Return how far a comparison is.

    Args:
        done: 0 to 1.
        count: Number of texts.
        words: The interface's language.
    """
    title = words("compare_progress", done=round(done * count), count=count)
    return render("compare/progress.html", words, title=title, value=f"{done:.3f}")


def stopped(words: Wording) -> str:
    """Return what stands in the place of the results after the work was stopped."""
    return render("compare/stopped.html", words)


def problems(found: Sequence[BadRow], words: Wording) -> Markup:
    """Return what was left out of a list, line by line; nothing when all was read."""
    if not found:
        return Markup()
    more = max(0, len(found) - PROBLEMS_SHOWN)
    return markup("compare/problems.html", words, count=len(found), problems=found[:PROBLEMS_SHOWN], more=more)


def understood(given: WordList, words: Wording) -> Markup:
    """Return what was understood of a word list, its first entries with the names of their languages."""
    entries = [
        {
            "language": entry.language,
            "name": languages.describe(entry.language).english_name,
            "text": entry.text,
            "concept": entry.concept,
        }
        for entry in given.entries[:FIRST_SHOWN]
    ]
    return markup(
        "compare/understood.html",
        words,
        reading=Markup(table_reading(given.preview, words)) if given.preview else "",
        entries=entries,
        noticed=noticed(given, words),
    )


def noticed(given: WordList, words: Wording) -> Markup:
    """Return that texts read as English that are said to be something else, or nothing."""
    if not given.english_instead:
        return Markup()
    names = ", ".join(f"{languages.describe(code).english_name} ({code})" for code in given.english_instead)
    return markup("compare/noticed.html", words, languages=names)


def page(key: str, compared: StoredComparison, left_out: Sequence[BadRow], words: Wording) -> Markup:
    """Return all that was found: of all concepts together, then of the first one.

    Args:
        key: The comparison's id.
        compared: It, and what it was made with.
        left_out: Lines of the list that were not compared.
        words: The interface's language.
    """
    comparison = compared.comparison
    agreeing = agreement_sentence(comparison, words)
    labels = [column.label for column in comparison.distinct_columns]
    drawn = {"all": figures.agreement(comparison.agreement(), labels, words)} if agreeing else {}
    first = comparison.concepts[0]
    return markup(
        "compare/page.html",
        words,
        comparison=key,
        problems=problems(left_out, words),
        summary=summary(comparison, words),
        places={measure: figures.overview(comparison, measure, words) for measure in ("rank", "score")},
        agreement={"told": agreeing, "drawn": drawn} if agreeing else None,
        concepts=[(name, figures.name_of(comparison, name, words)) for name in comparison.concepts],
        first=first,
        content=concept(compared, first, words),
    )


def concept(compared: StoredComparison, name: str, words: Wording) -> Markup:
    """Return what was found about one concept: word by word, first sounds, similarities, spellings.

    Raises:
        CacaraError: The comparison has no such concept.
    """
    from cacara.words import comparison_tables

    comparison = compared.comparison
    texts = comparison_tables.require_concept(comparison, name)
    found = comparison_tables.similarity(comparison, compared.retriever, name)
    shown, wanted = texts[:COLUMNS_SHOWN], comparison.wanted[name]
    firsts = [
        [_sound(compared, *comparison.places[at].hits[rank], wanted, words) for at in shown]
        for rank in range(min(RESULTS_SHOWN, comparison.sounds))
    ]
    return markup(
        "compare/concept.html",
        words,
        rows=[_row(comparison, at, words) for at in texts],
        spellings=_spellings(comparison, comparison_tables.spelling_pairs(comparison, name), words),
        left_out=found.left_out,
        columns=[_word(comparison, at) for at in shown],
        firsts=firsts,
        similarity={"all": figures.similarity(found, words)},
    )


def _word(comparison: Comparison, at: int) -> dict[str, str]:
    entry = comparison.entries[at]
    return {"language": entry.language, "text": entry.text, "label": comparison.columns[at].label}


def _row(comparison: Comparison, at: int, words: Wording) -> dict[str, Any]:
    reading, place, name = comparison.readings[at], comparison.places[at], comparison.names[at]
    script = reading.script if reading.script != "Zyyy" else "–"
    return {
        **_word(comparison, at),
        "rank": place.rank,
        "score": "" if place.rank is None else f"{place.score:.2f}",
        "reading": _pieces(reading),
        "script": f"{script} {'←' if reading.direction == 'rtl' else '→'}",
        "sound": {"text": name.text, "score": f"{name.score:.2f}"} if name else None,
        "nearest": [
            {"text": each.text, "language": each.language, "score": f"{each.score:.2f}"}
            for each in comparison.neighbours[at]
        ],
        "told": " ".join(sentences(comparison.findings[at], words)),
    }


def _pieces(reading: Reading) -> dict[str, Any]:
    return {
        "count": len(reading.pieces),
        "unknown": reading.unknown,
        "direction": "rtl" if reading.direction == "rtl" else "ltr",
        "pieces": [piece.replace(_WORD_MARK, "") or piece for piece in reading.pieces[:PIECES_SHOWN]],
        "more": len(reading.pieces) > PIECES_SHOWN,
    }


def _spellings(comparison: Comparison, pairs: Iterable[Any], words: Wording) -> list[dict[str, Any]]:
    found = []
    for pair in pairs:
        ranks = [comparison.places[at].rank for at in (pair.first, pair.second)]
        # The places of the two words stay: the template puts them in, as they are markup.
        told = words(
            "compare_spelling_pair",
            similarity=f"{pair.similarity:.2f}",
            shared=pair.shared,
            of=pair.of,
            rank_first="–" if ranks[0] is None else ranks[0],
            rank_second="–" if ranks[1] is None else ranks[1],
        )
        found.append({"told": told, "first": _word(comparison, pair.first), "second": _word(comparison, pair.second)})
    return found


def _sound(
    compared: StoredComparison, clip_id: str, score: float, wanted: Sequence[str], words: Wording
) -> dict[str, Any]:
    caption, language = described(compared.retriever.clip(clip_id), words.code)
    return {
        "address": sound_url(clip_id),
        "caption": caption,
        "language": language,
        "score": f"{score:.2f}",
        "right": clip_id in wanted,
    }


def sentences(findings: Sequence[Finding], words: Wording) -> Iterator[str]:
    """Yield a sentence for each finding, plain text."""
    for finding in findings:
        yield words(f"compare_told_{finding.code}", **finding.values)


def summary(comparison: Comparison, words: Wording) -> str:
    """Return in one sentence what was compared and how many words find their sound."""
    ranks = [place.rank for place in comparison.places if place.rank is not None]
    values = {
        "texts": len(comparison.entries),
        "languages": len({entry.language for entry in comparison.entries}),
        "found": sum(rank <= 10 for rank in ranks),
        "wanted": len(ranks),
        "sounds": comparison.sounds,
    }
    return words("compare_summary" if ranks else "compare_summary_no_sound", **values)


def agreement_sentence(comparison: Comparison, words: Wording) -> str:
    """Return in a sentence how much the languages agree, and which least; empty with one alone."""
    shares = comparison.agreement()
    columns = comparison.distinct_columns
    means: list[tuple[float, str]] = []
    for row, column in enumerate(columns):
        others = [float(share) for at, share in enumerate(shares[row]) if at != row and share == share]
        if others:
            means.append((sum(others) / len(others), column.label))
    if not means:
        return ""
    share = sum(mean for mean, _ in means) / len(means)
    ordered = sorted(means, key=lambda pair: (-pair[0], pair[1]))
    return words("compare_agree", share=f"{100 * share:.0f}", most=ordered[0][1], least=ordered[-1][1])
