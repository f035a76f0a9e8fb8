"""MKD: a multilingual encoder brought to where an English tower puts the same texts; a baseline for language acquirers.

After "Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation" (arXiv 2004.09813), with the
pairs and losses of the acquirers (``training.mla.acquisition``). What it makes is measured by studies and is no model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cacara.encoders import text
from cacara.encoders.text import TextTower
from cacara.model.config import TextConfig
from cacara.model.model import Cacara
from training import loop
from training.data import text_statistics
from training.mla import acquisition as mla
from training.mla import transfer as language_transfer
from training.mla.acquisition import LanguageAcquisitionOptions
from training.mla.data import transfer_batches

PREFIX = "query: "
RIDGE = 1e-3
ENCODER_RATE = 0.05
"""Share of the learning rate that a whole encoder has, whose weights are trained already."""


@dataclasses.dataclass(frozen=True, eq=False)
class English:
    """What is distilled from.

    Attributes:
        texts: English texts, sorted.
        targets: float32 [texts, dimension], L2-normalised, where the English tower puts them.
        centre: float32 [dimension], the mean of English.
    """

    texts: list[str]
    targets: Tensor
    centre: Tensor


class Distillation(nn.Module):
    """A multilingual encoder's pooled vector through a head, which begins as the least-squares fit of English texts."""

    def __init__(self, tower: TextTower, whole: bool, english: English, options: LanguageAcquisitionOptions) -> None:
        """Put the parts together.

        Args:
            tower: The multilingual encoder.
            whole: Whether its layers learn too; its token embeddings never do.
            english: What is distilled from.
            options: The losses.
        """
        super().__init__()
        self._english, self._options = english, options
        self._tower = (tower,)  # in a tuple it stays out of this module's parameters
        self.head = fitted_head(tower, english)
        if whole:
            self.encoder = tower.encoder
            self.encoder.requires_grad_(True)
            self.encoder.get_input_embeddings().requires_grad_(False)  # type: ignore[operator]

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of a batch of ``transfer_batches``."""
        student = self.read(batch["input_ids"], batch["attention_mask"])
        targets, centre = self._english.targets, self._english.centre
        return mla.weighed(mla.transfer_losses(student, batch["labels"], targets, centre, self._options), self._options)

    def read(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return float32 [texts, dimension], L2-normalised."""
        (tower,) = self._tower
        with torch.set_grad_enabled(torch.is_grad_enabled() and hasattr(self, "encoder")):
            pooled = tower(input_ids, attention_mask).float()
        return functional.normalize(self.head(pooled).float(), dim=-1)


def fitted_head(tower: TextTower, english: English) -> nn.Linear:
    """Return a layer from a tower's pooled vectors to the targets, the least-squares fit of English texts."""
    targets = english.targets
    pooled = torch.from_numpy(text_statistics.embed(tower, english.texts)).to(targets.device)
    source = torch.cat([pooled, torch.ones(len(pooled), 1, device=pooled.device)], dim=1)
    gram = (source.T @ source).double()
    gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram), device=gram.device)
    fitted = torch.linalg.solve(gram, (source.T @ targets).double()).float()
    head = nn.Linear(pooled.shape[1], targets.shape[1])
    head.weight.data.copy_(fitted[:-1].T)
    head.bias.data.copy_(fitted[-1])
    return head.to(targets.device)


def train(
    options: LanguageAcquisitionOptions, model: Cacara, whole: bool, output: Path, benchmark: Path
) -> tuple[Callable[[Sequence[str], str], NDArray[np.float32]], int]:
    """Train a head behind the multilingual encoder, and the encoder's layers if ``whole``; run again to go on.

    Args:
        options: Pairs, losses, the encoder (``embedding``), and as first stage how long.
        model: The English dual encoder.
        whole: As of ``Distillation``.
        output: The training's folder.
        benchmark: The frozen benchmark of sounds, which is kept out.

    Returns:
        The reader of texts, float32 [texts, dimension], L2-normalised and centred as English is; the number of trained
        parameters.
    """
    pairs = language_transfer.pairs_of(options, model, benchmark)
    texts = sorted({pair.english for own in pairs.values() for pair in own})
    targets = torch.from_numpy(language_transfer.english_targets(model.text, texts)).to(model.device)
    english = English(texts, targets, model.centring.mean_of("en"))
    tower = text.load(TextConfig(options.embedding, PREFIX, 4 * options.max_tokens))
    length = options.stages[0].loop
    torch.manual_seed(length.seed)
    method = Distillation(tower, whole, english, options)
    prefixed = {
        code: [dataclasses.replace(pair, text=PREFIX + pair.text) for pair in own] for code, own in pairs.items()
    }
    room = len(tower.tokenizer(PREFIX)["input_ids"]) - len(tower.tokenizer("")["input_ids"])
    data = transfer_batches(prefixed, texts, tower.tokenizer, options.max_tokens + room)
    loop.train(method, data, length, output, {"encoder.": ENCODER_RATE, "head.": options.embedding_rate})

    def embed(given: Sequence[str], code: str) -> NDArray[np.float32]:
        tokens = tower.tokenize(given)
        with torch.inference_mode():
            read = method.read(tokens["input_ids"].to(targets.device), tokens["attention_mask"])
            return functional.normalize(read - english.centre, dim=-1).cpu().numpy()

    return embed, sum(value.numel() for value in method.parameters() if value.requires_grad)
