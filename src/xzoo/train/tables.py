"""Features that are too many to be held: read row by row from the cache, where a tensor of all would be asked for rows.

N = images, B = rows asked for, D = features
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from xzoo.train.rows import Rows
from xzoo.train.standardise import Standardiser

HELD_BYTES = {"cpu": 384 << 20, "cuda": 4 << 30}
"""Features that take more are read as they are needed, by the kind of device that would hold them. A function of the numbers of
images and features alone, because a mean in parts may differ in its last bit from one of all."""

_AT_ONCE = 32 << 20


def held(kept: Rows, device: str) -> Tensor | Streamed:
    """Return all rows on the device where they may be held there, else what reads them."""
    is_few = kept.bytes_NR.nbytes <= HELD_BYTES[device.partition(":")[0]]
    return kept.whole(device) if is_few else Streamed(kept, torch.device(device))


@dataclass(frozen=True, eq=False)
class Streamed:
    """Rows (N,D) or (N,D,H,W) in the cache, brought to a device as they are asked for."""

    kept: Rows
    device: torch.device

    def __len__(self) -> int:
        return len(self.kept.bytes_NR)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of a tensor of all rows."""
        return (len(self), *self.kept.layout.shape)

    def dim(self) -> int:
        """Return the dimensions of a tensor of all rows."""
        return len(self.shape)

    def __getitem__(self, places_B: Tensor) -> Tensor:
        """Return a copy of the rows (B,...) at these places."""
        return self.kept.take(places_B.cpu().numpy(), str(self.device))

    def parts(self, places_B: Tensor | None = None) -> Iterator[Tensor]:
        """Yield these rows in their order, or all, so many at a time as take 32 MB, read ahead of their use."""
        order = np.arange(len(self)) if places_B is None else places_B.cpu().numpy()
        size = max(1, _AT_ONCE // (4 * math.prod(self.kept.layout.shape)))
        yield from self.kept.batches([order[start : start + size] for start in range(0, len(order), size)], str(self.device))


@dataclass(frozen=True, eq=False)
class Table:
    """Standardised features (N,D) with a last column of ones, computed for the rows that are asked for."""

    features: Streamed
    standardiser: Standardiser

    def __len__(self) -> int:
        return len(self.features)

    @property
    def device(self) -> torch.device:
        """Where rows come to."""
        return self.features.device

    def __getitem__(self, places_B: Tensor) -> Tensor:
        """Return rows (B,D+1)."""
        return with_ones(self.standardiser(self.features[places_B]))

    def index_select(self, dim: int, places_B: Tensor) -> Tensor:
        """Return rows (B,D+1), as of a tensor; `dim` is 0."""
        assert dim == 0
        return self[places_B]

    def parts(self, places_B: Tensor) -> Iterator[Tensor]:
        """Yield these rows in their order, some at a time."""
        return (with_ones(self.standardiser(part)) for part in self.features.parts(places_B))


@dataclass(frozen=True, eq=False)
class Joined:
    """Tables of one length, one behind the other."""

    tables: Sequence[Table]

    @property
    def device(self) -> torch.device:
        """Where rows come to."""
        return self.tables[0].device

    @cached_property
    def _length(self) -> int:
        return len(self.tables[0])

    def index_select(self, dim: int, places_B: Tensor) -> Tensor:
        """Return rows (B,D+1) at places that count through all tables; `dim` is 0."""
        assert dim == 0
        which_B, found = places_B // self._length, []
        for number in sorted(set(which_B.tolist())):
            mine_B = which_B == number
            found.append((mine_B, self.tables[number][places_B[mine_B] - number * self._length]))
        rows_BD: Tensor = found[0][1].new_empty((len(places_B), found[0][1].shape[1]))
        for mine_B, rows in found:
            rows_BD[mine_B] = rows
        return rows_BD


def table_of(features_ND: Tensor | Streamed, standardiser: Standardiser) -> Tensor | Table:
    """Return standardised features with a last column of ones (N,D+1): as a tensor where the features are one."""
    if isinstance(features_ND, Streamed):
        return Table(features_ND, standardiser)
    num_rows, num_features = features_ND.shape
    table_ND = torch.ones((num_rows, num_features + 1), device=features_ND.device)
    size = max(1, _AT_ONCE // (4 * num_features))
    for start in range(0, num_rows, size):
        table_ND[start : start + size, :-1] = standardiser(features_ND[start : start + size])
    return table_ND


def with_ones(rows_BD: Tensor) -> Tensor:
    """Return rows with a last column of ones."""
    return torch.cat([rows_BD, rows_BD.new_ones(len(rows_BD), 1)], 1)
