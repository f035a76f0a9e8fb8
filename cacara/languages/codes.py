"""Language codes: from the spellings met in the wild to BCP-47, with names, scripts and directions."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import TYPE_CHECKING

from cacara.errors import LanguageError
from cacara.languages.detection import Detection, Direction, detect, direction_of, direction_of_script, script_of

if TYPE_CHECKING:
    from langcodes import Language as Tag

__all__ = [
    "Detection",
    "Direction",
    "Language",
    "base",
    "describe",
    "detect",
    "direction_of",
    "named",
    "normalise",
    "script_of",
]

MAX_CODE_LENGTH = 64

# language[-subtags][-x-private][.encoding][@modifier], as in POSIX locales; the language has two or three letters.
_LOCALE = re.compile(
    r"(?P<language>[a-z]{2,3})(?P<subtags>([-_][a-z0-9]{2,8})*)(?P<private>[-_]x([-_][a-z0-9]{1,8})+)?"
    r"(\.[a-z0-9-]+)?(@(?P<modifier>[a-z]+))?",
    re.ASCII | re.IGNORECASE,
)
_PRIVATE = re.compile(r"x([-_][a-z0-9]{1,8})+", re.ASCII | re.IGNORECASE)
# gettext's modifiers: a script, a variant, or nothing that concerns the language.
_SCRIPT_MODIFIERS = {"arabic": "Arab", "cyrillic": "Cyrl", "devanagari": "Deva", "iqtelif": "Latn", "latin": "Latn"}
_OTHER_MODIFIERS = {"euro": "", "ijekavian": "-ijekavsk", "tarask": "-tarask", "valencia": "-valencia"}
# Beyond the registry's own replacements (iw, in, tl, sh): Norwegian texts are Bokmål unless they say nn.
_REPLACED = {"no": "nb", "cmn": "zh"}
_NOT_ONE_LANGUAGE = frozenset(("mis", "mul", "und", "zxx"))
_UNKNOWN_SCRIPT = "Zzzz"
# Where CLDR's likely subtags know neither the language nor, by another script, its macrolanguage: by Ethnologue.
_SCRIPTS = {
    **dict.fromkeys(("azb", "ajp", "pnb"), "Arab"),
    **dict.fromkeys(("blk", "ksw", "rki"), "Mymr"),
    **dict.fromkeys(("dhd", "mup"), "Deva"),
    **dict.fromkeys(("kca", "mns", "nio", "nog", "sel"), "Cyrl"),
    **dict.fromkeys(("aii", "cld"), "Syrc"),
    "hyw": "Armn",
    "tmr": "Hebr",
}
MAX_NAME_LENGTH = 60


@dataclasses.dataclass(frozen=True)
class Language:
    """Display properties of a language.

    Attributes:
        code: BCP-47, as ``normalise`` returns it.
        english_name: E.g. ``Portuguese (Brazil)``; the code itself for an unknown language.
        autonym: Its own name for itself, e.g. ``português (Brasil)``; the English name or code where none is known.
        script: ISO 15924, the usual one unless the code names another; ``Zzzz`` for an unknown language.
        direction: ``ltr`` or ``rtl``.
    """

    code: str
    english_name: str
    autonym: str
    script: str
    direction: Direction


@functools.lru_cache(maxsize=4096)
def normalise(code: str) -> str:
    """Return ``code`` as BCP-47: ``pt_BR`` → ``pt-BR``, ``sr@latin`` → ``sr-Latn``, ``iw`` → ``he``, ``no`` → ``nb``.

    Chinese is told apart by script (``zh_CN`` → ``zh-Hans``, ``zh_HK`` → ``zh-Hant``) and ``tl`` is ``fil``. A
    well-formed code of a language nobody has registered passes: a later registry may know it. So do private codes,
    ``x-foo`` for a language and ``de-x-kiez`` for a variety.

    Raises:
        LanguageError: ``code`` has not the form of a language code, or stands for none or several languages. A name
            such as ``Swahili`` is answered with its code.
    """
    from langcodes import Language as Tag
    from langcodes.tag_parser import LanguageTagError

    if len(code) <= MAX_CODE_LENGTH and _PRIVATE.fullmatch(code):
        return code.replace("_", "-").lower()
    match = _LOCALE.fullmatch(code) if len(code) <= MAX_CODE_LENGTH else None
    if match is None:
        suggested = f"did you mean {meant!r}? " if (meant := named(code)) else ""
        raise _not_a_code(code, f"{suggested}wanted BCP-47 or a locale such as 'pt-BR', 'pt_BR' or 'sr@latin'")
    modifier = (match["modifier"] or "").lower()
    if modifier and modifier not in {**_SCRIPT_MODIFIERS, **_OTHER_MODIFIERS}:
        raise _not_a_code(code, f"wanted one of {sorted(_SCRIPT_MODIFIERS | _OTHER_MODIFIERS)} after '@'")
    script = f"-{_SCRIPT_MODIFIERS[modifier]}" if modifier in _SCRIPT_MODIFIERS else ""
    spelled = f"{match['language']}{script}{match['subtags']}{_OTHER_MODIFIERS.get(modifier, '')}"
    try:
        tag = Tag.get(spelled)
    except LanguageTagError as error:
        raise _not_a_code(code, str(error)) from error
    language = _REPLACED.get(tag.language or "und", tag.language or "und")
    if language in _NOT_ONE_LANGUAGE:
        raise _not_a_code(code, "wanted one language")
    private = (match["private"] or "").replace("_", "-").lower()
    if language == "zh" and (tag.territory or tag.script):
        return f"zh-{tag.maximize().script}{private}"
    # Codes older than BCP-47 are kept as a private part: ``zh-min`` is ``nan-x-zh-min`` to langcodes.
    return "-".join((language, *tag.to_tag().partition("-x-")[0].split("-")[1:])) + private


@functools.lru_cache(maxsize=4096)
def named(name: str) -> str | None:
    """Return the code of the language that a name means in English or in itself: ``Swahili``, ``Kiswahili`` → ``sw``.

    None where it means none that is known.
    """
    import langcodes

    if not name.strip() or len(name) > MAX_NAME_LENGTH or not name.isprintable():  # half of a surrogate pair is not
        return None
    try:
        return normalise(langcodes.find(name.strip()).to_tag())
    except (LookupError, LanguageError):
        return None


def base(code: str) -> str:
    """Return the language alone: ``pt`` for ``pt-BR``, ``zh`` for ``zh_TW``; a private one is itself, ``x-foo``.

    Raises:
        LanguageError: ``code`` is no language code.
    """
    code = normalise(code)
    return code if code.startswith("x-") else code.partition("-")[0]


@functools.lru_cache(maxsize=4096)
def describe(code: str) -> Language:
    """Return names, script and direction of a language; an unknown one is named by its code.

    Raises:
        LanguageError: ``code`` is no language code.
    """
    from langcodes import Language as Tag

    code = normalise(code)
    public, _, private = code.partition("-x-")
    tag = Tag.get(public)
    if tag.language_name().startswith("Unknown language"):
        script = tag.script or _UNKNOWN_SCRIPT
        return Language(code, code, code, script, direction_of_script(script))
    further = [*(tag.variants or ()), *([f"x-{private}"] if private else [])]
    variants = f" ({', '.join(further)})" if further else ""
    script = tag.script or _usual_script(tag)
    return Language(code, tag.display_name() + variants, tag.autonym() + variants, script, direction_of_script(script))


def _usual_script(tag: Tag) -> str:
    """Return the script that a language is usually written in; Latin where nothing is known of it."""
    from langcodes import Language as Tag
    from langcodes.data_dicts import LIKELY_SUBTAGS, MACROLANGUAGES

    own = tag.language or "und"
    if own in _SCRIPTS:
        return _SCRIPTS[own]
    macro = MACROLANGUAGES.get(own)
    known = tag if own in LIKELY_SUBTAGS or not macro else Tag.make(macro, territory=tag.territory)
    return known.maximize().script or _UNKNOWN_SCRIPT


def _not_a_code(code: str, wanted: str) -> LanguageError:
    return LanguageError(f"{code[:MAX_CODE_LENGTH]!r} is not a language code; {wanted}")
