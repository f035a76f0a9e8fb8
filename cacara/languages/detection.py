"""Detection of a query's script and language; it abstains rather than guesses.

A script that (nearly) one language uses decides at once, so a single ``개`` is Korean. For the shared scripts py3langid
(naive Bayes over byte n-grams, weights in its package) ranks 139 languages; ``_confidence`` corrects it for shortness.
All functions read the first ``CHARACTERS_READ`` characters only.

Measured on Tux Paint's descriptions of the stamps WITHOUT a sound (40,021 texts, 72 languages, 66 of them known here);
``LETTERS_TO_TRUST`` was chosen on these alone: the smallest value that is right for 90 % of its answers over all 72.

====================================  ========  ========  ==========  ===========  =======
answered / right when answered, in %  texts     all       one word    2 or 3       longer
====================================  ========  ========  ==========  ===========  =======
those, known languages                37,500    70 / 93   44 / 96     65 / 91      95 / 93
stamps with a sound (never tuned on)  7,438     53 / 93   39 / 96     56 / 92      93 / 91
CLDR's emoji names, 105 languages     16,252    70 / 90   43 / 91     80 / 90      97 / 88
====================================  ========  ========  ==========  ===========  =======

Where py3langid finds two languages nearly as likely, the text encoder was trained on the second alone, and twenty
times as many people speak that one, the second is answered: "mbwa anabweka" is Swahili rather than Luganda. Of the
36,195 texts of those languages that py3langid ranks 62.3 % are answered and 90.8 % of them rightly (90.9 without that),
of the dev split's 3,170 queries 35.2 % and 84.3 % (84.0 without).

Weak where languages differ little in a few words: Latin Serbian/Croatian/Bosnian, Malay/Indonesian, Bokmål/Danish,
Aragonese/Asturian/Spanish; Tigrinya is taken for Amharic and Yiddish for Hebrew.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import threading
import unicodedata
from typing import TYPE_CHECKING, Literal

from cacara.languages.encoder_languages import TRAINED_ON

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

Direction = Literal["ltr", "rtl"]


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split(":") for pair in text.split())


# The first word of a letter's Unicode name -> its script, ISO 15924.
_SCRIPTS = _pairs("""
    ADLAM:Adlm ARABIC:Arab ARMENIAN:Armn BALINESE:Bali BENGALI:Beng BOPOMOFO:Bopo BUGINESE:Bugi CANADIAN:Cans
    CHAKMA:Cakm CHEROKEE:Cher CJK:Hani COPTIC:Copt CYRILLIC:Cyrl DEVANAGARI:Deva ETHIOPIC:Ethi GEORGIAN:Geor
    GREEK:Grek GUJARATI:Gujr GURMUKHI:Guru HANGUL:Hang HANIFI:Rohg HEBREW:Hebr HIRAGANA:Hira IDEOGRAPHIC:Hani
    JAVANESE:Java KANNADA:Knda KATAKANA:Kana KHMER:Khmr LAO:Laoo LATIN:Latn LEPCHA:Lepc LIMBU:Limb LISU:Lisu
    MALAYALAM:Mlym MEETEI:Mtei MONGOLIAN:Mong MYANMAR:Mymr NKO:Nkoo OL:Olck ORIYA:Orya OSAGE:Osge SINHALA:Sinh
    SUNDANESE:Sund SYRIAC:Syrc TAMIL:Taml TELUGU:Telu THAANA:Thaa THAI:Thai TIBETAN:Tibt TIFINAGH:Tfng VAI:Vaii YI:Yiii
""")
_RIGHT_TO_LEFT = frozenset(("Adlm", "Arab", "Aran", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"))
_LANGUAGE_OF_SCRIPT = _pairs("""
    Armn:hy Bali:ban Bopo:zh Bugi:bug Cakm:ccp Cher:chr Geor:ka Grek:el Gujr:gu Guru:pa Java:jv Jpan:ja Khmr:km
    Knda:kn Kore:ko Laoo:lo Lepc:lep Limb:lif Lisu:lis Mlym:ml Mtei:mni Mymr:my Nkoo:nqo Olck:sat Orya:or Osge:osa
    Rohg:rhg Sinh:si Sund:su Taml:ta Telu:te Thaa:dv Thai:th Vaii:vai Yiii:ii
