"""The lexical memory: words of a query that a lexicon knows, mixed into its embedding by what they mean in English.

A multilingual encoder reads sentences of a hundred languages well and single words of most languages badly; words have
to be remembered. The memory looks a text's words up (``cacara.lexicon``), averages the embeddings that the model's own
text side gives to their English senses, and mixes the mean into the text's embedding:

    ``t' = normalise((1 − a) t + a v)``,  ``a = share · found · sureness · (reach / words)^decay``

``found`` is the share of the text's words that are known, each by how far its reading is to be believed; ``sureness``
the length of the mean of a word's senses, which is 1 where they mean one thing; and what the encoder reads well, longer
texts of languages that it was trained on, keeps more of its embedding. English texts pass through as they are.

Where the language is not known, the readings in all probable languages are averaged by their probabilities.

What people taught or took back (``cacara.lexicon.personal_words``) stands in place of what the table says of a word. A
memory that follows a file of such words looks at it with each text, so that a change acts at once in every process.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cacara.languages import Detection
from cacara.languages.encoder_languages import TRAINED_ON
from cacara.lexicon import LexiconReader, LexiconTable, PersonalWord, Reading
from cacara.lexicon import table as lexicon_table
from cacara.lexicon.language_evidence import ENGLISH, LanguageEvidence
from cacara.lexicon.personal_layer import Meaning
from cacara.lexicon.personal_words import WordSource
from cacara.model.config import LexicalMemoryConfig
from cacara.model.parts.part import English, Part, TextBatch
from cacara.model.parts.sense_embeddings import SenseEmbeddings
from cacara.sources.clients import Report, silent

if TYPE_CHECKING:
    from cacara.model.config import ModelConfig
    from cacara.model.towers import Towers

FUNCTION_WORDS = frozenset(
    "a about after all also am an and any are as at be because been before but by can could did do does down for from "
    "had has have he her here him his how i if in into is it its just may me more most must my no not of off on only "
    "or our out over shall she should so some such than that the their them then there these they this those through "
    "to too under up upon us very was we were what when where which while who whom whose why will with would yes you "
    "your".split()
)
BUNDLED = "bundled"
"""The config's name for the lexicon that ships with the package."""
FUNCTION_WEIGHT = 0.1
"""Weight of a word that means a function word, beside 1 of any other."""
ANSWER_FROM = 0.6
"""Probability from which a language is answered: on dev-2 nine of ten such answers are right."""
CERTAIN = 0.9
"""Probability from which other languages' readings are not weighed."""
READINGS_REMEMBERED = 4096


@dataclasses.dataclass(frozen=True)
class Found:
    """Result of looking a text up.

    Attributes:
        surface: A word or phrase, as it is listed.
        language: Base language of the entry.
        senses: English senses with their shares, which sum to 1, the surest first.
        text: The word or phrase as it stands in the text, normalised.
        taught: Whether somebody here said that it means that.
    """

    surface: str
    language: str
    senses: tuple[tuple[str, float], ...]
    text: str = ""
    taught: bool = False


class _View:
    """A table under one state of the personal words, with what was read lately."""

    def __init__(self, reader: LexiconReader, evidence: LanguageEvidence, words: Sequence[PersonalWord]) -> None:
        self.words = words
        self.reader = reader
        self.read = functools.lru_cache(READINGS_REMEMBERED)(reader.read)
        self.languages_of = functools.lru_cache(READINGS_REMEMBERED)(evidence.of)


