"""Pairs of vectors that point the same way, found in buckets: work grows with the number of vectors, not of pairs.

Signs of random projections agree between vectors at an angle t with a chance of 1 - t/pi each (Charikar 2002,
https://doi.org/10.1145/509907.509965). So many of them that a bucket holds about one vector make a key; vectors that share
any of several keys are a candidate pair, and its cosine decides.

N = vectors, Q = queries, D = dimensions, B = bits of a key, P = pairs
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

TABLES = 64
"""Keys of each vector. Of pairs at a cosine of 0.93 one in 10,000 of 2,000 vectors shares none, one in 2,000 of 100,000."""

_MOST_IN_BUCKET = 32
_FEWEST_BITS = 6
_BLOCK = 1 << 18


def alike(vectors_ND: Floats, queries: Sequence[Floats], least: float, seed: int = 0) -> tuple[Indices, Indices, Floats]:
    """Return (lower place, higher place, cosine) of the pairs found at `least` or more, each once, in ascending order.

    `queries` are further forms (N,D) of the same images, row by row; rows are unit vectors. Within a bucket each looks at the 32
    behind its own place, so that thousands of copies are a chain and not millions of pairs.
    """
    num = len(vectors_ND)
    bits = max(_FEWEST_BITS, int(np.ceil(np.log2(max(2, num)))))
    random = np.random.default_rng(seed)
    pairs_P, cosines_P = np.empty(0, np.int64), np.empty(0, np.float32)
    for _ in range(TABLES):
        planes_DB = random.standard_normal((vectors_ND.shape[1], bits)).astype(np.float32)
        keys_N = keys_of(vectors_ND, planes_DB)
        order_N = np.argsort(keys_N, kind="stable")
        for place, forms_ND in enumerate((vectors_ND, *queries)):
            asked_N = keys_N if place == 0 else keys_of(forms_ND, planes_DB)
            for one_P, other_P in neighbours(keys_N, order_N, asked_N):
                cosine_P = np.einsum("pd,pd->p", forms_ND[one_P], vectors_ND[other_P])
                is_alike_P = cosine_P >= least
                low_P, high_P = np.minimum(one_P, other_P)[is_alike_P], np.maximum(one_P, other_P)[is_alike_P]
                pairs_P = np.concatenate([pairs_P, low_P * num + high_P])
                cosines_P = np.concatenate([cosines_P, cosine_P[is_alike_P]])
        pairs_P, cosines_P = _once(pairs_P, cosines_P)
    return pairs_P // num, pairs_P % num, cosines_P


def _once(pairs_P: Indices, cosines_P: Floats) -> tuple[Indices, Floats]:
    """Return each pair once, in ascending order, with its largest cosine."""
    order_P = np.lexsort((-cosines_P, pairs_P))
    unique_P, first_P = np.unique(pairs_P[order_P], return_index=True)
    return unique_P, cosines_P[order_P][first_P]


def keys_of(vectors_ND: Floats, planes_DB: Floats) -> Indices:
    """Return of each vector the signs of its projections as one number."""
    signs_NB = vectors_ND @ planes_DB > 0
    return signs_NB @ (1 << np.arange(planes_DB.shape[1], dtype=np.int64))


def neighbours(keys_N: Indices, order_N: Indices, asked_Q: Indices) -> list[tuple[Indices, Indices]]:
    """Return blocks of (query, vector) that share a bucket and are not the same image, at most 32 for each query."""
    sorted_N = keys_N[order_N]
    first_Q = np.searchsorted(sorted_N, asked_Q, "left")
    last_Q = np.searchsorted(sorted_N, asked_Q, "right")
    # In a full bucket each looks at those behind its own place, and in a ring: no place is looked at more than another.
    rank_N = np.empty_like(order_N)
    rank_N[order_N] = np.arange(len(order_N))
    size_Q = last_Q - first_Q
    begin_Q = np.where(size_Q > _MOST_IN_BUCKET, (rank_N - first_Q) % np.maximum(size_Q, 1), 0)
    blocks = []
    for step in range(int(min(_MOST_IN_BUCKET, size_Q.max(initial=0)))):
        asking = np.flatnonzero(size_Q > step)
        other = order_N[first_Q[asking] + (begin_Q[asking] + step + (size_Q[asking] > _MOST_IN_BUCKET)) % size_Q[asking]]
        differ = asking != other
        asking, other = asking[differ], other[differ]
        blocks += [(asking[i : i + _BLOCK], other[i : i + _BLOCK]) for i in range(0, len(asking), _BLOCK)]
    return blocks
