"""Training batches of language acquirers, of one language each, the languages in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from cacara.errors import ManifestError
from training.data.translations import Translation

DRAWN_PER_TAKEN = 6
"""A batch is a run of texts of like length out of so many times as many: less padding."""
COMMONEST = 30
"""A text that is translated into more languages than this is not drawn more often still."""


class Tokenizer(Protocol):
    """Of ``transformers``."""

    pad_token_id: int

    def __call__(self, texts: list[str], **options: Any) -> Any:  # noqa: ANN401
        """Return ``input_ids`` and more."""


class LanguageBatches:
    """Texts of several languages with the number of what each stands for; a batch is of one language."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, prefix: str = "") -> None:
        """Begin without texts.

        Args:
            tokenizer: Of the multilingual pieces.
            max_tokens: Longer texts are left out.
            prefix: Before the names of a batch's tensors.
        """
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._prefix = prefix
        self._ids: list[list[list[int]]] = []
        self._labels: list[np.ndarray] = []
        self._cumulated: list[np.ndarray] = []

    def add(self, texts: Sequence[str], labels: Sequence[int], weights: Sequence[float]) -> int:
        """Add a language; return how many of its texts are short enough.

        Args:
            texts: Its texts.
            labels: The number of what each stands for.
            weights: Frequency of each beside the others.
        """
        tokens = self._tokenizer(list(texts))["input_ids"] if texts else []
        short = [row for row, ids in enumerate(tokens) if len(ids) <= self._max_tokens]
        self._ids.append([tokens[row] for row in short])
        self._labels.append(np.array([labels[row] for row in short], np.int64))
        self._cumulated.append(np.cumsum([float(weights[row]) for row in short]))
        return len(short)

    def __len__(self) -> int:
        """Return the number of texts, of all languages."""
        return sum(map(len, self._ids))

    def batch(self, indices: Sequence[int], step: int, seed: int) -> dict[str, Tensor]:
        """Return as many texts as there are ``indices``, of the language whose turn it is, drawn by weight.

        A language without texts passes its turn on to the next.

        Returns:
            ``input_ids`` and ``attention_mask``, int64 [N, tokens], ``labels``, int64 [N], and ``language``, int64 [N],
            the language's number in each row; the names after the prefix.

        Raises:
            ManifestError: No language has a text.
        """
        if not len(self):
            raise ManifestError(f"none of the texts has at most {self._max_tokens} tokens")
        having = [number for number, ids in enumerate(self._ids) if ids]
        language = having[step % len(having)]
        ids, cumulated = self._ids[language], self._cumulated[language]
        rng = np.random.default_rng([seed, step, 3])
        points = rng.random(len(indices) * DRAWN_PER_TAKEN) * cumulated[-1]
        drawn = np.searchsorted(cumulated, points, side="right").clip(max=len(ids) - 1)
        drawn = drawn[np.argsort([len(ids[row]) for row in drawn], kind="stable")]
        start = int(rng.integers(DRAWN_PER_TAKEN)) * len(indices)
        chosen = drawn[start : start + len(indices)]
        rows = [torch.tensor(ids[row]) for row in chosen]
        padded = torch.nn.utils.rnn.pad_sequence(rows, True, float(self._tokenizer.pad_token_id))
        lengths = torch.tensor([len(row) for row in rows])
        tensors = {
            "input_ids": padded,
            "attention_mask": (torch.arange(padded.shape[1])[None] < lengths[:, None]).long(),
            "labels": torch.from_numpy(self._labels[language][chosen]),
            "language": torch.full((len(rows),), language),
        }
        return {self._prefix + name: value for name, value in tensors.items()}


class SeenBatches:
    """Texts of several languages with an embedding of what is heard or seen under each."""

    def __init__(self, texts: LanguageBatches, views: Sequence[Tensor], concepts: Sequence[int]) -> None:
        """Put the parts together.

        Args:
            texts: Their labels count in ``views``; their prefix is ``seen_``.
            views: float32 [views, dimension] of each sound or picture, L2-normalised.
            concepts: The number of what each of them shows: two of one concept are not each other's negatives.
        """
        self._texts = texts
        self._views = views
        self._concepts = torch.tensor(list(concepts))

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._texts)

    def batch(self, indices: Sequence[int], step: int, seed: int) -> dict[str, Tensor]:
        """Return a batch of the texts, with ``seen_embeddings``, float32 [N, dimension], and ``seen_concepts``."""
        batch = self._texts.batch(indices, step, seed)
        rng = np.random.default_rng([seed, step, 4])
        items = batch.pop("seen_labels")
        shown = [self._views[item][rng.integers(len(self._views[item]))] for item in items.tolist()]
        return batch | {"seen_embeddings": torch.stack(shown), "seen_concepts": self._concepts[items]}


class JointBatches:
    """Both kinds in every step."""

    def __init__(self, transfer: LanguageBatches, seen: SeenBatches) -> None:
        self._both = (transfer, seen)

    def __len__(self) -> int:
        """Return the number of texts of the larger."""
        return max(len(batches) for batches in self._both)

    def batch(self, indices: Sequence[int], step: int, seed: int) -> dict[str, Tensor]:
        """Return the batches of both, side by side."""
        transfer, seen = (part.batch(indices, step, seed) for part in self._both)
        return transfer | seen


def owner_of(code: str, languages: Collection[str]) -> str | None:
    """Return which of the languages a text belongs to: its own, or its base, as acquirers are found; None for none.

    >>> owner_of("pt-BR", ("pt", "zh")), owner_of("nl", ("pt", "zh"))
    ('pt', None)
    """
    return next((own for own in (code, code.partition("-")[0]) if own in languages), None)


def transfer_batches(
    pairs: Mapping[str, Sequence[Translation]],
    english: Sequence[str],
    tokenizer: Tokenizer,
    max_tokens: int,
) -> LanguageBatches:
    """Return translations as batches; their labels count in ``english``, common words come more often.

    Args:
        pairs: Each language's, in the order of the languages.
        english: The English texts, in the order of the targets.
        tokenizer: Of the multilingual pieces.
        max_tokens: Longer texts are left out.

    Raises:
        ManifestError: A language has no pair that is short enough.
    """
    number = {text: position for position, text in enumerate(english)}
    languages_of = Counter(
        text for _, text in {(pair.language, pair.english) for own in pairs.values() for pair in own}
    )
    batches = LanguageBatches(tokenizer, max_tokens)
    for language, own in pairs.items():
        weights = [min(languages_of[pair.english], COMMONEST) for pair in own]
        if not batches.add([pair.text for pair in own], [number[pair.english] for pair in own], weights):
            raise ManifestError(f"none of the {len(own)} pairs of {language} has at most {max_tokens} tokens")
    return batches
