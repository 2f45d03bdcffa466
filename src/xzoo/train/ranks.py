"""The processes that train one cell together, a part of every batch each, and what they tell each other.

Torch is imported when there are several: alone, a rank is a number.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from xzoo.data.share import Share
from xzoo.errors import CellError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributed.distributed_c10d import Store, Work

_Value = TypeVar("_Value")
_SHORTEST, _LONGEST = 0.002, 0.1


@dataclass(frozen=True, eq=False)
class Ranks:
    """Which of the processes this one is: number `rank` of `count`, and `local` among those of its machine.

    `store` is where they leave words for each other; sums and copies of tensors go through torch's process group. What they do
    together has a number, `turn`, and all of them do it in the same order.
    """

    rank: int = 0
    count: int = 1
    local: int = 0
    store: Store | None = None
    turn: int = 0
    _turns: list[int] = field(default_factory=lambda: [0])

    @property
    def are_many(self) -> bool:
        """Whether there is more than this one."""
        return self.count > 1

    @property
    def is_leader(self) -> bool:
        """Whether this is the one that writes, prints and decides what is computed."""
        return self.rank == 0

    @property
    def share(self) -> Share:
        """The part of each batch that is this one's."""
        return Share(self.rank, self.count)

    def next_turn(self) -> Ranks:
        """Return the same ranks at their next piece of work."""
        self._turns[0] += 1
        return replace(self, turn=self._turns[0])

    def post(self, name: str, value: object) -> None:
        """Leave a plain value for the others."""
        assert self.store is not None
        self.store.set(f"{self.turn}/{name}", json.dumps(value))

    def awaited(self, name: str, seconds: float | None = None) -> Any:
        """Return what another left, or leaves within so many seconds; raises TimeoutError. Without a limit it waits for ever."""
        assert self.store is not None
        key, began, sleep = f"{self.turn}/{name}", time.monotonic(), _SHORTEST
        while not self.store.check([key]):  # the store's own waiting writes its warnings to the screen
            if seconds is not None and time.monotonic() - began > seconds:
                raise TimeoutError(name)
            time.sleep(sleep)
            sleep = min(_LONGEST, 1.2 * sleep)
        return json.loads(self.store.get(key))

    def told(self, name: str) -> Any:
        """Return what another left; None where none has."""
        assert self.store is not None
        key = f"{self.turn}/{name}"
        return json.loads(self.store.get(key)) if self.store.check([key]) else None

    @contextlib.contextmanager
    def leader_first(self, name: str) -> Iterator[None]:
        """Let the others wait until the leader has done what is inside; where it failed, they do not try.

        Raises CellError in the others. What the leader computes and keeps in the cache, they find there.
        """
        if not self.are_many:
            yield
            return
        if not self.is_leader and not self.awaited(name):
            raise CellError("the leader could not do it", "see its own error")
        try:
            yield
        except BaseException:
            if self.is_leader:
                self.post(name, False)
            raise
        if self.is_leader:
            self.post(name, True)

    def sum(self, values: Tensor) -> None:
        """Put the sum over all ranks in the place of values."""
        self.begin_sum(values).wait()

    def begin_sum(self, values: Tensor) -> Work:
        """Begin to put the sum over all ranks in the place of values, which nobody may touch before it is waited for."""
        import torch.distributed as dist

        work = dist.all_reduce(values, async_op=True)
        assert work is not None
        return work

    def each(self, values: Tensor) -> list[Tensor]:
        """Return every rank's values, which have the same shape, by rank."""
        import torch
        import torch.distributed as dist

        found = [torch.empty_like(values) for _ in range(self.count)]
        dist.all_gather(found, values)
        return found

    def gathered(self, value: _Value) -> list[_Value]:
        """Return every rank's value, by rank; on all of them."""
        import torch.distributed as dist

        if not self.are_many:
            return [value]
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, value)
        return found

    def from_leader(self, value: _Value) -> _Value:
        """Return the leader's value."""
        import torch.distributed as dist

        if not self.are_many:
            return value
        found: list[Any] = [value]
        dist.broadcast_object_list(found, 0)
        return found[0]  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def drawing(self, *words: object) -> Iterator[None]:
        """Let each rank draw from a stream of its own, which follows from the words; alone nothing changes.

        Two parts of a batch must not be masked alike, and a stream per step needs no state in a checkpoint.
        """
        if not self.are_many:
            yield
            return
        from xzoo.model.heads import seeded

        with seeded(*words, "rank", self.rank):
            yield

    def demand_same(self, tensors: Iterable[Tensor]) -> None:
        """Raise CellError where ranks do not hold the same bits."""
        if self.are_many and len(set(self.gathered(_digest(tensors)))) > 1:
            raise CellError(
                "the ranks have drifted apart: their weights are not the same any more",
                "start all of them from one installation; if they are, report this",
            )


def _digest(tensors: Iterable[Tensor]) -> str:
    """Return a hash of the sums of each tensor's bits, in one transfer from the device."""
    import torch

    types = {8: torch.int64, 4: torch.int32, 2: torch.int16, 1: torch.uint8}
    sums = [tensor.detach().view(types[tensor.element_size()]).sum(dtype=torch.int64) for tensor in tensors]
    return hashlib.sha256(str(torch.stack(sums).tolist()).encode()).hexdigest()


ALONE = Ranks()
"""One process, which is most."""
