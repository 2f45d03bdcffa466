"""Sums of gradients over ranks that are threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from threaded import COUNT, Table, Threaded, on_threads
from xzoo.train import reduction
from xzoo.train.objective import Objective
from xzoo.train.ranks import Ranks
from xzoo.train.reduction import Reduction
from xzoo.train.shortage import MemoryShortageError
from xzoo.train.union import Union


class Summing(Threaded):
    """A rank whose sums are waited for, in the order in which they were begun."""

    def begin_sum(self, values: Tensor) -> Any:
        rank = self

        class Work:
            def wait(self) -> None:
                rank.sum(values)

        return Work()


def networks() -> list[nn.Sequential]:
    """Return the same network for every rank; its middle layer's memory lies channels last."""
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Conv2d(3, 4, 2), nn.Flatten(), nn.Linear(16, 2))
    first = first.to(memory_format=torch.channels_last)
    found = [
        first,
        *(nn.Sequential(nn.Conv2d(2, 3, 1), nn.Conv2d(3, 4, 2), nn.Flatten(), nn.Linear(16, 2)) for _ in range(COUNT - 1)),
    ]
    for other in found[1:]:
        other.load_state_dict(first.state_dict())
        other.to(memory_format=torch.channels_last)
    return found


def on_ranks(work: Callable[[Ranks, nn.Sequential], None]) -> list[dict[str, Tensor | None]]:
    """Do the work with a network each, and return its gradients."""
    made, table = networks(), Table()

    def each(ranks: Ranks) -> dict[str, Tensor | None]:
        work(Summing(ranks.rank, COUNT, table=table), made[ranks.rank])
        return {name: p.grad for name, p in made[ranks.rank].named_parameters()}

    return on_threads(each)


IMAGES_BCHW = torch.randn(7, 2, 3, 3, generator=torch.Generator().manual_seed(0))


def whole() -> dict[str, Tensor]:
    network = networks()[0]
    network(IMAGES_BCHW).square().sum().backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("most_bytes", [1, 100, 10**6])
def test_every_rank_has_the_sum_laid_out_as_the_parameter_is(most_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduction, "MOST_BYTES", most_bytes)

    def work(ranks: Ranks, network: nn.Sequential) -> None:
        sums = Reduction(ranks)
        for _ in range(2):
            sums.learn([*network.parameters()])
            network.zero_grad()
            with sums.listening():
                network(IMAGES_BCHW[ranks.share.part(7)]).square().sum().backward()
            sums.finish()
        for p in network.parameters():
            assert p.grad is not None
            assert p.grad.stride() == p.stride()
            assert p._post_accumulate_grad_hooks in (None, {}), "nothing listens any more"

    for found in on_ranks(work):
        for name, gradient in whole().items():
            torch.testing.assert_close(found[name], gradient)


def test_what_no_rank_has_a_gradient_of_keeps_none_and_what_one_has_all_get() -> None:
    def work(ranks: Ranks, network: nn.Sequential) -> None:
        sums = Reduction(ranks)
        second, last = network.get_parameter("1.weight"), network.get_parameter("3.bias")
        sums.learn([*network.parameters()])
        with sums.listening():
            out = second.sum() * (ranks.rank + 1)
            (out + last.sum() if ranks.rank == 1 else out).backward()  # type: ignore[no-untyped-call]
        sums.finish()

    for found in on_ranks(work):
        assert found["0.weight"] is None
        assert found["3.weight"] is None
        assert torch.equal(found["1.weight"], torch.full((4, 3, 2, 2), 6.0))  # type: ignore[arg-type]
        assert torch.equal(found["3.bias"], torch.ones(2))  # type: ignore[arg-type]


def test_a_rank_that_makes_its_pass_again_sends_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduction, "MOST_BYTES", 1)

    def work(ranks: Ranks, network: nn.Sequential) -> None:
        sums = Reduction(ranks)
        sums.learn([*network.parameters()])
        own = IMAGES_BCHW[ranks.share.part(7)]
        if ranks.rank == 1:
            failing = network[1].register_full_backward_pre_hook(_refuse)
            with sums.listening(), pytest.raises(MemoryError):
                network(own).square().sum().backward()
            failing.remove()
            network.zero_grad()
            network(own[:1]).square().sum().backward()  # the first of its parts
            own = own[1:]
        with sums.listening():
            network(own).square().sum().backward()
        sums.finish()

    for found in on_ranks(work):
        for name, gradient in whole().items():
            torch.testing.assert_close(found[name], gradient)


def _refuse(*_: object) -> None:
    raise MemoryError


def test_a_try_of_which_others_have_a_part_cannot_be_made_again() -> None:
    union = Union(Ranks(0, 2), Objective(lambda logits_BO, labels_B: logits_BO.sum()))
    union.begin()
    union.demand_free("by itself it may be")
    union.norms.num_calls = 1
    with pytest.raises(MemoryShortageError, match="the other ranks have a part already: too little"):
        union.demand_free("too little")
    union.begin()
    union.demand_free("the next step is another")
