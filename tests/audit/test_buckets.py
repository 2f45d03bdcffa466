"""The index finds vectors that point the same way with work that does not grow with the number of pairs."""

from __future__ import annotations

import numpy as np
import pytest

from xzoo.audit import buckets


def unit(vectors: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> buckets.Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def planted(num: int, cosine: float) -> buckets.Floats:
    """Return directions at random, the first 200 of which the last 200 meet at a cosine."""
    random = np.random.default_rng(num)
    vectors = unit(random.standard_normal((num, 64)))
    aside = random.standard_normal((200, 64))
    aside -= (aside * vectors[:200]).sum(1, keepdims=True) * vectors[:200]
    vectors[-200:] = cosine * vectors[:200] + np.sqrt(1 - cosine**2) * unit(aside)
    return vectors


def test_pairs_at_the_cosine_of_copies_are_found() -> None:
    ones, others, cosines = buckets.alike(planted(2000, 0.95), [], 0.9)
    assert list(zip(ones.tolist(), others.tolist(), strict=True)) == [(place, 1800 + place) for place in range(200)]
    assert cosines == pytest.approx(np.full(200, 0.95), abs=1e-5)


def test_a_form_that_fits_finds_what_the_vectors_themselves_do_not() -> None:
    vectors = planted(2000, 0.3)
    form = vectors.copy()
    form[:200] = vectors[-200:]
    assert len(buckets.alike(vectors, [], 0.9)[0]) == 0
    ones, others, _ = buckets.alike(vectors, [form], 0.9)
    assert list(zip(ones.tolist(), others.tolist(), strict=True)) == [(place, 1800 + place) for place in range(200)]


def looked_at(num: int) -> int:
    """Return how many cosines one table asks for."""
    vectors = planted(num, 0.95)
    bits = int(np.ceil(np.log2(num)))
    keys = buckets.keys_of(vectors, np.random.default_rng(0).standard_normal((64, bits)).astype(np.float32))
    return sum(len(one) for one, _ in buckets.neighbours(keys, np.argsort(keys, kind="stable"), keys))


def test_four_times_the_vectors_are_four_times_the_work() -> None:
    assert looked_at(16384) < 6 * looked_at(4096)


def test_a_thousand_equal_vectors_are_a_chain_and_not_half_a_million_pairs() -> None:
    vectors = np.repeat(planted(1000, 0.5)[:1], 1000, axis=0)
    ones, others, _ = buckets.alike(vectors, [], 0.9)
    assert len(ones) <= 32 * 1000
    assert set(ones.tolist()) | set(others.tolist()) == set(range(1000))
