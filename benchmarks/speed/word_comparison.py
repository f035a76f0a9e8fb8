"""A hundred words in thirty languages, compared as the tab *Compare* does it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.speed.timing import Row, Size

LANGUAGES = "en de fr es pt it nl sv pl cs ru uk el tr ar he fa hi bn ta th vi id ja ko zh sw yo am cy".split()
LIMIT_SECONDS = 60.0


def measure(size: Size) -> Iterator[Row]:
    """Yield the row: no text was read before, so the encoder reads each."""
    from cacara.languages import spelling
    from cacara.search import setup
    from cacara.words import comparison, lexicon

    retriever, words = setup.prepare(place="tuxpaint"), lexicon.load()
    named = (words.entries(each.key) for each in words.concepts if each.key.startswith("cldr/"))
    lists = ([entry for entry in entries if entry.language in LANGUAGES] for entries in named)
    whole = [entries for entries in lists if len(entries) == len(LANGUAGES)]
    rows = [entry for entries in whole[:: max(1, len(whole) // size.concepts)][: size.concepts] for entry in entries]
    retriever.model.forget_texts(spelling.fold(entry.text, entry.language) for entry in rows)
    begun, spent = time.perf_counter(), time.process_time()
    for _ in comparison.compare(retriever, rows):
        pass
    seconds, spent = time.perf_counter() - begun, time.process_time() - spent
    yield Row(
        f"comparing {size.concepts} words in {len(LANGUAGES)} languages",
        f"{seconds:.1f} s",
        f"{spent:.1f} s of processor time",
        None,
        f"≤ {LIMIT_SECONDS:.0f} s",
        seconds <= LIMIT_SECONDS,
        {"seconds": seconds, "processor_seconds": spent, "texts": len(rows)},
    )