""")
# In other scripts py3langid has no features of its own and answers at random (Inuktitut syllabics became Amharic).
_SCRIPTS_TO_RANK = frozenset(("Arab", "Beng", "Cyrl", "Deva", "Ethi", "Hani", "Hebr", "Latn", "Tibt"))
# py3langid's label -> the code used here: its macrolanguage, its modern form, or its two-letter code.
_LABELS = _pairs("""
    ary:ar arz:ar fuv:ff gom:kok grc:el gug:gn hbo:he kik:ki ltg:lv no:nb tl:fil uzs:uz wuu:zh yue:zh
""")
_NO_LANGUAGE = "zxx"

NEARLY_AS_LIKELY = 0.5
FAR_MORE_SPEAKERS = 20
CHARACTERS_READ = 1000
MIN_SCRIPT_SHARE = 0.6
LETTERS_TO_TRUST = 6.5
ANSWER_FROM = 0.5

_LOADING = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Detection:
    """The language of a text, or none.

    Attributes:
        language: Its base language (``pt`` for Brazilian Portuguese too), or None when nothing is certain enough.
        confidence: In [0, 1]. Of the best guess, so also below ``ANSWER_FROM`` when ``language`` is None.
    """

    language: str | None
    confidence: float


def script_of(text: str) -> str:
    """Return the script most letters of ``text`` are in, as in ISO 15924: ``Latn``, ``Arab``, ``Hani``.

    Japanese is ``Jpan`` as soon as there is kana, Korean ``Kore`` as soon as there is hangul. ``Zyyy`` means that there
    are no letters, ``Zzzz`` that their script is not listed here.
    """
    letters = _letters_by_script(_beginning(text))
    return letters.most_common(1)[0][0] if letters else "Zyyy"


def direction_of_script(script: str) -> Direction:
    """Return the writing direction of an ISO 15924 script."""
    return "rtl" if script in _RIGHT_TO_LEFT else "ltr"


def direction_of(text: str) -> Direction:
    """Return the direction of the script most letters of ``text`` are in; ``ltr`` when there are none."""
    return direction_of_script(script_of(text))


def detect(text: str) -> Detection:
    """Return the language of a query, or abstain.

    It abstains for text without letters, in several scripts without a clear majority, in a script whose languages are
    not told apart here, that looks like no language, and whenever the guess is not certain enough.
    """
    text = _beginning(text)
    letters = _letters_by_script(text)
    if not letters:
        return Detection(None, 0.0)
    script, count = letters.most_common(1)[0]
    share = count / letters.total()
    if share < MIN_SCRIPT_SHARE:
        return Detection(None, 0.0)
    if script in _LANGUAGE_OF_SCRIPT:
        return Detection(_LANGUAGE_OF_SCRIPT[script], share)
    if script not in _SCRIPTS_TO_RANK:
        return Detection(None, 0.0)
    language, probability = _most_probable(_words(text, script))
    if language == _NO_LANGUAGE:
        return Detection(None, 0.0)
    confidence = _confidence(probability, count)
    return Detection(language if confidence >= ANSWER_FROM else None, confidence)


def ranked(text: str) -> dict[str, float]:
    """Return the languages that a text may be in by its letters, with probabilities that sum to 1; empty for none.

    Other than ``detect`` it does not abstain: of a short text the probabilities say little.
    """
    text = _beginning(text)
    letters = _letters_by_script(text)
    if not letters:
        return {}
    script, _ = letters.most_common(1)[0]
    if script in _LANGUAGE_OF_SCRIPT:
        return {_LANGUAGE_OF_SCRIPT[script]: 1.0}
    if script not in _SCRIPTS_TO_RANK:
        return {}
    posterior = _posterior(_words(text, script))
    posterior.pop(_NO_LANGUAGE, None)
    total = posterior.total()
    return {language: probability / total for language, probability in posterior.items()} if total else {}


def _beginning(text: str) -> str:
    """Return the first ``CHARACTERS_READ`` characters, wide and presentation forms made plain (some expand 18-fold)."""
    return unicodedata.normalize("NFKC", text[:CHARACTERS_READ])[:CHARACTERS_READ]


def _letters_by_script(text: str) -> collections.Counter[str]:
    """Count the letters of each script; kana and hangul take the Chinese characters beside them along."""
    counts: collections.Counter[str] = collections.Counter()
    for character, times in collections.Counter(text).items():
        if character.isalpha():
            counts[_script_of_letter(character)] += times
    del counts[""]
    kana = counts.pop("Hira", 0) + counts.pop("Kana", 0)
    hangul = counts.pop("Hang", 0)
    if kana:
        counts["Jpan"] = kana + counts.pop("Hani", 0)
    if hangul:
        counts["Kore"] = hangul + counts.pop("Hani", 0)
    return counts


def _script_of_letter(letter: str) -> str:
    """Return a letter's script, ``Zzzz`` for an unlisted one, and nothing for modifiers, which all scripts share."""
    first_word = unicodedata.name(letter, "").replace("-", " ").partition(" ")[0]
    return "" if first_word == "MODIFIER" else _SCRIPTS.get(first_word, "Zzzz")


