"""Diagnosis of a word: its tokens in the text encoder and its search results, as codes with figures."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cacara import languages
from cacara.languages import coverage

if TYPE_CHECKING:
    from cacara.words.comparison import Place

MANY_PIECES = 3.0
"""Pieces a word from which a word counts as taken apart: trained languages stay below it on average."""
FOUND_WITHIN = 10
FAR_APART = 0.1
"""Difference between a word's similarity to other languages and theirs to one another from which it is reported."""

_WORD_MARK = "\N{LOWER ONE EIGHTH BLOCK}"  # of SentencePiece: stands where a word begins
_WORD = re.compile(r"\S*\w\S*")
_ONE_OF_MANY = {"Hani": frozenset({"Hans", "Hant", "Jpan", "Hani"}), "Kore": frozenset({"Kore", "Hang"})}
_NO_SCRIPT = frozenset({"Zyyy", "Zzzz"})


@dataclasses.dataclass(frozen=True)
class Reading:
    """A text as the encoder sees it.

    Attributes:
        pieces: What the tokenizer cuts it into; a piece that it does not know is shown as the tokenizer names it.
        unknown: How many pieces are unknown.
        words: How many words, or None where words are not spaced.
        script: ISO 15924, of the letters that are there; ``Zyyy`` when there are none.
        usual_script: In which the language is usually written; ``Zzzz`` when nobody knows.
        direction: ``ltr`` or ``rtl``.
        trained_on: Whether the encoder was trained on the language, in whatever script; None for an encoder of which
            that is not known here.
    """

    pieces: tuple[str, ...]
    unknown: int
    words: int | None
    script: str
    usual_script: str
    direction: str
    trained_on: bool | None


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing worth telling of a text.

    Attributes:
        code: Names the sentence.
        values: What is put into it: figures, names of languages and scripts, texts.
    """

    code: str
    values: Mapping[str, str | int]


def read_texts(
    texts: Sequence[str],
    codes: Sequence[str],
    tokenizer: Any,  # noqa: ANN401
    knows_training: bool,
) -> list[Reading]:
    """Return how a tokenizer cuts each text, and what it is written in.

    Args:
        texts: Any texts.
        codes: The language (BCP-47) of each.
        tokenizer: Of ``transformers``.
        knows_training: Whether ``coverage.TRAINED_ON`` tells what this encoder was trained on.
    """
    if not texts:
        return []
    ids = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    unknown_id = tokenizer.unk_token_id
    readings = []
    for text, code, own in zip(texts, codes, ids, strict=True):
        pieces = tokenizer.convert_ids_to_tokens(own)
        shown = tuple(piece for piece in pieces if piece != _WORD_MARK)
        script = languages.script_of(text)
        readings.append(
            Reading(
                pieces=shown,
                unknown=sum(number == unknown_id for number in own),
                words=max(1, len(_WORD.findall(text))) if coverage.is_spaced(script) else None,
                script=script,
                usual_script=languages.describe(code).script,
                direction=languages.direction_of(text),
                trained_on=languages.base(code) in coverage.TRAINED_ON if knows_training else None,
            )
        )
    return readings


def findings(
    reading: Reading, place: Place, sounds: int, apart: float | None = None, heard: str = ""
) -> tuple[Finding, ...]:
    """Return what is worth telling of one text, the reading first, then what was found with it.

    Args:
        reading: How the encoder reads it.
        place: Where its wanted sound stands.
        sounds: How many sounds were searched.
        apart: Its mean similarity to its translations minus theirs to one another; None when there are too few.
        heard: What the first sound is, if it is a wrong one.
    """
    made = [_cut(reading)]
    if reading.unknown:
        made.append(Finding("unknown", {"unknown": reading.unknown}))
    if _is_strange(reading):
        made.append(Finding("script", {"script": reading.script, "usual": reading.usual_script}))
    if reading.trained_on is False:
        made.append(Finding("untrained", {}))
    if apart is not None and apart < -FAR_APART:
        made.append(Finding("apart", {}))
    if place.rank is None:
        made.append(Finding("no_sound", {}))
    else:
        code = "first" if place.rank == 1 else "found" if place.rank <= FOUND_WITHIN else "missed"
        made.append(Finding(code, {"rank": place.rank, "sounds": sounds}))
    if heard:
        made.append(Finding("instead", {"heard": heard}))
    return tuple(made)


def pieces_per_word(reading: Reading) -> float | None:
    """Return pieces a word, or None where words are not spaced."""
    return None if reading.words is None else len(reading.pieces) / reading.words


def _cut(reading: Reading) -> Finding:
    count = len(reading.pieces)
    values = {"pieces": count, "words": reading.words or 1}
    if count <= 1:
        return Finding("whole", values)
    rate = pieces_per_word(reading)
    if rate is not None and rate > MANY_PIECES:
        return Finding("many" if reading.words == 1 else "many_text", values)
    return Finding("split" if reading.words == 1 else "split_text", values)


def _is_strange(reading: Reading) -> bool:
    seen, usual = reading.script, reading.usual_script
    if seen in _NO_SCRIPT or usual in _NO_SCRIPT:
        return False
    return usual not in _ONE_OF_MANY.get(seen, {seen})
