"""Answers of two classes to two splits whose difference is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from xzoo.compare.crossing import Judged
from xzoo.compare.probabilities import Answers

N = 2000


def answers(seed: int, n: int = N, *, shift: float = 0.0, towards: float = 0.0, ill: float = 0.5, patients: int = 0) -> Answers:
    """Return probabilities of two classes; log odds all moved by `shift`, classes `towards` each other; `ill` are positive."""
    random = np.random.default_rng(seed)
    labels_N = (np.arange(n) < round(ill * n)).astype(np.int64)
    odds_N = random.normal(np.where(labels_N, 2.0 - towards, -2.0 + towards), 2.0) + shift
    groups_N = np.array([f"{seed} {unit}" for unit in random.integers(patients, size=n)]) if patients else None
    return Answers(np.stack([expit(-odds_N), expit(odds_N)], 1), labels_N, groups_N)


def pair(seed: int, n: int = N, **of_test: Any) -> Judged:
    """Return validation of plain answers, and test of answers made with `of_test`."""
    val, test = answers(2 * seed, n), answers(2 * seed + 1, n, **of_test)
    return Judged(val, test, np.arange(n), np.arange(n, 2 * n))
