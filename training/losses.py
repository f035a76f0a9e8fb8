"""Losses over batches of embeddings."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def contrastive(first: Tensor, second: Tensor, positives: Tensor, temperature: float) -> Tensor:
    """Return the symmetric contrastive loss with several positives a row (Khosla et al. 2020, eq. 2, arXiv 2004.11362).

    Every positive of a row is pulled with equal weight: two barks in a batch are not each other's negatives. With
    one positive a row it is the usual symmetric cross-entropy.

    Args:
        first: float32 [N, D], L2-normalised.
        second: float32 [M, D], L2-normalised.
        positives: bool [N, M]; a row or column without any is left out.
        temperature: Divides the cosines.

    Returns:
        A scalar.
    """
    logits = first @ second.T / temperature
    return 0.5 * (_one_way(logits, positives) + _one_way(logits.T, positives.T))


def _one_way(logits: Tensor, positives: Tensor) -> Tensor:
    has_positive = positives.any(1)
    targets = positives[has_positive].float()
    targets = targets / targets.sum(1, keepdim=True)
    return -(targets * functional.log_softmax(logits[has_positive], dim=1)).sum(1).mean()


def distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean of 1 − cosine between rows, for unit vectors [N, D]; 0 when they agree."""
    return 1 - (student * teacher.detach()).sum(1).mean()
