"""``python -m benchmarks.spelling``: what capitals, vowel signs and marks that say nothing cost a query.

Ten animals, named by CLDR, are asked for in the default gallery in eleven languages that have capitals, and with marks
of other scripts; then all texts of dev and dev-2 are asked in lower case, with a capital first letter and in capitals.
dev and dev-2 are what spellings are chosen by; the gallery only shows what a visitor meets.
"""

from __future__ import annotations

import argparse
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from cacara import languages, sources
from cacara.benchmark.dataset import splits
from cacara.benchmark.outcome import is_other
from cacara.model import checkpoint
from cacara.model.config import DEFAULT_MODEL
from cacara.model.model import Cacara
from cacara.search import setup
from cacara.search.request import SearchRequest
from cacara.search.retriever import Retriever
from cacara.words.lexicon import Lexicon

ANIMALS: Mapping[str, str] = {
    "🐈": "cat", "🐄": "cow", "🐕": "dog", "🦆": "duck", "🐘": "elephant", "🐐": "goat", "🐎": "horse", "🦉": "owl", 
    "🐖": "pig", "🐓": "rooster",
}  # fmt: skip
"""CLDR's symbol to the concept of the gallery."""
CASED = ("az", "de", "el", "en", "es", "fr", "pl", "ru", "sw", "tr", "uk")
POINTED = ("ar", "fa", "he", "ur")
SPELLINGS = ("lower case", "first letter", "capitals")
TOP = 5
BENCHMARKS = {"dev": splits.SOUNDS, "dev-2": splits.DEV_2}
_DOTTED_I = ("az", "tr")

Spell = Callable[[str, str], str]


def capitals(text: str, language: str) -> str:
    """Return a text in capitals as people write them: with Turkish dots, and in Greek without accents."""
    if languages.base(language) in _DOTTED_I:
        text = text.replace("i", "İ")
    if languages.base(language) == "el":
        text = unicodedata.normalize("NFD", text).replace("\u0301", "")
    return unicodedata.normalize("NFC", text.upper())


def lower_case(text: str, language: str) -> str:
    """Return a text in lower case."""
    if languages.base(language) in _DOTTED_I:
        text = text.replace("İ", "i").replace("I", "ı")
    return text.lower()


def first_letter(text: str, language: str) -> str:
    """Return a text in lower case but for its first letter, as a phone begins it."""
    kept = lower_case(text, language)
    return capitals(kept[:1], language) + kept[1:]


def _after_letters(mark: str, every: int = 1) -> Spell:
    """Return a spelling with a mark between letters, after every so many."""

    def spell(text: str, language: str) -> str:
        return " ".join(
            "".join(
                letter + mark if place % every == 0 and place < len(word) else letter
                for place, letter in enumerate(word, 1)
            )
            for word in text.split()
        )

    return spell


