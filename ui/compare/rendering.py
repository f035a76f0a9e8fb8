"""Comparisons as HTML; every text that is not ours is escaped here. Knows no Gradio."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from cacara import languages
from ui.compare import figures, telling
from ui.page.rendering import table_reading
from ui.search.answers import described
from ui.server.media import sound_url

if TYPE_CHECKING:
    from cacara.words.comparison import Comparison
    from cacara.words.diagnosis import Reading
    from cacara.words.word_lists import BadRow, WordList
    from ui.compare.memory import StoredComparison
    from ui.page.wording import Wording

RESULTS_SHOWN = 5
COLUMNS_SHOWN = 60
PROBLEMS_SHOWN = 20
FIRST_SHOWN = 5

_WORD_MARK = "\N{LOWER ONE EIGHTH BLOCK}"


def intro(words: Wording) -> str:
    """Return what the tab is for, in one sentence."""
    return f"<p{_spoken(words)}>{_text(words('compare_intro'))}</p>"


def progress(done: float, count: int, words: Wording) -> str:
    """Return how far a comparison is.

    Args:
        done: 0 to 1.
        count: How many texts there are.
        words: The interface's language.
    """
    title = words("compare_progress", done=round(done * count), count=count)
    return (
        f'<div class="preparation"{_spoken(words)} role="status"><p>{_text(title)}</p>'
        f'<progress value="{done:.3f}" aria-label="{_text(title)}"></progress></div>'
    )


def stopped(words: Wording) -> str:
    """Return what stands in the place of the results after the work was stopped."""
    return f'<p class="note" role="status"{_spoken(words)}>{_text(words("compare_stopped"))}</p>'


def problem(message: str) -> str:
    """Return a message about what went wrong, in the place of the results."""
    return f'<div class="problem" role="alert"><p dir="auto">{_text(message)}</p></div>'


def problems(found: Sequence[BadRow], words: Wording) -> str:
    """Return what was left out of a list, line by line; nothing when all was read."""
    if not found:
        return ""
    lines = "".join(
        f'<li dir="auto">{_text(words("compare_line", line=bad.line, reason=bad.reason))}</li>'
        for bad in found[:PROBLEMS_SHOWN]
    )
    more = f"<li>… {len(found) - PROBLEMS_SHOWN}</li>" if len(found) > PROBLEMS_SHOWN else ""
    title = _text(words("compare_bad_rows", count=len(found)))
    return f'<div class="left-out" role="status"{_spoken(words)}><p>{title}</p><ul>{lines}{more}</ul></div>'


def understood(given: WordList, words: Wording) -> str:
    """Return what was understood of a word list, its first entries with the names of their languages."""
    read = table_reading(given.preview, words) if given.preview else ""
    first = ""
    for entry in given.entries[:FIRST_SHOWN]:
        name = languages.describe(entry.language).english_name
        meaning = f" · <bdi>{_text(entry.concept)}</bdi>" if entry.concept else ""
        first += (
            f'<li dir="auto"><code>{_text(entry.language)}</code> {_text(name)}: <bdi>{_text(entry.text)}</bdi>'
            f"{meaning}</li>"
        )
    return f'{read}<ul class="first-entries">{first}</ul>{noticed(given, words)}'


def noticed(given: WordList, words: Wording) -> str:
    """Return that texts read as English that are said to be something else, or nothing."""
    if not given.english_instead:
        return ""
    names = ", ".join(f"{languages.describe(code).english_name} ({code})" for code in given.english_instead)
    message = _text(words("compare_english_instead", languages=names))
    return f'<p class="warned" role="status"{_spoken(words)}>{message}</p>'


def page(key: str, compared: StoredComparison, left_out: Sequence[BadRow], words: Wording) -> str:
    """Return all that was found: of all concepts together, then of the first one.

    Args:
        key: The comparison's id.
        compared: It, and what it was made with.
        left_out: Lines of the list that were not compared.
        words: The interface's language.
    """
    made = compared.comparison
    places = {measure: figures.overview(made, measure, words) for measure in ("rank", "score")}
    options = "".join(
        f'<option value="{_text(name)}">{_text(figures.name_of(made, name, words))}</option>' for name in made.concepts
    )
    chooser = (
        f'<label class="chooser">{_text(words("compare_concept"))} <select name="concept" dir="auto">{options}</select>'
        "</label>"
    )
    labels = [column.label for column in made.distinct_columns]
    agreeing = telling.agreement(made, words)
    measure = "".join(
        f'<option value="{name}">{_text(words(f"compare_{name}"))}</option>' for name in ("rank", "score")
    )
    return (
        f'<div class="comparison" data-comparison="{_text(key)}" data-interface="{_text(words.code)}"'
        f' data-broken="{_text(words("broken"))}"{_spoken(words)}>'
        f"{problems(left_out, words)}"
        f'<p class="summary" role="status">{_text(telling.summary(made, words))}</p>'
        + _section(
            "places",
            words("compare_places"),
            words("compare_places_explained"),
            f'<label class="chooser">{_text(words("compare_show"))} <select name="measure">{measure}</select></label>'
            + _chart("places", places, words("compare_places"))
            + _downloads(words, ("texts", words("compare_csv_texts")), ("results", words("compare_csv_results"))),
        )
        + (
            _section(
                "agreement",
                words("compare_agreement"),
                agreeing,
                _chart(
                    "agreement",
                    {"all": figures.agreement(made.agreement(), labels, words)},
                    words("compare_agreement"),
                )
                + _downloads(words, ("agreement", "CSV")),
            )
            if agreeing
            else ""
        )
        + f'<div class="closer">{chooser if len(made.concepts) > 1 else ""}'
        f'<div class="concept" data-concept="{_text(made.concepts[0])}">'
        f"{concept(compared, made.concepts[0], words)}</div></div></div>"
    )


def concept(compared: StoredComparison, name: str, words: Wording) -> str:
    """Return what was found about one concept: word by word, first sounds, similarities, spellings.

    Raises:
        CacaraError: The comparison has no such concept.
    """
    from cacara.words import comparison_tables

    made = compared.comparison
    texts = comparison_tables.require_concept(made, name)
    found = comparison_tables.similarity(made, compared.retriever, name)
    shown = texts[:COLUMNS_SHOWN]
    note = _note(words("compare_left_out", count=found.left_out)) if found.left_out else ""
    return (
        _section("words", words("compare_words"), "", _words_table(made, texts, words))
        + _spellings(made, comparison_tables.spelling_pairs(made, name), words)
        + _section("firsts", words("compare_results"), words("compare_results_explained"),
                   note + _results(compared, shown, name, words))
        + _section(
            "similarity",
            words("compare_similarity"),
            words("compare_similarity_explained"),
            note
            + _chart("similarity", {"all": figures.similarity(found, words)}, words("compare_similarity"))
            + _downloads(words, ("similarity", "CSV")),
        )
    )  # fmt: skip


def _words_table(made: Comparison, texts: Sequence[int], words: Wording) -> str:
    heads = ("word", "rank", "pieces", "script", "nearest", "told")
    head = "".join(f'<th scope="col">{_text(words(f"compare_{each}"))}</th>' for each in heads)
    rows = "".join(_word(made, at, words) for at in texts)
    return f'<div class="scroll"><table class="words"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _word(made: Comparison, at: int, words: Wording) -> str:
    entry, reading, place, name = made.entries[at], made.readings[at], made.places[at], made.names[at]
    near = "".join(
        f'<li><bdi lang="{_text(each.language)}">{_text(each.text)}</bdi> <code>{_text(each.language)}</code> '
        f"{each.score:.2f}</li>"
        for each in made.neighbours[at]
    )
    english = f'<li><bdi lang="en">{_text(name.text)}</bdi> <code>♪ en</code> {name.score:.2f}</li>' if name else ""
    ranked = "–" if place.rank is None else f"<b>{place.rank}</b> <small>{place.score:.2f}</small>"
    told = " ".join(telling.sentences(made.findings[at], words))
    script = _text(reading.script) if reading.script != "Zyyy" else "–"
    return (
        f'<tr><th scope="row"><bdi class="word" lang="{_text(entry.language)}" dir="auto">{_text(entry.text)}</bdi> '
        f"<code>{_text(made.columns[at].label)}</code></th><td>{ranked}</td><td>{_pieces(reading)}</td>"
        f"<td>{script} {'←' if reading.direction == 'rtl' else '→'}</td><td><ul>{english}{near}</ul></td>"
        f'<td class="told">{_text(told)}</td></tr>'
    )


def _pieces(reading: Reading) -> str:
    shown = "".join(f"<span>{_text(piece.replace(_WORD_MARK, '') or piece)}</span>" for piece in reading.pieces[:24])
    more = " …" if len(reading.pieces) > 24 else ""
    direction = ' dir="rtl"' if reading.direction == "rtl" else ' dir="ltr"'
    unknown = f' <small class="unknown">? {reading.unknown}</small>' if reading.unknown else ""
    return f'<b>{len(reading.pieces)}</b>{unknown} <span class="pieces"{direction}>{shown}{more}</span>'


def _spellings(made: Comparison, pairs: Iterable[Any], words: Wording) -> str:
    lines = []
    for pair in pairs:
        ranks = [made.places[at].rank for at in (pair.first, pair.second)]
        sentence = words(
            "compare_spelling_pair",
            similarity=f"{pair.similarity:.2f}",
            shared=pair.shared,
            of=pair.of,
            rank_first="–" if ranks[0] is None else ranks[0],
            rank_second="–" if ranks[1] is None else ranks[1],
        )
        # The words are put in after escaping, as they are markup.
        marked = _text(sentence).replace("{first}", _spelling(made, pair.first), 1)
        lines.append(f"<li>{marked.replace('{second}', _spelling(made, pair.second), 1)}</li>")
    if not lines:
        return ""
    return _section("spellings", words("compare_spellings"), "", f"<ul>{''.join(lines)}</ul>")


def _spelling(made: Comparison, at: int) -> str:
    entry = made.entries[at]
    text = _text(entry.text).replace("{", "&#123;")
    return f'<bdi lang="{_text(entry.language)}">{text}</bdi> <code>{_text(made.columns[at].label)}</code>'


def _results(compared: StoredComparison, texts: Sequence[int], name: str, words: Wording) -> str:
    made = compared.comparison
    heads = "".join(
        f'<th scope="col"><bdi lang="{_text(made.entries[at].language)}">{_text(made.entries[at].text)}</bdi> '
        f"<code>{_text(made.columns[at].label)}</code></th>"
        for at in texts
    )
    depth = min(RESULTS_SHOWN, made.sounds)
    rows = "".join(
        f'<tr><th scope="row">{rank + 1}</th>'
        + "".join(_found(compared, *made.places[at].hits[rank], made.wanted[name], words) for at in texts)
        + "</tr>"
        for rank in range(depth)
    )
    return (
        f'<div class="scroll"><table class="firsts"><thead><tr><th scope="col">#</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _found(compared: StoredComparison, clip_id: str, score: float, wanted: Sequence[str], words: Wording) -> str:
    caption, language = described(compared.retriever.clip(clip_id), words.code)
    lang = f' lang="{_text(language)}"' if language else ""
    right = clip_id in wanted
    mark = f'<span class="wanted" title="{_text(words("compare_wanted"))}">✓</span> ' if right else ""
    return (
        f'<td{" class=right" if right else ""}><button type="button" data-sound="{_text(sound_url(clip_id))}" '
        f'aria-label="{_text(words("compare_play", sound=caption))}" aria-pressed="false">▶</button> '
        f"{mark}<bdi{lang}>{_text(caption)}</bdi> <small>{score:.2f}</small></td>"
    )


def _section(kind: str, title: str, explanation: str, content: str) -> str:
    told = f"<p>{_text(explanation)}</p>" if explanation else ""
    return f'<section class="{kind}" aria-label="{_text(title)}"><h2>{_text(title)}</h2>{told}{content}</section>'


def _chart(kind: str, drawn: Mapping[str, Any], title: str) -> str:
    data = json.dumps(drawn, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return (
        f'<div class="scroll"><div class="chart" role="img" aria-label="{_text(title)}" data-kind="{kind}" '
        f'data-figures="{_text(data)}"></div></div>'
    )


def _downloads(words: Wording, *tables: tuple[str, str]) -> str:
    buttons = "".join(
        f'<button type="button" data-csv="{_text(name)}">{_text(label)}</button>' for name, label in tables
    )
    picture = f'<button type="button" data-picture>{_text(words("compare_picture"))}</button>'
    return f'<p class="downloads">{buttons}{picture}<span class="said" role="status"></span></p>'


def _note(message: str) -> str:
    return f'<p class="note">{_text(message)}</p>'


def _spoken(words: Wording) -> str:
    return f' lang="{_text(words.code)}" dir="{words.direction}"'


def _text(value: object) -> str:
    return escape(str(value), quote=True)
