"""Wiktionary's words of other languages with English glosses, as the repository Wiktionary-Dictionaries has them.

``X-English Wiktionary dictionary.tsv`` names the language in English. A line is the headword with its other forms by
``|``, a tab, and HTML: for each part of speech ``<i>noun</i><br><ol><li>gloss</li>…</ol>``. A gloss begins with labels
in brackets and holds several translations by commas; after a semicolon often comes a definition.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from cacara.errors import SourceError
from training.data.corpora.words.entries import Entry, language_of, plain, plain_english, text_of

SOURCE = "wiktionary-dictionaries"
SENSES = 2
"""Of each part of speech: later ones are rare."""
GLOSSES = 3
"""Of each sense."""
MAX_WORDS = 3
_SUFFIX = "-English Wiktionary dictionary.tsv"
_PARTS = {"noun": "noun", "verb": "verb", "adj": "adjective", "adv": "adverb"}
_NO_WORDS = frozenset(
    (
        "name",
        "romanization",
        "character",
        "letter",
        "symbol",
        "prefix",
        "suffix",
        "affix",
        "infix",
        "interfix",
        "circumfix",
        "combining_form",
        "punct",
        "root",
        "diacritical mark",
        "soft-redirect",
        "syllable",
        "han",
    )
)
_BLOCK = re.compile(r"<i>([^<]*)</i><br>\s*<ol>(.*?)</ol>", re.DOTALL)
_GLOSS = re.compile(r"<li>(.*?)</li>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_LABELS = re.compile(r"^\s*\(([^()]*)\)")
_RARE = re.compile(r"\b(?:obsolete|archaic|dated|historical|rare|form of|nonstandard|misspelling)\b")
_VULGAR = re.compile(r"\b(?:vulgar|offensive|derogatory|slur|ethnic slur|pejorative)\b")
_NO_TRANSLATION = re.compile(
    r"\b(?:forms?|plural|singular|tense|participle|letter|given name|surname|spelling|synonym|abbreviation|initialism|"
    r"diminutive|augmentative|romanization|gerund|alphabet|infinitive|imperative|genitive|dative|accusative|nominative|"
    r"person|clipping|contraction|comparative|superlative|causative|misspelling|ellipsis|noun) of\b|^(?:used|compound|"
    r"alternative|see|of|in|with|a kind|abstract noun|e\.g|i\.e|especially|usually|like|which|that|such)\b|"
    r"\b(?:kind|type|sort|species|genus|variety|name|term) of\b|\betc\b|\b(?:some)?one's\b|…|\.\.\.",
    re.IGNORECASE,
)
# Languages that langcodes does not know by Wiktionary's name, or takes for another; None: no code, or several.
_NAMES: Mapping[str, str | None] = {
    "Bourguignon": None,
    "Central Franconian": "ksh",
    "Dupaningan Agta": "duo",
    "East Central German": None,
    "German Low German": "nds",
    "Norman": "nrf",
    "Phuthi": None,
    "Prakrit": "pra",
    "Rwanda-Rundi": "rw",
    "Taos": "twf",
    "Tarantino": None,
    "Westrobothnian": None,
}
_DEAD = ("Proto-", "Old ", "Middle ", "Ancient ", "Classical ")


def read(folder: Path) -> Iterator[Entry]:
    """Yield entries of living languages: short glosses of the first senses, in their order.

    Names, letters and affixes are left out, and so are glosses that describe the word instead of translating it
    ("plural of", "a kind of"). Spellings that differ from the headword in diacritics alone are entries too: Yoruba's
    tones, Latin's long vowels.

    Raises:
        SourceError: The folder holds no such dictionary, or one is damaged.
    """
    paths = sorted(folder.rglob(f"*{_SUFFIX}"))
    if not paths:
        raise SourceError(f"{folder} holds no *{_SUFFIX}; wanted the repository Wiktionary-Dictionaries")
    for path in paths:
        language = _language(path.name.removesuffix(_SUFFIX))
        if language is None:
            continue
        for line in text_of(path, "replace").split("\n"):
            forms, _, content = line.partition("\t")
            for word in _spellings(forms.split("|")):
                yield from _entries(word, language, content)


def _language(name: str) -> str | None:
    from langcodes import find

    if name.startswith(_DEAD):
        return None
    if name in _NAMES:
        code = _NAMES[name]
        return language_of(code) if code else None
    try:
        return language_of(find(name).to_tag())
    except LookupError:
        return None


def _spellings(forms: list[str]) -> list[str]:
    """Return the headword and those of the other forms that differ from it in diacritics alone."""
    word = plain(forms[0])
    bare = _without_marks(word)
    others = [form for form in map(plain, forms[1:]) if _without_marks(form) == bare]
    return list(dict.fromkeys([word, *others])) if bare else []


def _without_marks(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _entries(word: str, language: str, content: str) -> Iterator[Entry]:
    sense = 0
    for part, items in _BLOCK.findall(content):
        if part in _NO_WORDS:
            continue
        for item in _GLOSS.findall(items)[:SENSES]:
            gloss = html.unescape(_TAG.sub("", item))
            labels = match[1] if (match := _LABELS.match(gloss)) else ""
            if _RARE.search(labels):
                continue
            found = _translations(gloss)
            for english, verb in found:
                known = "verb" if verb else _PARTS.get(part)
                yield Entry(english, language, word, SOURCE, known, sense, bool(_VULGAR.search(labels)))
            sense += bool(found)


def _translations(gloss: str) -> list[tuple[str, bool]]:
    """Return the short translations that a gloss begins with, each with whether it is an infinitive."""
    found: list[tuple[str, bool]] = []
    for piece in re.split(r"[,;:]|\bor\b", plain(gloss)):
        if _NO_TRANSLATION.search(piece.strip()):
            break
        english, verb = plain_english(piece)
        if english and len(english.split()) <= MAX_WORDS:
            found.append((english, verb))
        else:
            break  # a definition has begun
    return found[:GLOSSES]
