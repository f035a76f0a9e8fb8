"""The built-in lexicon: what things are called in many languages, from CLDR's emoji and Tux Paint's stamps.

Nothing of it is stored here; the two packages are fetched and read where they lie.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from cacara import languages, sources
from cacara.errors import CacaraError, LanguageError, SourceError
from cacara.sources.clients import Report, silent
from cacara.sources.texts import content_folder, read_stamp_texts
from cacara.words.word_lists import Entry, clean

_INHERITED = "↑↑↑"
_ARTICLES = ("a ", "an ", "the ", "some ")


@dataclasses.dataclass(frozen=True)
class Concept:
    """One thing that has a name.

    Attributes:
        key: ``cldr/🐕`` or ``tuxpaint/animals/dogs/dog``.
        name: In English, without article and full stop.
        symbol: The emoji, or the empty string.
    """

    key: str
    name: str
    symbol: str = ""


class Lexicon:
    """Concepts and what they are called; read from disk at the first use of each part."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        """Remember where the texts are.

        Args:
            folders: Where ``cldr`` and ``tuxpaint`` were fetched to; either may be missing.
        """
        self._folders = {key: content_folder(key, folder) for key, folder in folders.items()}
        self._named: dict[str, Mapping[str, str]] = {}

    @functools.cached_property
    def concepts(self) -> tuple[Concept, ...]:
        """All concepts by English name; of several of one name in one source the first."""
        found: dict[tuple[str, str], Concept] = {}
        if "cldr" in self._folders:
            for symbol, name in self._emoji("en").items():
                found.setdefault(("cldr", name.lower()), Concept(f"cldr/{symbol}", name, symbol))
        if "tuxpaint" in self._folders:
            for path in sorted(self._folders["tuxpaint"].rglob("*.txt")):
                key = path.relative_to(self._folders["tuxpaint"]).with_suffix("").as_posix()
                if name := bare_name(read_stamp_texts(path).get("en", "")):
                    found.setdefault(("tuxpaint", name.lower()), Concept(f"tuxpaint/{key}", name))
        return tuple(sorted(found.values(), key=lambda concept: (concept.name.lower(), concept.key)))

    def entries(self, key: str) -> list[Entry]:
        """Return a concept's names, one a language, English first; the concept of each is the English name.

        Raises:
            CacaraError: There is no such concept.
        """
        concept = self._by_key.get(key)
        if concept is None:
            raise CacaraError(f"the lexicon has no concept {key!r:.80}")
        source, _, rest = key.partition("/")
        texts = self._stamp(rest) if source == "tuxpaint" else self._names(rest)
        made: dict[str, Entry] = {}
        for locale, text in texts.items():
            try:
                code = languages.normalise(locale)
            except LanguageError:
                continue
            if text := clean(text):
                made.setdefault(code, Entry(code, text, concept.name))
        return sorted(made.values(), key=lambda entry: (entry.language != "en", entry.language))

    def names(self, language: str) -> Mapping[str, str]:
        """Return what concepts are called in a language, by their keys; those without a name there are left out.

        Args:
            language: BCP-47; where it has none of a source's names, its base language is asked.
        """
        if language not in self._named:
            wanted = [languages.normalise(language), languages.base(language)]
            self._named[language] = {**self._stamp_names(wanted), **self._emoji_names(wanted)}
        return self._named[language]

    def _emoji_names(self, wanted: Sequence[str]) -> dict[str, str]:
        place = self._folders.get("cldr")
        locale = next((code for code in wanted if place and (place / code / "annotations.json").is_file()), None)
        return {f"cldr/{symbol}": name for symbol, name in self._emoji(locale).items()} if locale else {}

    def _stamp_names(self, wanted: Sequence[str]) -> dict[str, str]:
        named = {}
        for concept in self.concepts:
            source, _, member = concept.key.partition("/")
            if source == "tuxpaint":
                texts = {_code(locale): text for locale, text in self._stamp(member).items()}
                if text := next((texts[code] for code in wanted if texts.get(code)), ""):
                    named[concept.key] = clean(text).rstrip(" .!")
        return named

    @functools.cached_property
    def _by_key(self) -> Mapping[str, Concept]:
        return {concept.key: concept for concept in self.concepts}

    def _stamp(self, member: str) -> dict[str, str]:
        return read_stamp_texts(self._folders["tuxpaint"] / f"{member}.txt")

    def _names(self, symbol: str) -> dict[str, str]:
        folders = sorted(path.parent.name for path in self._folders["cldr"].glob("*/annotations.json"))
        named = {locale: self._emoji(locale).get(symbol) for locale in folders if locale not in ("und", "root")}
        return {locale: name for locale, name in named.items() if name}

    def _emoji(self, locale: str) -> Mapping[str, str]:
        return _read_emoji(self._folders["cldr"] / locale / "annotations.json")


def _code(locale: str) -> str:
    try:
        return languages.normalise(locale)
    except LanguageError:
        return ""


def load(report: Report = silent) -> Lexicon:
    """Return the lexicon, its packages fetched when they are missing; one that cannot be had is done without.

    Raises:
        SourceError: Neither can be had.
    """
    folders: dict[str, Path] = {}
    problem: SourceError | None = None
    for key in ("cldr", "tuxpaint"):
        try:
            folders[key] = sources.fetch(key, report)
        except SourceError as error:
            problem = error
    if problem is not None and not folders:
        raise problem
    return Lexicon(folders)


def bare_name(description: str) -> str:
    """Return a description without article and full stop: ``A dog.`` → ``dog``."""
    name = clean(description).strip(" .!")
    for article in _ARTICLES:
        if name.lower().startswith(article):
            return name[len(article) :]
    return name


@functools.lru_cache(maxsize=256)
def _read_emoji(path: Path) -> Mapping[str, str]:
    rows = json.loads(path.read_text(encoding="utf-8"))["annotations"].get("annotations", {})
    named = {symbol: entry["tts"][0].strip() for symbol, entry in rows.items() if entry.get("tts")}
    return {symbol: name for symbol, name in named.items() if name and name != _INHERITED}