CASES: Mapping[str, Spell] = dict(zip(SPELLINGS, (lower_case, first_letter, capitals), strict=True))
MARKS: Mapping[str, tuple[tuple[str, ...], Spell]] = {
    "tatweel": (("ar", "fa", "ur"), _after_letters("ـ")),
    "vowel signs": (("ar", "fa", "ur"), _after_letters("\u064e")),
    "niqqud": (("he",), _after_letters("\u05b8")),
    "soft hyphens": (CASED, _after_letters("\u00ad", 3)),
    "zero-width characters at the ends": (CASED + POINTED, lambda text, _: f"\u200b{text}\u200d"),
    "a variation selector of emoji": (CASED, lambda text, _: f"{text}\ufe0f"),
}
"""Name to languages and the spelling with the mark."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the tables as Markdown; return 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spelling", description=__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL, help="NAME or FOLDER, with :unlexical without the memory")
    parser.add_argument("--benchmarks", nargs="*", default=list(BENCHMARKS), choices=BENCHMARKS)
    parser.add_argument("--no-gallery", action="store_true", help="the benchmarks alone")
    options = parser.parse_args(arguments)
    name, _, variant = options.model.partition(":")
    if not options.no_gallery:
        retriever = setup.prepare(name)
        retriever.model = retriever.model.variant(variant) if variant else retriever.model
        sys.stdout.write(gallery_tables(retriever, Lexicon({"cldr": sources.fetch("cldr")})))
    model = checkpoint.load(name)
    for split in options.benchmarks:
        sys.stdout.write(benchmark_table(model.variant(variant) if variant else model, split))
    return 0


def gallery_tables(retriever: Retriever, lexicon: Lexicon) -> str:
    """Return the tables of animals: by case and language, and by mark."""
    names = {code: _animals(lexicon, code) for code in dict.fromkeys((*CASED, *POINTED))}
    lines = [f"| right in the top {TOP}, of {len(ANIMALS)} animals | {' | '.join(CASED)} | all |"]
    lines.append("|---" * (len(CASED) + 2) + "|")
    for name, spell in CASES.items():
        right = [_right(retriever, names[code], code, spell) for code in CASED]
        asked = sum(len(names[code]) for code in CASED)
        lines.append(f"| {name} | {' | '.join(map(str, right))} | {sum(right)} of {asked} |")
    lines += ["", f"| right in the top {TOP} | languages | as usual | with the mark |", "|---|---|---|---|"]
    for name, (codes, spell) in MARKS.items():
        usual, marked = (
            sum(_right(retriever, names[code], code, how) for code in codes) for how in (lambda text, _: text, spell)
        )
        asked = sum(len(names[code]) for code in codes)
        lines.append(f"| {name} | {', '.join(codes)} | {usual} of {asked} | {marked} of {asked} |")
    return "\n".join(lines) + "\n\n"


def benchmark_table(model: Cacara, split: str) -> str:
    """Return a benchmark's table: R@1 and R@10 by case, over the languages that have capitals."""
    benchmark = splits.fetch(BENCHMARKS[split], "dev")
    sounds = model.encode_audio(list(splits.waveforms(benchmark)))
    concepts = np.array([clip.concept for clip in benchmark.clips])
    queries: dict[str, list[splits.Query]] = {}
    for query in benchmark.queries:
        queries.setdefault(query.language, []).append(query)
    cased = [code for code, asked in queries.items() if any(capitals(q.text, code) != q.text for q in asked)]
    others = [code for code in cased if is_other(code)]
    lines = [
        f"| {benchmark.name}, R@1 / R@10 | English | {len(others)} others with capitals | German |",
        "|---|---|---|---|",
    ]
    for name, spell in {"as written": lambda text, _: text, **CASES}.items():
        found = {}
        for code in cased:
            embedded = model.encode_text([spell(query.text, code) for query in queries[code]], code)
            right = np.array([query.concept for query in queries[code]])[:, None] == concepts
            found[code] = _recall(embedded @ sounds.T, right)
        mean = np.mean([found[code] for code in others], axis=0)
        cells = (f"{first:.1f} / {ten:.1f}" for first, ten in (found["en"], mean, found["de"]))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n"


def _animals(lexicon: Lexicon, language: str) -> list[tuple[str, str]]:
    named = lexicon.names(language)
    return [(named[f"cldr/{symbol}"], concept) for symbol, concept in ANIMALS.items()]


def _right(retriever: Retriever, named: Iterable[tuple[str, str]], language: str, spell: Spell) -> int:
    """Return how many names find a sound of their concept among the first."""
    count = 0
    for text, concept in named:
        query = retriever.embed(SearchRequest(text=spell(text, language), language=language, top=TOP))
        count += any(retriever.clip(hit.clip_id).concept == concept for hit in retriever.nearest(query, "audio"))
    return count


def _recall(scores: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Return R@1 and R@10 in percent; ties count against the model."""
    best = np.where(right, scores, -np.inf).max(axis=1)
    ranks = ((scores >= best[:, None]) & ~right).sum(axis=1)
    return float((ranks < 1).mean() * 100), float((ranks < 10).mean() * 100)


if __name__ == "__main__":
    sys.exit(main())
