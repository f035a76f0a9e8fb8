from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from training import losses


def unit(rows: int, seed: int, columns: int = 5) -> torch.Tensor:
    return functional.normalize(torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)), dim=1)


def slow_contrastive(first, second, positives, temperature):
    """The same, a pair at a time."""

    def one_way(logits, positives):
        terms = []
        for row, wanted in zip(logits, positives, strict=True):
            denominator = math.log(sum(math.exp(value) for value in row))
            pulled = [value - denominator for value, is_positive in zip(row, wanted, strict=True) if is_positive]
            if pulled:
                terms.append(-sum(pulled) / len(pulled))
        return sum(terms) / len(terms) if terms else 0.0

    logits = [[sum(a * b for a, b in zip(x, y, strict=True)) / temperature for y in second] for x in first]
    transposed = [list(column) for column in zip(*logits, strict=True)]
    return (one_way(logits, positives) + one_way(transposed, list(zip(*positives, strict=True)))) / 2


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 6), st.integers(1, 6), st.integers(0, 99), st.sampled_from([0.05, 0.3, 2.0]))
def test_the_contrastive_loss_equals_a_slow_obvious_one(data, rows, columns, seed, temperature):
    cells = st.lists(st.booleans(), min_size=columns, max_size=columns)
    positives = data.draw(st.lists(cells, min_size=rows, max_size=rows))
    first, second = unit(rows, seed), unit(columns, seed + 100)
    fast = losses.contrastive(first, second, torch.tensor(positives), temperature)
    slow = slow_contrastive(first.tolist(), second.tolist(), positives, temperature)
    assert fast.item() == pytest.approx(slow, abs=1e-4)


def test_with_one_positive_a_row_it_is_symmetric_cross_entropy():
    first, second = unit(6, 1), unit(6, 2)
    logits = first @ second.T / 0.07
    targets = torch.arange(6)
    expected = (functional.cross_entropy(logits, targets) + functional.cross_entropy(logits.T, targets)) / 2
    torch.testing.assert_close(losses.contrastive(first, second, torch.eye(6, dtype=torch.bool), 0.07), expected)


def test_two_barks_are_not_each_others_negatives():
    bark, rain = torch.eye(2)
    sounds = texts = torch.stack([bark, bark, rain])
    labels = torch.tensor([0, 0, 1])
    shared = losses.contrastive(sounds, texts, labels[:, None] == labels[None, :], 0.05)
    apart = losses.contrastive(sounds, texts, torch.eye(3, dtype=torch.bool), 0.05)
    torch.testing.assert_close(shared, apart)  # log 2 of a bark and its twin; a third bark would not be pushed away
    sounds.requires_grad_()
    losses.contrastive(sounds, texts, labels[:, None] == labels[None, :], 0.05).backward()
    assert sounds.grad.abs().max() < 1e-6


def test_a_row_without_a_positive_is_left_out():
    first, second = unit(4, 3), unit(4, 4)
    positives = torch.eye(4, dtype=torch.bool)
    positives[3, 3] = False
    rows = functional.cross_entropy(first[:3] @ second.T / 0.1, torch.arange(3))
    columns = functional.cross_entropy(second[:3] @ first.T / 0.1, torch.arange(3))
    torch.testing.assert_close(losses.contrastive(first, second, positives, 0.1), (rows + columns) / 2)


def test_without_any_positive_the_loss_is_zero_and_so_is_its_gradient():
    first = unit(3, 5).requires_grad_()
    loss = losses.contrastive(first, unit(3, 6), torch.zeros(3, 3, dtype=torch.bool), 0.1)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(first.grad, torch.zeros_like(first))


def test_gradients_reach_both_sides_and_move_them_together():
    first, second = unit(5, 7).requires_grad_(), unit(5, 8).requires_grad_()
    positives = torch.eye(5, dtype=torch.bool)
    before = losses.contrastive(first, second, positives, 0.1)
    before.backward()
    assert first.grad.abs().sum() > 0 and second.grad.abs().sum() > 0
    with torch.no_grad():
        after = losses.contrastive(first - 0.01 * first.grad, second - 0.01 * second.grad, positives, 0.1)
    assert after < before


def test_hard_negatives_count_more_and_none_but_them():
    first, second = unit(6, 11), unit(6, 12)
    positives = torch.eye(6, dtype=torch.bool)
    positives[0, 1] = True
    logits = first.double() @ second.double().T / 0.1

    def one_way(logits, positives, beta):
        total = 0.0
        for row, wanted in zip(logits, positives, strict=True):
            near = (beta * row[~wanted]).exp()
            negatives = (near / near.mean() * row[~wanted].exp()).sum()
            total += (row[wanted].exp().sum() + negatives).log() - row[wanted].mean()
        return total / len(logits)

    for beta in (0.3, 1.0):
        expected = (one_way(logits, positives, beta) + one_way(logits.T, positives.T, beta)) / 2
        found = losses.contrastive(first, second, positives, 0.1, beta)
        torch.testing.assert_close(found, expected.float())
    assert found > losses.contrastive(first, second, positives, 0.1)
    everything = torch.ones(6, 6, dtype=torch.bool)
    torch.testing.assert_close(
        losses.contrastive(first, second, everything, 0.1, 1.0), losses.contrastive(first, second, everything, 0.1)
    )


def test_autocast_does_not_cost_digits():
    first, second, positives = unit(8, 9, 64), unit(8, 10, 64), torch.eye(8, dtype=torch.bool)
    expected = losses.contrastive(first, second, positives, 0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(losses.contrastive(first, second, positives, 0.05), expected)


def test_distillation_is_one_minus_the_cosine_and_does_not_teach_the_teacher():
    student, teacher = unit(3, 11).requires_grad_(), unit(3, 12).requires_grad_()
    loss = losses.distillation(student, teacher)
    torch.testing.assert_close(loss, 1 - functional.cosine_similarity(student, teacher).mean())
    loss.backward()
    assert student.grad is not None and teacher.grad is None
    assert losses.distillation(teacher, teacher).item() == pytest.approx(0, abs=1e-6)


def test_a_single_process_gathers_its_own_rows():
    share = unit(2, 13)
    assert losses.gather(share) is share
