"""Ranks that are threads and share a store: what they agree on around a cell."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch._C._distributed_c10d import HashStore

import xzoo
from xzoo.compare import crew
from xzoo.compare.crew import RankFailedError, planned, settle
from xzoo.data.pack import Pack
from xzoo.errors import CellError, DataError, UsageError
from xzoo.train.device import Device
from xzoo.train.finite import NotFiniteError
from xzoo.train.ranks import ALONE, Ranks, _digest


@dataclass(frozen=True, eq=False)
class Told(Ranks):
    """A rank that knows beforehand what all will say."""

    values: list[Any] = field(default_factory=list)

    def gathered(self, value: Any) -> list[Any]:
        return [value, *self.values]


def on_ranks(work: Callable[[Ranks], object], count: int = 2) -> list[Future[object]]:
    """Do the work on ranks of one store, and return what became of each."""
    store: Any = HashStore()
    with ThreadPoolExecutor(count) as pool:
        return [pool.submit(work, Ranks(rank, count, store=store)) for rank in range(count)]


def test_all_wait_until_the_leader_has_done_it() -> None:
    order = []

    def work(ranks: Ranks) -> None:
        with ranks.leader_first("packing"):
            order.append(ranks.rank)

    for future in on_ranks(work, 3):
        future.result()
    assert order[0] == 0
    assert sorted(order) == [0, 1, 2]


def test_what_the_leader_could_not_do_nobody_tries() -> None:
    tried = []

    def work(ranks: Ranks) -> None:
        with ranks.leader_first("packing"):
            tried.append(ranks.rank)
            raise DataError("no image there", "look")

    leader, other = on_ranks(work)
    assert isinstance(leader.exception(), DataError)
    assert isinstance(other.exception(), CellError)
    assert tried == [0]


def test_a_failure_that_all_share_is_the_cells_own() -> None:
    assert [one.exception() for one in on_ranks(lambda ranks: settle(ranks, NotFiniteError("no number")))] == [None, None]
    assert [one.exception() for one in on_ranks(lambda ranks: settle(ranks, None))] == [None, None]


def test_a_rank_that_fails_alone_says_so_and_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "GRACE", 0.05)
    ranks = Ranks(1, 2, store=HashStore())
    with pytest.raises(RankFailedError) as caught:
        settle(ranks, CellError("memory ran out", "choose a smaller batch"))
    assert caught.value.text == "memory ran out; the other ranks wait for this one, so that all had to stop"
    assert (caught.value.remedy, caught.value.exit_code) == ("choose a smaller batch", 4)
    with pytest.raises(RankFailedError, match="ValueError: 3 is no shape"):
        settle(Ranks(0, 2, store=HashStore()), ValueError("3 is no shape"))


def test_a_leader_that_failed_before_the_first_step_waits_for_those_who_load_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "GRACE", 0.0)

    def work(ranks: Ranks) -> None:
        error: Exception | None = None
        if not ranks.is_leader:
            torch.zeros(10**6).sum()
        try:
            with ranks.leader_first("laid out"):
                raise CellError("too large", "choose another size")
        except CellError as raised:
            error = raised
        settle(ranks, error)

    assert [one.exception() for one in on_ranks(work)] == [None, None]


def test_ranks_whose_weights_are_not_the_same_any_more_are_told() -> None:
    tensors = [torch.arange(6.0).view(2, 3).t(), torch.tensor(3), torch.tensor([True, False])]
    known = _digest(tensor.clone() for tensor in tensors)
    Told(1, 2, values=[known]).demand_same(tensors)
    tensors[0][0, 0] += 1e-7
    with pytest.raises(CellError, match="drifted apart"):
        Told(1, 2, values=[known]).demand_same(tensors)


def test_one_process_needs_nobody() -> None:
    device = Device("cpu", "fp32", 1)
    assert crew.alone(device) is device
    assert device.ranks is ALONE
    with crew.joined("cpu") as found:
        assert found == (ALONE, "cpu")
    settle(ALONE, CellError("its own", "affair"))
    crew.dismiss(device)
    assert ALONE.gathered(3) == [3]
    assert ALONE.from_leader(3) == 3


@pytest.mark.parametrize(
    ("others", "batch_size", "told"),
    [
        (["another hash"], 8, "the ranks have 2 different plans of one command"),
        ([None] * 9, 8, r"batch_size=8 has fewer images than there are ranks \(10\)"),
    ],
)
def test_a_plan_that_ranks_cannot_share_is_refused(
    others: list[Any], batch_size: int, told: str, tiny: xzoo.Backbone, pack: Pack, cell_of: Any
) -> None:
    prepared, _ = cell_of(tiny, pack, "finetune", batch_size=batch_size)
    from xzoo.compare import plan as plans
    from xzoo.data.split import SplitRule
    from xzoo.train.recipe import make

    variation = plans.Variation(recipe=make({"batch_size": batch_size}), split=SplitRule())
    plan = plans.make([prepared.choice], pack, ["finetune"], [0], [variation])
    values = [plan.hash if value is None else value for value in others]
    ranks = Told(0, len(values) + 1, store=HashStore(), values=values)
    with pytest.raises(UsageError, match=told):
        planned(ranks, lambda: plan)
