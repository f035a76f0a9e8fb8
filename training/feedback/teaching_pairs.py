"""From what people corrected and judged in a language to pairs with English, and which of them are held out.

A caption that somebody corrected in the language, and a query in it that was called relevant to a clip, both say what
the clip's English description says. Where somebody corrected the English description itself, theirs is taken.
"""

from __future__ import annotations

import dataclasses
import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from cacara import languages
from cacara.search.gallery import Gallery
from cacara.search.manifest import Clip
from cacara.words import text_pairs
from training.data.translations import singular
from training.feedback.manifest import Manifest, Row
from training.mla import pairs as language_pairs
from training.mla.data import owner_of
from training.mla.teaching import HELD_OUT_MOST
from training.run_folder import RunError

HELD_OUT_SHARE = 0.2
HELD_OUT_LEAST = 10
"""So many different things at least are held out."""

MEANT = 0.5
"""A text is asked for a clip when it was held out and fits it better than this: what fits partly is not its name."""


@dataclasses.dataclass(frozen=True)
class NeededPairs:
    """How much a language wants at least.

    Attributes:
        pairs: Pairs in all, those of a file that was given among them.
        feedback: Pairs out of feedback.
        concepts: Different things that the feedback speaks of.
    """

    pairs: int = 60
    feedback: int = 30
    concepts: int = 20


@dataclasses.dataclass(frozen=True)
class FeedbackPair:
    """One pair.

    Attributes:
        english: The clip's description.
        text: The other language's.
        concept: Names what both speak of, in small letters.
        grade: How well they fit, above 0 to 1.
        weight: How sure that is, above 0 to 1.
        source: ``caption``, ``judgement``, ``adjudication`` or ``file``.
    """

    english: str
    text: str
    concept: str
    grade: float
    weight: float
    source: str


@dataclasses.dataclass(frozen=True)
class LanguagePairs:
    """What there is for a language.

    Attributes:
        pairs: Sorted, each pair of texts once.
        left_out: How many were left out, by reason.
    """

    pairs: tuple[FeedbackPair, ...]
    left_out: Mapping[str, int]

    def counts(self) -> dict[str, int]:
        """Return how many there are: ``pairs``, ``feedback`` and ``concepts``, and ``captions`` among them."""
        own = [pair for pair in self.pairs if pair.source != "file"]
        return {
            "pairs": len(self.pairs),
            "feedback": len(own),
            "concepts": len({pair.concept for pair in own}),
            "captions": sum(pair.source == "caption" for pair in own),
        }

    def missing(self, needed: NeededPairs) -> dict[str, int]:
        """Return of what there is too little, and how much is missing."""
        found = self.counts()
        return {name: most - found[name] for name, most in dataclasses.asdict(needed).items() if found[name] < most}


def key_of(text: str) -> str:
    """Return what tells texts apart: small letters, no punctuation, no English article, no plural.

    >>> key_of("The Dogs."), key_of("Один  пес!")
    ('dog', 'один пес')
    """
    kept = (each if unicodedata.category(each)[0] in "LMN" else " " for each in unicodedata.normalize("NFKC", text))
    return singular(" ".join("".join(kept).casefold().split()))


