"""Losses over batches of embeddings.

A contrastive loss compares every item of a batch with every other. On several processes each holds a share of the
batch alone, so a method brings the shares together with ``gather`` first: then N processes learn what one would.
``accelerate``'s own gather lets no gradient pass, and gradient accumulation would not bring shares together either.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn import functional


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, share: Tensor) -> Tensor:  # noqa: ANN401
        ctx.rows = len(share)
        shares = [torch.empty_like(share) for _ in range(distributed.get_world_size())]
        distributed.all_gather(shares, share.contiguous())
        return torch.cat(shares)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401
        # Every process has computed the whole loss. Their sum is N times its gradient; DDP's mean over processes,
        # of which each knows its own share's part only, takes the N away again.
        whole = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(whole)
        return whole[distributed.get_rank() * ctx.rows :][: ctx.rows]


def gather(share: Tensor) -> Tensor:
    """Return the whole batch's rows, with gradients to all shares; of a single process its own.

    Args:
        share: [N / processes, ...], of the same length on every process.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return share
    return _Gather.apply(share)


def contrastive(first: Tensor, second: Tensor, positives: Tensor, temperature: float, hardness: float = 0.0) -> Tensor:
    """Return the symmetric contrastive loss with several positives a row (Khosla et al. 2020, eq. 2, arXiv 2004.11362).

    Every positive of a row is pulled with equal weight: two barks in a batch are not each other's negatives. With
    one positive a row it is the usual symmetric cross-entropy.

    Args:
        first: [N, D], L2-normalised; of the whole batch, see ``gather``.
        second: [M, D], L2-normalised.
        positives: bool [N, M]; a row or column without any is left out.
        temperature: Divides the cosines.
        hardness: The concentration β of Robinson et al. 2021 (arXiv 2010.04592, eq. 4, without the debiasing): a
            negative counts in proportion to exp(β · its logit), with mean 1 over the negatives of a row. 0 or more.

    Returns:
        A scalar, float32; 0 when nothing has a positive.
    """
    with torch.autocast(first.device.type, enabled=False):  # cosines over a small temperature want all their digits
        logits = first.float() @ second.float().T / temperature
        return 0.5 * (_one_way(logits, positives, hardness) + _one_way(logits.T, positives.T, hardness))


def _one_way(logits: Tensor, positives: Tensor, hardness: float) -> Tensor:
    has_positive = positives.any(1)
    positives, logits = positives[has_positive], logits[has_positive]
    targets = positives.float() / positives.float().sum(1, keepdim=True)
    if hardness:
        nearness = (hardness * logits.detach()).masked_fill(positives, float("-inf"))
        negatives = (~positives).sum(1, keepdim=True).clamp(min=1)
        weights = nearness - nearness.logsumexp(1, keepdim=True) + negatives.log()  # exp(weights) has mean 1
        weighted = logits + weights.masked_fill(positives, 0).nan_to_num(nan=0)
        rows = weighted.logsumexp(1) - (targets * logits).sum(1)
    else:
        rows = -(targets * functional.log_softmax(logits, dim=1)).sum(1)
    return rows.sum() / max(1, len(rows))


def distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean of 1 − cosine between rows, for unit vectors [N, D]; 0 when they agree."""
    return 1 - (student * teacher.detach()).sum(1).mean()
