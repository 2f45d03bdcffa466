"""Which images a figure that is no number came from.

N = images
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from xzoo.compare.bench import Bench
from xzoo.data.batches import chunks
from xzoo.data.items import counted
from xzoo.data.order import shuffled
from xzoo.train.finite import NotFiniteError, some, suspects


def named(error: NotFiniteError, bench: Bench) -> NotFiniteError:
    """Return the error with the images of its batch: those that alone make no number of the network's answer, or the first few.

    The network is as it was before the batch. Whatever keeps it from answering, the batch's first images are named.
    """
    assert error.step is not None
    order = shuffled(bench.split.train, bench.cell.seed, error.epoch, bench.blocks)
    batch_B = chunks(order, bench.recipe.batch_size)[error.step]
    bench.classifier.network.eval()
    try:
        spoilt_B = np.concatenate([suspects(bench.answer, inputs) for inputs, _ in bench.ordered(batch_B)])
    except Exception:  # the step's own error is the one to tell
        spoilt_B = np.zeros(len(batch_B), dtype=bool)
    return error.at(told(bench.ids_N, batch_B, spoilt_B))


@contextlib.contextmanager
def naming(bench: Bench) -> Iterator[None]:
    """Let a NotFiniteError of training tell the images of its batch."""
    try:
        yield
    except NotFiniteError as error:
        if error.step is None:
            raise
        raise named(error, bench) from error


def told(ids_N: Sequence[str], batch_B: NDArray[np.int64], spoilt_B: NDArray[np.bool_]) -> str:
    """Return the images to look at, and how many the batch has."""
    found = batch_B[spoilt_B] if spoilt_B.any() and not spoilt_B.all() else batch_B
    names = some([ids_N[index] for index in found]) if ids_N else counted(len(found), "image")
    return f"{names}, of a batch of {len(batch_B)}" if len(found) < len(batch_B) else f"a batch of {len(batch_B)}: {names}"
