"""When what a file answers is what the network answers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from xzoo.evaluate.graph import MOST_DIFFERENCE, TIE, compared


def logits(*first: float) -> Tensor:
    """Return logits (N,2) in float64 whose softmax has these probabilities of the first class."""
    return torch.tensor([[math.log(p), math.log(1 - p)] for p in first], dtype=torch.float64)


def test_equal_answers_agree() -> None:
    found = compared(logits(0.9, 0.2), logits(0.9, 0.2))
    assert (found.n, found.same_class, found.ties, found.largest_difference, found.holds) == (2, 2, 0, 0.0, True)


@pytest.mark.parametrize(("away", "holds"), [(0.5 * MOST_DIFFERENCE, True), (2 * MOST_DIFFERENCE, False)])
def test_one_probability_too_far_away_is_enough(away: float, holds: bool) -> None:
    found = compared(logits(0.9, 0.2 + away), logits(0.9, 0.2))
    assert (found.same_class, found.holds) == (2, holds)
    assert found.largest_difference == pytest.approx(away)


@pytest.mark.parametrize(("margin", "ties"), [(0.5 * TIE, 1), (20 * TIE, 0)])
def test_another_class_is_excused_only_where_both_are_equally_probable(margin: float, ties: int) -> None:
    found = compared(logits(0.9, 0.5 - margin / 4), logits(0.9, 0.5 + margin / 2))
    assert found.largest_difference < MOST_DIFFERENCE
    assert (found.same_class, found.ties, found.holds) == (1, ties, bool(ties))


def test_what_is_no_number_agrees_with_nothing() -> None:
    assert not compared(torch.full((2, 2), math.nan), logits(0.9, 0.8)).holds