def descriptions(gallery: Gallery, rows: Iterable[Row]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return each clip's English description and concept, by kind and id; clips without a description are missing.

    Args:
        gallery: The gallery that was judged.
        rows: The manifest's; corrected English captions are taken from it.
    """
    corrected: dict[tuple[str, str], tuple[float, str]] = {}
    for row in rows:
        if row.source == "caption" and row.text and row.language and languages.base(row.language) == "en":
            place = (row.clip_kind, row.clip_id)
            corrected[place] = max(corrected.get(place, (0.0, "")), (row.weight, row.text))
    found = {}
    for kind, clips in (("sound", gallery.clips), ("picture", gallery.pictures)):
        for clip in clips:
            told = corrected.get((kind, clip.clip_id))
            if english := told[1] if told else _english(clip):
                found[kind, clip.clip_id] = english, key_of(clip.concept or english)
    return found


def collect(
    manifest: Manifest,
    language: str,
    described: Mapping[tuple[str, str], tuple[str, str]],
    given: Sequence[tuple[str, str]] = (),
) -> LanguagePairs:
    """Return a language's pairs.

    Args:
        manifest: What people said.
        language: BCP-47 code; variants of it count as it.
        described: As ``descriptions`` returns it.
        given: English and the language, of a file.
    """
    found: dict[tuple[str, str], FeedbackPair] = {}
    left_out: Counter[str] = Counter()
    for row in manifest.rows:
        if row.text is None or row.grade <= 0 or owner_of(row.language or "", (language,)) is None:
            continue
        about = described.get((row.clip_kind, row.clip_id))
        if about is None:
            left_out["the clip is not in the gallery, or has no English description"] += 1
            continue
        pair = FeedbackPair(_plain(about[0]), _plain(row.text), about[1], row.grade, row.weight, row.source)
        if fault := text_pairs.fault([pair.english, pair.text]):
            left_out[language_pairs.describe(fault)] += 1
            continue
        place = (pair.english, pair.text)
        before = found.get(place)
        if before is None or (before.grade * before.weight) < pair.grade * pair.weight:
            found[place] = pair
    for english, text in given:
        found.setdefault((english, text), FeedbackPair(english, text, key_of(english), 1.0, 1.0, "file"))
    ordered = tuple(found[place] for place in sorted(found))
    return LanguagePairs(ordered, dict(sorted(left_out.items())))


def refuse_too_little(pairs: LanguagePairs, language: str, needed: NeededPairs) -> None:
    """Refuse what cannot teach a language, or could not be measured.

    Raises:
        RunError: There is too little; the message says how much is missing of what.
    """
    if missing := pairs.missing(needed):
        counts, wanted = pairs.counts(), dataclasses.asdict(needed)
        names = {
            "pairs": "pairs in all",
            "feedback": "pairs out of feedback",
            "concepts": "different things that they speak of",
        }
        said = ", ".join(f"{lack} more {names[key]} ({counts[key]} of {wanted[key]})" for key, lack in missing.items())
        raise RunError(f"too little feedback in {language} on this gallery to teach it: wanted {said}")


@dataclasses.dataclass(frozen=True)
class PairSplit:
    """Pairs that are learnt, and pairs that are asked.

    Attributes:
        taught: Learnt from.
        held_out: Out of feedback, kept for the gate: no taught pair has their text, or speaks of what they speak of.
        set_aside: How many are neither, as they share something with what is held out.
    """

    taught: tuple[FeedbackPair, ...]
    held_out: tuple[FeedbackPair, ...]
    set_aside: int


def part(pairs: Sequence[FeedbackPair], seed: int) -> PairSplit:
    """Return pairs to learn and pairs to ask; things are held out by their hashes, so the same ones each time.

    Args:
        pairs: Of a language.
        seed: Another seed gives another choice.
    """
    concepts = sorted({pair.concept for pair in pairs if pair.source != "file"}, key=lambda name: _draw(name, seed))
    count = min(HELD_OUT_MOST, max(HELD_OUT_LEAST, round(HELD_OUT_SHARE * len(concepts))))
    held = frozenset(concepts[:count])
    asked = tuple(pair for pair in pairs if pair.concept in held and pair.source != "file" and pair.grade > MEANT)
    texts = {key_of(pair.text) for pair in asked}
    names = held | {key_of(pair.english) for pair in asked}
    taught = tuple(pair for pair in pairs if key_of(pair.text) not in texts and not _names(pair, names))
    return PairSplit(taught, asked, len(pairs) - len(taught) - len(asked))


def _names(pair: FeedbackPair, names: frozenset[str]) -> bool:
    """Return whether a pair speaks of one of the names: its concept, or words of its English text."""
    words = key_of(pair.english).split()
    longest = max((len(name.split()) for name in names), default=0)
    spans = (words[at : at + size] for size in range(1, longest + 1) for at in range(len(words) - size + 1))
    singulars = (" ".join(singular(word) for word in span) for span in spans)
    return pair.concept in names or any(span in names for span in singulars)


def _english(clip: Clip) -> str:
    texts = clip.captions.get("en") or next(
        (several for code, several in clip.captions.items() if languages.base(code) == "en"), ()
    )
    return texts[0] if texts else ""


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _draw(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()
