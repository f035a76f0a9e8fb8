"""Inputs of Native Language Transfer: the pairs, their English embeddings, and a first ``W_e``."""

from __future__ import annotations

import copy
import dataclasses
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara import sources
from cacara.encoders.text import TextTower
from cacara.errors import ManifestError
from cacara.model.model import Cacara
from cacara.model.parts.acquirers import Acquirers
from training.data import cached_arrays, text_statistics, translations
from training.data.translations import Translation
from training.mla.data import owner_of

if TYPE_CHECKING:
    from training.mla.acquisition import LanguageAcquisitionOptions

FORMAT = 1
SPECIAL_WEIGHT = 50.0
"""Weight, in words, of the tokens that begin and end a text in the fit of ``W_e``."""
RIDGE = 1e-3

log = logging.getLogger(__name__)


def pairs_of(options: LanguageAcquisitionOptions, model: Cacara, benchmark: Path) -> dict[str, tuple[Translation, ...]]:
    """Return each language's translations that the policy allows, of texts that can be heard or seen.

    Raises:
        ManifestError: A language has none.
    """
    folders = sources.fetch_all(translations.ALL_SOURCES, lambda progress: log.info("%s", progress))
    wanted = [
        dataclasses.replace(pair, language=owner)
        for pair in translations.collect(folders)
        if (owner := owner_of(pair.language, options.languages))
    ]
    allowed = translations.allowed(wanted, options.policy, benchmark)
    into = Counter(english for english, _ in {(pair.english, pair.language) for pair in allowed})
    pairs = [pair for pair in allowed if into[pair.english] >= options.common and ":" not in pair.english]
    if options.vocabulary:
        english = sorted({pair.english for pair in pairs})
        embedded = torch.from_numpy(english_targets(model.text, english))
        centred = functional.normalize(embedded - model.centring.mean_of("en").cpu(), dim=-1)
        classes = functional.normalize(torch.cat([head.class_embeddings.float().cpu() for head in model.heads]), dim=-1)
        kept = {english[place] for place in _nearest(centred, classes, options.vocabulary)}
        pairs = [pair for pair in pairs if pair.english in kept]
    found = {code: tuple(pair for pair in pairs if pair.language == code) for code in options.languages}
    if missing := [code for code, own in found.items() if not own]:
        raise ManifestError(f"there are no pairs for {', '.join(missing)}; wanted languages of the packages")
    return found


def _nearest(texts: Tensor, classes: Tensor, count: int) -> list[int]:
    """Return the positions, ascending, of the ``count`` texts that come nearest to any class.

    Args:
        texts: float32 [texts, dimension], L2-normalised.
        classes: float32 [classes, dimension], L2-normalised.
        count: 1 or more; all when there are no more texts.
    """
    closeness = torch.cat([(part @ classes.T).amax(1) for part in texts.split(4096)])
    return sorted(closeness.topk(min(count, len(texts))).indices.tolist())


def english_targets(tower: TextTower, texts: Sequence[str]) -> np.ndarray:
    """Return where the frozen tower puts English texts, float32 [texts, dimension], kept in the cache."""
    key = [FORMAT, dataclasses.asdict(tower.config), cached_arrays.weights_hash(tower), list(texts)]
    return cached_arrays.get("english", key, lambda: {"embeddings": text_statistics.embed(tower, texts)})["embeddings"]


def fit_embedding(acquirers: Acquirers) -> int:
    """Set ``W_e`` so that words which are one piece in both tokenizers keep their embedding; return how many there are.

    The tokens that begin and end a text are fitted as well. Least squares with a small ridge.
    """
    theirs = acquirers.tokenizer.get_vocab()
    words = sorted(
        piece[1:] for piece in theirs if piece.startswith("▁") and piece[1:].isascii() and piece[1:].isalpha()
    )
    native = acquirers.tower.tokenizer
    cut = native(words)["input_ids"] if words else []
    single = [(word, ids[1]) for word, ids in zip(words, cut, strict=True) if len(ids) == 3]
    ends = acquirers.tokenizer("")["input_ids"]
    own = native("")["input_ids"]
    pairs = [(theirs["▁" + word], number, 1.0) for word, number in single]
    pairs += [(a, b, SPECIAL_WEIGHT) for a, b in zip((ends[0], ends[-1]), (own[0], own[-1]), strict=True)]
    table, embedding = acquirers.embedding.table, acquirers.tower.encoder.get_input_embeddings().weight  # type: ignore
    source = table[torch.tensor([a for a, _, _ in pairs])].float()
    wanted = embedding[torch.tensor([b for _, b, _ in pairs])].float()
    weight = torch.tensor([w for _, _, w in pairs], device=source.device)[:, None]
    gram = (source * weight).T @ source
    gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram), device=gram.device)
    fitted = torch.linalg.solve(gram.double(), ((source * weight).T @ wanted).double()).float()
    acquirers.embedding.projection.weight.data.copy_(fitted.T)
    log.info("W_e begins with %d words that are one piece in both tokenizers", len(single))
    return len(single)


def rounding(
    acquirers: Acquirers,
    sets: nn.ModuleDict,
    pairs: Mapping[str, Sequence[Translation]],
    targets: Tensor,
    texts: int = 100,
) -> float:
    """Return by how much a score changes at most when acquirers are kept in half precision, as their files are.

    Args:
        acquirers: With the trained ``W_e``.
        sets: Language → its trained acquirers, in full precision.
        pairs: Training data.
        targets: float32 [English texts, dimension], L2-normalised; the scores are cosines with them.
        texts: How many of a language are tried.
    """
    most = 0.0
    for code, made in sets.items():
        given = acquirers.tokenize([pair.text for pair in pairs[code][:texts]])
        given = {name: value.to(targets.device) for name, value in given.items()}
        with torch.inference_mode():
            whole, halves = (
                acquirers.acquired(kept)(**given).float() @ targets.T  # type: ignore[arg-type]
                for kept in (made, copy.deepcopy(made).half().float())
            )
        most = max(most, float((whole - halves).abs().max()))
    return most
