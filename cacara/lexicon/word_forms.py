"""Words of a text as a lexicon would list them: keys, stems, and the pieces of compounds and of unspaced writing.

These are rules over letters; which of the candidates is a word only the table knows. So functions here yield
candidates, the surest first, and ``reader`` takes the first one of which the table knows every piece.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import threading
import unicodedata
from collections.abc import Callable, Iterator

import regex

from cacara.languages.spelling import DOTTED_I

PHRASE_WORDS = 3
"""Words of the longest phrases that are entries."""
LONGEST_PIECE = 8
"""Characters of the longest word that is looked for in writing without spaces."""
PREFIX_SHARE = 0.6
"""Share of its letters that a word must begin with to be taken for a form of what it begins with."""
MIN_PREFIX = 3
MIN_PART = 3
"""Letters of a part of a compound."""
STEM, ROOT = "\x01", "\x02"
"""Put before Snowball's stem of a word, and before a word without its last vowels, to tell these keys from words."""

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['\-\u200c\u200d\u00b7][\p{L}\p{M}\p{N}]+)*")
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\u3005\u30fc\p{Thai}\p{Khmer}\p{Lao}\p{Myanmar}]+")
_HANGUL = regex.compile(r"\p{Hangul}+")
_POINTS = regex.compile("[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u0652\u0670]")
_JOINERS = regex.compile("[\u200c\u200d]")
_PLAIN = str.maketrans(
    {"\u2019": "'", "\u02bc": "'", "\u02bb": "'", "\u2018": "'", "\u00b4": "'", "\u2011": "-", "\u2010": "-"}
)
_TATWEEL = "\u0640"