def _words(text: str, script: str) -> str:
    """Return the words of ``text`` in one script, in lower case and between spaces.

    So that a bare noun looks as it does inside a sentence: 4 points more Tux Paint texts were right.
    """
    kept = (c if _belongs(c, script) else " " for c in text.lower())
    return f" {' '.join(''.join(kept).split())} "


def _belongs(character: str, script: str) -> bool:
    """Return whether a word of ``script`` may hold ``character``: its letters, any mark, apostrophe, hyphen, joiner."""
    if character.isalpha():
        return _script_of_letter(character) in (script, "")
    return unicodedata.category(character)[0] == "M" or character in "'’-\u200c\u200d"


def _most_probable(words: str) -> tuple[str, float]:
    """Return the language of ``words`` and py3langid's highest probability, summed over a language's labels."""
    posterior = _posterior(words)
    (first, highest), *others = posterior.most_common(5)
    near = (other for other, probability in others if probability >= NEARLY_AS_LIKELY * highest)
    return next((other for other in near if _preferred(other, first)), first), highest


def _posterior(words: str) -> collections.Counter[str]:
    """Return py3langid's probabilities of the languages of ``words``, summed over a language's labels."""
    with _LOADING:
        identifier = _identifier()
    posterior: collections.Counter[str] = collections.Counter()
    for label, probability in identifier.rank(words):
        posterior[_LABELS.get(label, label)] += probability
    return posterior


def _preferred(other: str, first: str) -> bool:
    """Return whether a language that is nearly as likely is answered in place of the likeliest."""
    if first in TRAINED_ON or first == _NO_LANGUAGE or other not in TRAINED_ON:
        return False
    return speakers(other) >= FAR_MORE_SPEAKERS * max(1, speakers(first))


@functools.cache
def speakers(language: str) -> int:
    """Return how many people speak a language, by CLDR."""
    from langcodes import Language as Tag

    return Tag.get(language).speaking_population()


@functools.cache
def _identifier() -> LanguageIdentifier:
    """Load py3langid's packaged weights (about 1 s); the caller holds ``_LOADING``, so this happens once."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _confidence(probability: float, letters: int) -> float:
    """Return ``probability`` corrected for length: its odds times letters / ``LETTERS_TO_TRUST``.

    py3langid flattens its probabilities by the root of the length, which leaves short texts too sure of themselves
    (84 % of one-word but 94 % of longer answers were right at one threshold) and long ones too unsure.
    """
    evidence = probability * letters
    return evidence / (evidence + (1.0 - probability) * LETTERS_TO_TRUST)
