"""Training data of uCLIP: English sentences, and two banks that nothing ties to them or to each other.

A bank is embeddings of a frozen tower with a count of where they come from, and no more: neither which sentence a text
translates nor what a sound or a picture is called goes past ``other_texts`` and ``uclip_media.bank``. The texts are out
of the same lexicons as the sentences, so translations of a sentence may lie in the bank, but nothing says which.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch

from cacara import devices
from cacara.benchmark.dataset import benchmark_file
from cacara.encoders.text import TextTower
from cacara.errors import ManifestError
from cacara.model.model import Cacara
from cacara.model.parts.centring import LanguageCentring
from cacara.sources.texts import text_hash
from training.data import cached_arrays, text_statistics
from training.data.translations import Translation, concept_names, names_any
from training.run_folder import RunError

FORMAT = 1
SHARD = 2048
"""Texts that are embedded and cached at a time: an interruption costs one shard, and a smaller bank costs nothing."""
MAX_CHARACTERS = 60
"""Longer texts are left out of the bank: queries are short, and time goes with the length."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class BankOptions:
    """Contents of the banks.

    Attributes:
        policy: Policy of the texts that may be seen: ``strict`` or ``studio``, see ``training.data.translations``.
        sentences: How many English texts of the lexicons are sentences: those that the most languages have a word for.
            0 takes all.
        texts: Size of the bank of other languages' texts; a smaller one is the beginning of a larger one.
        media: Contents of the other bank: ``both``, ``audio`` or ``image``.
        media_share: Share of the training sounds and pictures that is used, above 0, at most 1.
        disjoint: Whether no translation of a sentence may lie in the bank: half of the English texts are then
            sentences, and the bank is out of the translations of the others.
        languages: What the bank's texts are in, by the first part of a code: ``zh`` is ``zh-Hant`` too. All when empty.
        seed: Of the draw.
    """

    policy: Literal["strict", "studio"] = "strict"
    sentences: int = 0
    texts: int = 32_768
    media: Literal["both", "audio", "image"] = "both"
    media_share: float = 1.0
    disjoint: bool = False
    languages: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.texts < 1 or self.sentences < 0:
            raise RunError(
                f"banks.texts is {self.texts}, banks.sentences {self.sentences}; wanted 1 or more, 0 or more"
            )
        if not 0 < self.media_share <= 1:
            raise RunError(f"banks.media_share is {self.media_share}; wanted more than 0, at most 1")


@dataclasses.dataclass(frozen=True)
class Bank:
    """Embeddings to retrieve from.

    Attributes:
        embeddings: float32 [items, dimension], L2-normalised.
        origins: Source → items, for the card.
    """

    embeddings: np.ndarray
    origins: Mapping[str, int]


@dataclasses.dataclass(frozen=True)
class Sentences:
    """The training items: each is one English sentence, as the two frozen text towers embed it.

    Attributes:
        texts: The sentences.
        dual: float32 [sentences, width of the dual encoder], L2-normalised.
        multilingual: float32 [sentences, width of the multilingual encoder], L2-normalised.
        origins: Source → sentences, for the card.
    """

    texts: tuple[str, ...]
    dual: np.ndarray
    multilingual: np.ndarray
    origins: Mapping[str, int]


@dataclasses.dataclass(frozen=True)
class EnglishTexts:
    """English texts with the source each was first found in.

    Attributes:
        known: All of the lexicons, sorted: their embeddings are kept in one piece.
        chosen: Those of them that are sentences, sorted.
        captions: Further sentences.
    """

    known: Mapping[str, str]
    chosen: Sequence[str]
    captions: Mapping[str, str]


def english_texts(
    pairs: Sequence[Translation], captions: Sequence[str], benchmark: benchmark_file.Rows, options: BankOptions
) -> EnglishTexts:
    """Return the English texts.

    Args:
        pairs: Pairs that the policy allows; their English sides are taken, and in how many languages each has a word.
        captions: English descriptions of training sounds and pictures, as further sentences; under ``strict`` those
            that name a concept of the benchmark are left out.
        benchmark: The frozen benchmark.
        options: Contents of the banks.
    """
    known: dict[str, str] = {}
    for pair in pairs:
        if ":" not in pair.english:
            known.setdefault(pair.english, pair.source)
    languages = Counter(english for english, _ in {(pair.english, pair.language) for pair in pairs})
    short = [text for text in known if len(text) <= MAX_CHARACTERS and not (options.disjoint and _of_the_bank(text))]
    chosen = sorted(short, key=lambda text: (-languages[text], text))[: options.sentences or None]
    names = concept_names({row.concept for row in benchmark.sounds}) if options.policy == "strict" else frozenset()
    hashes = {row.sha256_16 for row in benchmark.texts}
    said = (text for text in sorted(set(captions)) if text not in known)
    fit = (text for text in said if not names_any(text, names) and text_hash(text) not in hashes)
    return EnglishTexts(dict(sorted(known.items())), sorted(chosen), {text: "captions" for text in fit})