# Base language -> Snowball algorithm.
_STEMMERS = {
    "ar": "arabic", "bs": "serbian", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek",
    "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hr": "serbian", "hu": "hungarian", "hy": "armenian",
    "id": "indonesian", "it": "italian", "lt": "lithuanian", "ms": "indonesian", "nb": "norwegian", "ne": "nepali",
    "nl": "dutch", "nn": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "st": "sesotho", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
# Words of these do not inflect by endings, so a lost last vowel makes another word.
_UNINFLECTED = frozenset("ak ee ig ja km ko lo my th tw vi yo yue zh".split())
_VOWELS = frozenset("aeiouyæøœəıɛɔаеёиіїйоуыэюяєўјьъაეიოუ")
_MIN_ROOT = 3

_COMPOUNDING = frozenset("af da de et fi fo fy hu is lb nb nds nl nn sv".split())
_LINKS = ("", "s", "e", "n", "en", "es", "er")

_ARABIC_BEFORE = ("وال", "بال", "كال", "فال", "لل", "ال", "و", "ب", "ل", "ف", "ك")
_ARABIC_AFTER = ("ات", "ان", "ين", "ون", "ها", "هم", "نا", "ة", "ه", "ي", "ا")
_HEBREW_BEFORE = frozenset("הובלכמש")
_HEBREW_AFTER = ("ים", "ות", "ה", "ת", "י")
_KOREAN_AFTER = tuple(
    "으로부터 에서는 에서의 이라는 에게서 에서 에게 으로 까지 부터 처럼 보다 마다 들이 들의 들은 "
    "들을 이나 라는 하는 하고 한테 이 가 은 는 을 를 의 에 와 과 로 도 만 들".split()
)
_KOREAN_ENDINGS = tuple("는다 었다 았다 에는 는 은 고 지 며 아 어 면 게 기 다".split())


@dataclasses.dataclass(frozen=True)
class Form:
    """One way to read a word.

    Attributes:
        pieces: The keys to look up, which must all be known.
        kind: ``stem``, ``affix``, ``compound`` or ``beginning``.
    """

    pieces: tuple[str, ...]
    kind: str


def normalise(text: str, language: str | None = None) -> str:
    """Return a text in NFC, casefolded, with plain apostrophes and hyphens.

    Args:
        text: Any text.
        language: Base language, if known: in Turkish and its like the dotless capital I is the dotless small one's.
    """
    text = unicodedata.normalize("NFC", text)
    if language in DOTTED_I:
        text = text.replace("\u0130", "i").replace("I", "\u0131")
    return unicodedata.normalize("NFC", text.casefold()).translate(_PLAIN)


def words(text: str) -> list[str]:
    """Return the words of a normalised text; in writing without spaces a run of letters is one."""
    return _WORD.findall(text)


def key(text: str, language: str | None = None) -> str:
    """Return a word or phrase as the table's entries are spelled."""
    return " ".join(words(normalise(text, language)))


def spellings(word: str) -> list[str]:
    """Return a word as it is written, then without tatweel, then without points, then without joiners."""
    found = [word]
    for plain in (
        lambda text: text.replace(_TATWEEL, ""),
        lambda text: _POINTS.sub("", text),
        lambda text: _JOINERS.sub("", text),
    ):
        if (other := plain(found[-1])) != found[-1] and other:
            found.append(other)
    return found


def is_unspaced(word: str) -> bool:
    """Return whether a word is a run of letters of a script that leaves no spaces between words."""
    return len(word) > 1 and _UNSPACED.fullmatch(word) is not None


def is_kana(character: str) -> bool:
    """Return whether a character is Japanese kana, which alone is a particle or an ending."""
    return "\u3040" <= character <= "\u30ff"


def stem_key(word: str, language: str) -> str | None:
    """Return the key under which forms of a word meet, beside its own; None where there is none.

    Args:
        word: One normalised word without points.
        language: Base language.
    """
    if language in _STEMMERS:
        stem = _stem(word, language)
        return None if stem is None else STEM + stem
    if language in _UNINFLECTED or len(word) <= _MIN_ROOT:
        return None
    root = word
    while len(root) > _MIN_ROOT and _is_ending(root[-1]):
        root = root[:-1]
    return None if root == word else ROOT + root


def forms(word: str, language: str) -> Iterator[Form]:
    """Yield the ways to read a word that the table does not know as it stands, the surest first.

    Args:
        word: One normalised word of a script with spaces.
        language: Base language.
    """
    bare = spellings(word)[-1]
    if _HANGUL.fullmatch(bare):
        yield from _korean(bare)
        return
    if "-" in bare:
        yield Form(tuple(part for part in bare.split("-") if part), "compound")
    if "'" in bare:
        yield from (Form((part,), "affix") for part in sorted(bare.split("'"), key=len, reverse=True) if len(part) > 1)
    if language == "ar":
        yield from _arabic(bare)
    elif language == "he":
        yield from _hebrew(bare)
    if language in _STEMMERS and (stem := _stem(bare, language)) is not None:
        yield Form((STEM + stem,), "stem")
        yield Form((stem,), "stem")
    if language in _COMPOUNDING:
        yield from _compounds(bare)
    yield from _beginnings(bare, language)


def _beginnings(word: str, language: str) -> Iterator[Form]:
    shortest = max(MIN_PREFIX, math.ceil(len(word) * PREFIX_SHARE))
    rooted = language not in _STEMMERS and language not in _UNINFLECTED
    if rooted and len(word) >= MIN_PREFIX:
        yield Form((ROOT + word,), "stem")
    for size in range(len(word) - 1, shortest - 1, -1):
        yield Form((word[:size],), "beginning")
        if rooted:
            yield Form((ROOT + word[:size],), "stem" if len(word) - size <= 2 else "beginning")


def _is_ending(letter: str) -> bool:
    if unicodedata.category(letter)[0] == "M":
        return True
    return letter in _VOWELS or unicodedata.normalize("NFD", letter)[0] in _VOWELS


def _stem(word: str, language: str) -> str | None:
    stem = _stemmer(_STEMMERS[language], threading.get_ident())(word)
    return stem if len(stem) >= 2 else None


@functools.lru_cache(maxsize=128)
def _stemmer(algorithm: str, thread: int) -> Callable[[str], str]:
    """Return a stemmer; it keeps the word that it works on, so every thread has its own."""
    import snowballstemmer

    return snowballstemmer.stemmer(algorithm).stemWord


def _arabic(word: str) -> Iterator[Form]:
    starts = [word.removeprefix(before) for before in _ARABIC_BEFORE if word.startswith(before)]
    starts = [start for start in starts if len(start) >= 2]
    yield from (Form((start,), "affix") for start in starts)
    for start, after in itertools.product((word, *starts), _ARABIC_AFTER):
        if start.endswith(after) and len(start) - len(after) >= MIN_PREFIX:
            yield Form((start.removesuffix(after),), "affix")
            yield Form((start.removesuffix(after) + "ة",), "affix")


def _hebrew(word: str) -> Iterator[Form]:
    starts = [word[size:] for size in (1, 2) if len(word) - size >= 2 and set(word[:size]) <= _HEBREW_BEFORE]
    yield from (Form((start,), "affix") for start in starts)
    for start, after in itertools.product((word, *starts), _HEBREW_AFTER):
        if start.endswith(after) and len(start) - len(after) >= MIN_PREFIX - 1:
            yield Form((start.removesuffix(after),), "affix")
            yield Form((start.removesuffix(after) + "ה",), "affix")


def _korean(word: str) -> Iterator[Form]:
    for after in _without_endings(word, _KOREAN_AFTER):
        yield Form((after,), "affix")
    for verb in _without_endings(word, _KOREAN_ENDINGS):
        yield Form((verb + "다",), "affix")
    for size in range(len(word) - 1, 0, -1):
        for rest in (word[size:], *_without_endings(word[size:], _KOREAN_AFTER)):
            if size >= 2 or len(rest) >= 2:
                yield Form((word[:size], rest), "compound")
    for size in range(len(word) - 1, 1, -1):
        yield Form((word[:size],), "beginning")


def _without_endings(word: str, endings: tuple[str, ...]) -> list[str]:
    return [word.removesuffix(end) for end in endings if word.endswith(end) and len(word) > len(end)]


def _compounds(word: str) -> Iterator[Form]:
    """Yield a compound's two parts, the longest second part first: it says what the thing is."""
    for cut, link in itertools.product(range(MIN_PART, len(word) - MIN_PART + 1), _LINKS):
        first = word[:cut]
        if first.endswith(link) and cut - len(link) >= MIN_PART:
            yield Form((first.removesuffix(link), word[cut:]), "compound")
