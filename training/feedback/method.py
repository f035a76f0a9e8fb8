"""The loss of feedback fine-tuning: graded answers pull and push, and the base model holds the rest in place.

Four terms over a batch of judged pairs and of clips that nobody judged:

* **attraction**: a clip moves towards the queries that people called relevant, 1 − cosine, each as far as its grade and
  weight say. Its gradient is the sum of those texts, so what their languages have in common carries furthest;
* **graded contrast**, both ways: of all clips in the batch a query is nearest to those that people called relevant,
  each as far as its grade and weight say, and a clip to the queries that it was called relevant to. Pairs called not
  relevant stand against them in full; pairs nobody judged with the share ``unjudged`` of it, since some of them fit;
* **rejection**: a pair called not relevant is to score lower than the base model scored it;
* **pull**: clips that nobody called relevant, and mixtures of two of them, stay where the base model has them
  (1 − cosine). A gallery has few clips; their mixtures fill the room between them.

What learns is the head's projection and, if ``anchor_rate`` says so, an offset on its class embeddings, with which a
class of the frozen classifier moves to what people call it; texts and towers are frozen.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cacara.model.parts.head import AnchoredHead
from cacara.model.parts.part import Part, behind_head
from training.run_folder import RunError

UNKNOWN = -1.0
"""The grade of a pair that nobody judged."""


@dataclasses.dataclass(frozen=True)
class FeedbackObjective:
    """The loss.

    Attributes:
        temperature: Divides the cosines.
        contrast: Weight of the graded contrast beside the attraction; 0 as it holds a clip to single texts, and so
            teaches less about other languages (docs/finetuning.md).
        unjudged: How much a pair that nobody judged counts as not fitting, above 0 to 1.
        rejection: Weight of the rejection.
        pull: Weight of the pull towards the base model; 0 for none.
        anchor_rate: Share of the learning rate for the class embeddings; 0 leaves them as they are.
    """

    temperature: float = 0.05
    contrast: float = 0.0
    unjudged: float = 0.1
    rejection: float = 2.0
    pull: float = 2.0
    anchor_rate: float = 0.0

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise RunError(f"objective.temperature is {self.temperature}; wanted more than 0")
        if not 0 < self.unjudged <= 1:
            raise RunError(f"objective.unjudged is {self.unjudged}; wanted more than 0, up to 1")
        for name in ("contrast", "rejection", "pull", "anchor_rate"):
            if getattr(self, name) < 0:
                raise RunError(f"objective.{name} is {getattr(self, name)}; wanted 0 or more")


@dataclasses.dataclass(frozen=True, eq=False)
class JudgedPairs:
    """Judged pairs over the clips of a gallery, as numbers.

    Attributes:
        queries: float32 [queries, dimension], L2-normalised: what the base model makes of each query.
        features: float32 [clips, features], of the frozen tower.
        probabilities: float32 [clips, classes].
        pairs: int64 [pairs, 2], query and clip of each judged pair, each pair once.
        grades: float32 [pairs], 0 to 1.
        weights: float32 [pairs], above 0 to 1.
        rehearsed: int64 [rehearsed], clips that are held in place; at least one.
    """

    queries: np.ndarray
    features: np.ndarray
    probabilities: np.ndarray
    pairs: np.ndarray
    grades: np.ndarray
    weights: np.ndarray
    rehearsed: np.ndarray


class FeedbackBatches:
    """Batches of judged pairs, as many that fit as that do not, see ``training.loop.Batches``."""

    def __init__(self, judged: JudgedPairs, report: Callable[[int], None] | None = None) -> None:
        """Take the pairs.

        Args:
            judged: At least one pair that fits and one that does not.
            report: Told of the number of each step that begins.
        """
        self._judged = judged
        self._report = report
        fitting = judged.grades > 0
        self._sides = [np.flatnonzero(fitting), np.flatnonzero(~fitting)]
        rows = zip(judged.pairs.tolist(), judged.grades.tolist(), judged.weights.tolist(), strict=True)
        self._known = {(query, clip): (grade, weight) for (query, clip), grade, weight in rows}

    def __len__(self) -> int:
        """Return the number of items: each pair of the larger side once, those of the other as often as need be."""
        return 2 * max(len(side) for side in self._sides)

    def batch(self, indices: Sequence[int], step: int, seed: int) -> dict[str, Tensor]:
        """Return pairs with all that is known among their queries and clips.

        Returns:
            ``queries`` and ``clips``, int64 [N]; ``rehearsed``, int64 [N, 2], and ``shares``, float32 [N], of the first
            of the two; ``grades`` and ``weights``, float32 [N, N], of each
            row's query with each row's clip, ``UNKNOWN`` where nobody judged.
        """
        if self._report is not None:
            self._report(step)
        rows = [int(self._sides[index % 2][index // 2 % len(self._sides[index % 2])]) for index in indices]
        pairs = self._judged.pairs[rows]
        drawn = pairs.tolist()
        known = [[self._known.get((query, clip), (UNKNOWN, 1.0)) for _, clip in drawn] for query, _ in drawn]
        table = torch.tensor(known)
        rng = np.random.default_rng([seed, step, 3])
        rehearsed = self._judged.rehearsed[rng.integers(0, len(self._judged.rehearsed), (len(rows), 2))]
        # Every other clip as it is, the others mixed with a second one.
        shares = np.where(np.arange(len(rows)) % 2, rng.uniform(0.3, 0.7, len(rows)), 1.0).astype(np.float32)
        return {
            "queries": torch.from_numpy(pairs[:, 0]),
            "clips": torch.from_numpy(pairs[:, 1]),
            "rehearsed": torch.from_numpy(rehearsed),
            "shares": torch.from_numpy(shares),
            "grades": table[..., 0],
            "weights": table[..., 1],
        }


class FeedbackTuning(nn.Module):
    """One head and its losses; the frozen tower's outputs are held beside."""

    _before: AnchoredHead
    _behind: nn.ModuleList

    queries: Tensor
    features: Tensor
    probabilities: Tensor
    base: Tensor

    def __init__(
        self,
        head: AnchoredHead,
        judged: JudgedPairs,
        objective: FeedbackObjective,
        behind: Sequence[Part] = (),
        kind: str = "sound",
    ) -> None:
        """Put the parts together; ``head`` is changed by training, its class embeddings by ``finish``.

        Args:
            head: A copy of the base model's head.
            judged: The pairs.
            objective: The loss.
            behind: The model's parts that change what the head gives.
            kind: ``sound`` or ``picture``.
        """
        super().__init__()
        self.head = head
        self.objective = objective
        features, probabilities = torch.from_numpy(judged.features), torch.from_numpy(judged.probabilities)
        before = copy.deepcopy(head).eval().requires_grad_(False)
        # No part of what is trained and saved.
        object.__setattr__(self, "_before", before)
        object.__setattr__(self, "_behind", nn.ModuleList(copy.deepcopy(part) for part in behind))
        self._kind = kind
        with torch.inference_mode():
            base = self._place(before(features, probabilities), probabilities).clone()
        buffers = {
            "queries": torch.from_numpy(judged.queries),
            "features": features,
            "probabilities": probabilities,
            "base": base,
        }
        for name, value in buffers.items():
            self.register_buffer(name, value.clone(), persistent=False)
        self.offset = nn.Parameter(torch.zeros_like(head.class_embeddings), requires_grad=objective.anchor_rate > 0)

    def _apply(self, function: Callable[[Tensor], Tensor], recurse: bool = True) -> FeedbackTuning:
        """Move all to a device, the parts that are not saved among it."""
        super()._apply(function, recurse)
        for part in (self._before, self._behind):
            part._apply(function, recurse)
        return self

    def _place(self, embeddings: Tensor, probabilities: Tensor) -> Tensor:
        return behind_head(self._behind, embeddings, probabilities if self._kind == "sound" else None)  # type: ignore

    def train(self, mode: bool = True) -> FeedbackTuning:
        """Set the mode; the head's dropout stays off, as an embedding is to be what the app will see."""
        super().train(mode)
        self.head.eval()
        return self

    def embed(self, features: Tensor, probabilities: Tensor) -> Tensor:
        """Return embeddings as the model will give them, float32 [clips, dimension], L2-normalised."""
        return self._place(self.head(features, probabilities, self.offset), probabilities)

    def finish(self) -> AnchoredHead:
        """Put the offset into the head's class embeddings, and return the head."""
        with torch.no_grad():
            self.head.class_embeddings.add_(self.offset)
            self.offset.zero_()
        return self.head

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of one batch of ``FeedbackBatches``."""
        settings = self.objective
        clips, rehearsed, grades, weights = (batch[name] for name in ("clips", "rehearsed", "grades", "weights"))
        size = len(clips)
        shares = batch["shares"][:, None]
        mixed = [
            shares * values[rehearsed[:, 0]] + (1 - shares) * values[rehearsed[:, 1]]
            for values in (self.features, self.probabilities)
        ]
        parts = zip((self.features[clips], self.probabilities[clips]), mixed, strict=True)
        embedded = self.embed(*(torch.cat(pair) for pair in parts))
        texts = self.queries[batch["queries"]]
        scores = texts @ embedded.T / settings.temperature
        known = grades >= 0
        targets = torch.where(known, grades.clamp(min=0) * weights, torch.zeros_like(grades))
        contrast = scores.new_zeros(())
        if settings.contrast:
            contrast = self._contrast(batch, scores, targets)
        refused = weights * (known & (grades == 0))
        here, before = scores[:, :size], texts @ self.base[clips].T / settings.temperature
        above = settings.temperature * functional.softplus(here - before)
        rejection = (above * refused).sum() / refused.sum().clamp(min=1.0)
        with torch.no_grad():
            kept = self._place(self._before(*mixed), mixed[1])
        pull = (1 - (embedded[size:] * kept).sum(1)).mean()
        own = targets.diagonal()
        near = (texts * embedded[:size]).sum(1)
        attraction = (own * (1 - near)).sum() / own.sum().clamp(min=1.0)
        total = attraction + settings.contrast * contrast + settings.rejection * rejection + settings.pull * pull
        return {"loss": total, "attraction": attraction, "contrast": contrast, "rejection": rejection, "pull": pull}

    def _contrast(self, batch: dict[str, Tensor], scores: Tensor, targets: Tensor) -> Tensor:
        """Return the graded contrast, both ways."""
        unjudged, times = self.objective.unjudged, _times(batch["clips"]).log()
        judged = torch.where(batch["grades"] >= 0, batch["weights"].clamp(min=1e-3), unjudged).log()
        # What stands in a batch several times counts once.
        mass = torch.cat([judged - times, torch.full_like(judged, math.log(unjudged))], 1)
        forth = _graded(scores, mass, torch.cat([targets, torch.zeros_like(targets)], 1))
        here = scores[:, : len(times)].T
        return 0.5 * (forth + _graded(here, judged.T - _times(batch["queries"]).log(), targets.T))


def _times(numbers: Tensor) -> Tensor:
    """Return of each number how often it stands there, float32 [N]."""
    return (numbers[:, None] == numbers[None, :]).sum(0).float()


def _graded(scores: Tensor, mass: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of graded targets, the mean over rows that have any.

    Args:
        scores: [N, M].
        mass: [N, M], logarithm of how much each column counts in the row's sum.
        targets: [N, M], 0 or more; a row's relevance.
    """
    sums = targets.sum(1)
    rows = sums > 0
    if not rows.any():
        return scores.sum() * 0
    shares = targets[rows] / sums[rows][:, None]
    each = -(shares * functional.log_softmax((scores + mass)[rows], dim=1)).sum(1)
    strength = targets[rows].max(1).values  # a row that is only partly relevant, or unsure, pulls less
    return (each * strength).sum() / strength.sum()