class LexicalMemory(Part):
    """Mixes what a text's words mean into its embedding.

    It has no tensors: the lexicon's table lies beside the models that share it, and what its senses' embeddings are
    the model's own text side tells.

    Attributes:
        personal: The words that people taught, which it follows; None for the table alone.
    """

    field, prefix, title = "memory", "memory.", "lexical memories"
    variants = ("unlexical",)
    stored_elsewhere = True

    def __init__(self, config: LexicalMemoryConfig, table: LexiconTable, senses: SenseEmbeddings | None = None) -> None:
        """Remember a lexicon.

        Args:
            config: Its policy and how much is mixed in.
            table: The whole table; the config's policy narrows it.
            senses: Embeddings of the vocabulary; None begins with none.
        """
        super().__init__()
        self.config = config
        self.table = table.under(config.policy)
        self.personal: WordSource | None = None
        self._evidence = LanguageEvidence(self.table)
        self._alone = self._seen = _View(LexiconReader(self.table), self._evidence, ())
        self.senses = senses or SenseEmbeddings(table.vocabulary)
        weights = [FUNCTION_WEIGHT if english in FUNCTION_WORDS else 1.0 for english in table.vocabulary]
        self._importance = np.array(weights, np.float32)
        self._uncentred = SenseEmbeddings(table.vocabulary, kept=False)

    @classmethod
    def build(cls, config: ModelConfig, towers: Towers, report: Report = silent) -> Self:
        """Return the memory of a config's lexicon, see ``Part.build``.

        Raises:
            LexiconError: The lexicon is missing or damaged.
        """
        assert config.memory is not None
        place = config.memory.lexicon
        return cls(config.memory, lexicon_table.read(lexicon_table.BUNDLED if place == BUNDLED else Path(place)))

    @property
    def _view(self) -> _View:
        """The table under the personal words as they stand now; what was read before them is forgotten."""
        words = self.personal.read() if self.personal is not None else ()
        if not words:
            return self._alone
        seen = self._seen
        if seen.words is not words:
            reader = LexiconReader(self.table, words)
            self._seen = seen = _View(reader, self._evidence.under(reader.layer), words)
        return seen

    @property
    def reader(self) -> LexiconReader:
        """The reader of the table and of the personal words as they stand now."""
        return self._view.reader

    def heeding(self, words: WordSource | None) -> LexicalMemory:
        """Return a memory of the same table and senses that follows other personal words; this one stays as it is."""
        made = copy.copy(self)
        made.personal, made._seen = words, made._alone
        return made

    def languages_of(self, text: str) -> Mapping[str, float]:
        """Return the probable languages of a text with their probabilities, see ``LanguageEvidence.of``."""
        return self._view.languages_of(text)

    def make_ready(self, english: English, report: Report = silent) -> None:
        """Embed all senses, once a vocabulary and text side; without it each is embedded when it is first needed."""
        self.senses.prepare(english, report)

    def texts(self, batch: TextBatch) -> TextBatch:
        """Return texts with what their words mean mixed in."""
        # Where texts are not centred the senses are not either; only evaluations ask for that.
        senses = self.senses if batch.centre else self._uncentred
        mixed = self.mix(batch.embeddings, batch.texts, batch.languages, batch.english, senses)
        return dataclasses.replace(batch, embeddings=mixed)

    def variant(self, name: str) -> Part | None:
        """Return the memory, or none in the variant ``unlexical``."""
        return None if name == "unlexical" else self

    def detect(self, text: str) -> Detection:
        """Return the language of a text, None when no single one is certain enough, and the best one's probability."""
        for language, probability in self.languages_of(text).items():
            return Detection(language if probability >= ANSWER_FROM else None, probability)
        return Detection(None, 0.0)

    def assume(self, text: str) -> str | None:
        """Return the language in which alone a text of unknown language is read; None where readings are weighed.

        English is assumed as soon as it is answered, so that its texts stay as they are.
        """
        found = self.detect(text)
        return found.language if found.confidence >= CERTAIN or found.language == ENGLISH else None

    def look_up(self, text: str, language: str | None) -> tuple[Found, ...]:
        """Return which words of a text are known and as what, of the surest reading where its language is not known.

        Words that mean function words are left out, unless somebody taught them: they weigh little and tell nobody
        anything.
        """
        view = self._view
        if language is None:
            language = next(iter(view.languages_of(text)), ENGLISH)
        if language.partition("-")[0] == ENGLISH:
            return ()
        reader = view.reader
        found = [
            Found(word.surface, word.language, reader.senses(word), word.text, reader.meaning(word).taught)
            for word in view.read(text, language).words
        ]
        return tuple(each for each in found if each.taught or each.senses[0][0] not in FUNCTION_WORDS)

    def mix(
        self,
        embeddings: Tensor,
        texts: Sequence[str],
        languages: Sequence[str | None],
        english: English,
        senses: SenseEmbeddings | None = None,
    ) -> Tensor:
        """Return texts with what their words mean mixed in.

        Args:
            embeddings: float32 [texts, width], L2-normalised.
            texts: The texts.
            languages: A BCP-47 code a text, or None where it is not known.
            english: The model's text side, for the senses that are not embedded yet.
            senses: Embeddings of the vocabulary; None takes the memory's.

        Returns:
            float32 [texts, width], L2-normalised; rows of English texts, and of texts without a known word, as they
            were, bit by bit.
        """
        view = self._view
        readings = [_weighed(view, text, language) for text, language in zip(texts, languages, strict=True)]
        meanings = [
            [
                (reading, probability, [view.reader.meaning(word) for word in reading.words])
                for reading, probability in each
            ]
            for each in readings
        ]
        needed = sorted({n for each in meanings for *_, read in each for found in read for n in found.senses.tolist()})
        if not needed:
            return embeddings
        vectors = dict(zip(needed, self._vectors(view, needed, english, senses or self.senses), strict=True))
        mixed = embeddings.clone()
        for position, weighed in enumerate(meanings):
            shift = np.zeros(embeddings.shape[1], np.float32)
            total = 0.0
            for reading, probability, read in weighed:
                mean, share = self._mean(reading, read, vectors, view.reader)
                shift += probability * share * mean
                total += probability * share
            if total > 0.0:
                added = torch.from_numpy(shift).to(embeddings)
                mixed[position] = functional.normalize((1.0 - total) * embeddings[position] + added, dim=-1)
        return mixed

    def _vectors(
        self, view: _View, numbers: Sequence[int], english: English, senses: SenseEmbeddings
    ) -> NDArray[np.float32]:
        """Return the embeddings of senses, those of personal words among them; ``numbers`` ascend."""
        listed = [number for number in numbers if number < len(self.table.vocabulary)]
        glosses = [view.reader.layer.gloss(number) for number in numbers[len(listed) :]]
        made = [senses.of(listed, english)] if listed else []
        return np.concatenate([*made, *([senses.of_glosses(glosses, english)] if glosses else [])])

    def _mean(
        self,
        reading: Reading,
        meanings: Sequence[Meaning],
        vectors: Mapping[int, NDArray[np.float32]],
        reader: LexiconReader,
    ) -> tuple[NDArray[np.float32], float]:
        """Return the mean of what a reading's words mean, L2-normalised, and how much of it is mixed in."""
        mean = np.zeros_like(next(iter(vectors.values())))
        sure, total = 0.0, 0.0
        for word, found in zip(reading.words, meanings, strict=True):
            meaning = found.weights @ np.stack([vectors[sense] for sense in found.senses.tolist()])
            weight = word.trust * word.words * float(found.weights @ self._importance_of(found, reader))
            sure += weight * float(np.linalg.norm(meaning))
            total += weight
            mean += weight * meaning
        length = float(np.linalg.norm(mean))
        if not (length and total):
            return mean, 0.0
        return mean / length, self._share(reading, sure / total)

    def _importance_of(self, meaning: Meaning, reader: LexiconReader) -> NDArray[np.float32]:
        if meaning.senses.max() < len(self._importance):
            return self._importance[meaning.senses]
        glosses = [reader.layer.gloss(sense) for sense in meaning.senses.tolist()]
        return np.array([FUNCTION_WEIGHT if gloss in FUNCTION_WORDS else 1.0 for gloss in glosses], np.float32)

    def _share(self, reading: Reading, sureness: float) -> float:
        share = self.config.share * reading.found * sureness**self.config.doubt
        if reading.language in TRAINED_ON and reading.length > self.config.reach:
            share *= (self.config.reach / reading.length) ** self.config.decay
        return min(1.0, share) if math.isfinite(share) else 0.0


def _weighed(view: _View, text: str, language: str | None) -> list[tuple[Reading, float]]:
    """Return the readings of a text in its probable languages with their probabilities; none of English ones."""
    languages = {language: 1.0} if language is not None else view.languages_of(text)
    found = [
        (view.read(text, code), probability)
        for code, probability in languages.items()
        if code.partition("-")[0] != ENGLISH
    ]
    return [(reading, probability) for reading, probability in found if reading.words]
