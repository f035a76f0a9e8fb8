"""Language codes: from the spellings met in the wild to BCP-47, with names, scripts and directions."""

from __future__ import annotations

import dataclasses
import functools
import re

from cacara.errors import LanguageError
from cacara.languages.detection import Detection, Direction, detect, direction_of, direction_of_script, script_of

__all__ = [
    "Detection",
    "Direction",
    "Language",
    "base",
    "describe",
    "detect",
    "direction_of",
    "normalise",
    "script_of",
]

MAX_CODE_LENGTH = 64

# language[-subtags][.encoding][@modifier], as in POSIX locales; the language proper has two or three letters.
_LOCALE = re.compile(
    r"(?P<language>[a-z]{2,3})(?P<subtags>([-_][a-z0-9]{2,8})*)(\.[a-z0-9-]+)?(@(?P<modifier>[a-z]+))?",
    re.ASCII | re.IGNORECASE,
)
# gettext's modifiers: a script, a variant, or nothing that concerns the language.
_SCRIPT_MODIFIERS = {"arabic": "Arab", "cyrillic": "Cyrl", "devanagari": "Deva", "iqtelif": "Latn", "latin": "Latn"}
_OTHER_MODIFIERS = {"euro": "", "ijekavian": "-ijekavsk", "tarask": "-tarask", "valencia": "-valencia"}
# Beyond the registry's own replacements (iw, in, tl, sh): Norwegian texts are Bokmål unless they say nn.
_REPLACED = {"no": "nb", "cmn": "zh"}
_NOT_ONE_LANGUAGE = frozenset(("mis", "mul", "und", "zxx"))
_UNKNOWN_SCRIPT = "Zzzz"


@dataclasses.dataclass(frozen=True)
class Language:
    """What to show for a language.

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
    well-formed code of a language nobody has registered passes: a later registry may know it.

    Raises:
        LanguageError: ``code`` has not the form of a language code, or stands for none or several languages.
    """
    from langcodes import Language as Tag
    from langcodes.tag_parser import LanguageTagError

    match = _LOCALE.fullmatch(code) if len(code) <= MAX_CODE_LENGTH else None
    if match is None:
        raise _not_a_code(code, "wanted BCP-47 or a locale such as 'pt-BR', 'pt_BR' or 'sr@latin'")
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
    if language == "zh" and (tag.territory or tag.script):
        return f"zh-{tag.maximize().script}"
    # Codes older than BCP-47 are kept as a private part: ``zh-min`` is ``nan-x-zh-min`` to langcodes.
    return "-".join((language, *tag.to_tag().partition("-x-")[0].split("-")[1:]))


def base(code: str) -> str:
    """Return the language alone: ``pt`` for ``pt-BR``, ``zh`` for ``zh_TW``.

    Raises:
        LanguageError: ``code`` is no language code.
    """
    return normalise(code).partition("-")[0]


@functools.lru_cache(maxsize=4096)
def describe(code: str) -> Language:
    """Return names, script and direction of a language; an unknown one is named by its code.

    Raises:
        LanguageError: ``code`` is no language code.
    """
    from langcodes import Language as Tag

    code = normalise(code)
    tag = Tag.get(code)
    if tag.language_name().startswith("Unknown language"):
        script = tag.script or _UNKNOWN_SCRIPT
        return Language(code, code, code, script, direction_of_script(script))
    variants = f" ({', '.join(tag.variants)})" if tag.variants else ""
    script = tag.maximize().script or _UNKNOWN_SCRIPT
    return Language(code, tag.display_name() + variants, tag.autonym() + variants, script, direction_of_script(script))


def _not_a_code(code: str, wanted: str) -> LanguageError:
    return LanguageError(f"{code[:MAX_CODE_LENGTH]!r} is not a language code; {wanted}")