def sentences(found: EnglishTexts, base: Cacara, tower: TextTower, centring: LanguageCentring | None) -> Sentences:
    """Return the English sentences as the two frozen text towers embed them.

    Args:
        found: The English texts.
        base: The dual encoder.
        tower: The multilingual text tower.
        centring: Its languages' means, or None to leave its embeddings as they are.
    """
    known, captions = list(found.known), list(found.captions)
    number = {text: position for position, text in enumerate(known)}
    lexicons = _english(tower, known)[[number[text] for text in found.chosen]]
    raw = np.concatenate([lexicons, _embedded(tower, captions, "uclip-english")])
    texts = (*found.chosen, *captions)
    origin = {**found.known, **found.captions}
    own = base.centring if base.config.centring else None
    return Sentences(
        texts,
        _centred(_embedded(base.text, texts, "uclip-english"), ["en"] * len(texts), own),
        _centred(raw, ["en"] * len(texts), centring),
        dict(sorted(Counter(origin[text] for text in texts).items())),
    )


def other_texts(pairs: Sequence[Translation], options: BankOptions) -> list[tuple[str, str, str]]:
    """Return the texts of the bank as (text, language, source), in an order that tells nothing of their meaning.

    A language is drawn with the square root of its number of texts, so that none drowns the others; within it every
    text is as likely as another.

    Raises:
        ManifestError: There is no pair.
    """
    fit = (p for p in pairs if len(p.text) <= MAX_CHARACTERS)
    spoken = (p for p in fit if not options.languages or p.language.split("-")[0] in options.languages)
    rows = sorted({(p.text, p.language, p.source) for p in spoken if not options.disjoint or _of_the_bank(p.english)})
    if not rows:
        raise ManifestError("there are no texts of other languages for uCLIP's bank; wanted one or more")
    language = np.unique([row[1] for row in rows], return_inverse=True)[1]
    weights = (1 / np.sqrt(np.bincount(language)))[language]
    # Smallest of exponential variates over weights: a weighted draw without replacement whose prefixes are draws too.
    keys = np.random.default_rng(options.seed).exponential(size=len(rows)) / weights
    return [rows[i] for i in np.argsort(keys, kind="stable")[: options.texts]]


def _of_the_bank(english: str) -> bool:
    """Return whether translations of a text may stand in a bank that is disjoint from the sentences."""
    return int(text_hash(english)[0], 16) % 2 == 0


def text_bank(texts: Sequence[tuple[str, str, str]], tower: TextTower, centring: LanguageCentring | None) -> Bank:
    """Return the bank of other languages' texts, each centred by its language unless ``centring`` is None."""
    raw = _embedded(tower, [text for text, _, _ in texts], "uclip-texts")
    origins = Counter(source for _, _, source in texts)
    return Bank(_centred(raw, [language for _, language, _ in texts], centring), dict(sorted(origins.items())))


def _centred(raw: np.ndarray, languages: Sequence[str], centring: LanguageCentring | None) -> np.ndarray:
    return raw if centring is None else centring(torch.from_numpy(raw), languages).numpy()


def _english(tower: TextTower, texts: Sequence[str]) -> np.ndarray:
    """Return a tower's embeddings of all English texts of the lexicons, kept in the cache."""
    key = [FORMAT, dataclasses.asdict(tower.config), cached_arrays.weights_hash(tower), list(texts)]
    return cached_arrays.get("english", key, lambda: {"embeddings": text_statistics.embed(tower, texts)})["embeddings"]


def _embedded(tower: TextTower, texts: Sequence[str], kind: str) -> np.ndarray:
    """Return a frozen tower's embeddings of texts, float32 [texts, dimension], shard by shard from the cache."""
    key = [FORMAT, dataclasses.asdict(tower.config), cached_arrays.weights_hash(tower)]
    shards = [np.zeros((0, tower.dimension), np.float32)]
    for start in range(0, len(texts), SHARD):
        shard = list(texts[start : start + SHARD])
        arrays = cached_arrays.get(kind, [*key, shard], functools.partial(_half, tower, shard))
        shards.append(arrays["embeddings"].astype(np.float32))
        log.info("%s: %d of %d texts embedded", kind, start + len(shard), len(texts))
    return np.concatenate(shards)


def _half(tower: TextTower, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Return embeddings kept in float16, computed in bfloat16 where that is fast: cosines differ by 1e-3."""
    device = torch.device("cpu")
    with devices.precision("bfloat16" if devices.fast_bfloat16(device) else "float32", device):
        return {"embeddings": text_statistics.embed(tower, texts).astype(np.float16)}
