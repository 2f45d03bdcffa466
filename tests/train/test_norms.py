"""Batch norm over ranks that are threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from threaded import COUNT, on_threads
from xzoo.train.norms import Norms
from xzoo.train.ranks import Ranks


def normed(norm: nn.Module, inputs: Tensor, heavy: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Return outputs, gradients of a weighted sum of their squares, and running statistics."""
    inputs = inputs.clone().requires_grad_()
    out = norm(inputs)
    (out.float().square() * heavy).sum().backward()
    return out.detach(), [inputs.grad, *(p.grad for p in norm.parameters())], list(norm.buffers())  # type: ignore[list-item]


def parted(make: Callable[[], nn.Module], inputs: Tensor, heavy: Tensor, cuts: Sequence[int]) -> list[Any]:
    """Do the same by ranks that have the rows up to each cut; one without a row stands in on the first and counts for nothing."""
    edges = [0, *cuts, len(inputs)]
    torch.manual_seed(0)
    norms = [make() for _ in range(COUNT)]
    for norm in norms[1:]:
        norm.load_state_dict(norms[0].state_dict())

    def work(ranks: Ranks) -> Any:
        own = slice(edges[ranks.rank], edges[ranks.rank + 1])
        together = Norms(ranks)
        together.counts = own.start < own.stop
        seen = own if together.counts else slice(0, 1)
        with together:
            return normed(norms[ranks.rank], inputs[seen], heavy[seen] * together.counts)

    return on_threads(work)


def assert_same(make: Callable[[], nn.Module], inputs: Tensor, cuts: Sequence[int]) -> None:
    heavy = torch.rand(inputs.shape, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    out, gradients, buffers = normed(make(), inputs, heavy)
    found = parted(make, inputs, heavy, cuts)
    real = [one for one, size in zip(found, torch.tensor([0, *cuts, len(inputs)]).diff(), strict=True) if size]
    close = partial(torch.testing.assert_close, rtol=2e-5, atol=2e-5)
    close(torch.cat([one[0] for one in real]), out)
    close(torch.cat([one[1][0] for one in real]), gradients[0])
    for stand_in in (one for one in found if not any(one is each for each in real)):
        assert not stand_in[1][0].any(), "nothing below it learns from what is no part of the batch"
    for number, gradient in enumerate(gradients[1:], 1):
        torch.testing.assert_close(sum(one[1][number] for one in found), gradient, rtol=2e-5, atol=2e-4)
    for one in found:
        for mine, whole in zip(one[2], buffers, strict=True):
            close(mine, whole)


CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "images": (lambda: nn.BatchNorm2d(5), (9, 5, 4, 3)),
    "rows": (lambda: nn.BatchNorm1d(5, momentum=0.4), (9, 5)),
    "cumulative": (lambda: nn.BatchNorm2d(5, momentum=None), (9, 5, 2, 2)),
    "without scale": (lambda: nn.BatchNorm2d(5, affine=False), (9, 5, 2, 2)),
    "without running statistics": (lambda: nn.BatchNorm3d(5, track_running_stats=False), (9, 5, 2, 2, 2)),
}


@pytest.mark.parametrize("cuts", [(3, 6), (5, 8), (1, 9)], ids=["even", "uneven", "one rank without images"])
@pytest.mark.parametrize("name", CASES)
def test_parts_are_normalised_by_the_whole_batch(name: str, cuts: tuple[int, int]) -> None:
    make, shape = CASES[name]
    assert_same(make, torch.randn(shape, generator=torch.Generator().manual_seed(2)), cuts)


def test_channels_far_from_zero_keep_their_digits() -> None:
    inputs = 300 + torch.randn((9, 5, 4, 4), generator=torch.Generator().manual_seed(2))
    found = parted(lambda: nn.BatchNorm2d(5), inputs, torch.ones_like(inputs), (5, 8))
    exact = (inputs.double() - inputs.double().mean((0, 2, 3), keepdim=True)) / inputs.double().std((0, 2, 3), correction=0)[
        :, None, None
    ]
    assert float((torch.cat([one[0] for one in found]).double() - exact).abs().max()) < 2e-4


def test_a_norm_with_more_in_it_keeps_that() -> None:
    from timm.layers.norm_act import BatchNormAct2d

    assert_same(lambda: BatchNormAct2d(5), torch.randn((9, 5, 2, 2), generator=torch.Generator().manual_seed(2)), (3, 6))


def test_half_precision_keeps_its_type() -> None:
    inputs = torch.randn((9, 5, 4, 4), generator=torch.Generator().manual_seed(2)).bfloat16()
    found = parted(lambda: nn.BatchNorm2d(5), inputs, torch.ones_like(inputs), (4, 7))
    out, gradients, _ = normed(nn.BatchNorm2d(5), inputs, torch.ones_like(inputs))
    assert found[0][0].dtype == found[0][1][0].dtype == torch.bfloat16
    torch.testing.assert_close(torch.cat([one[0] for one in found]), out)
    torch.testing.assert_close(torch.cat([one[1][0] for one in found]), gradients[0], rtol=0.05, atol=0.05)


def test_what_is_frozen_is_left_to_itself() -> None:
    norm, inputs = nn.BatchNorm2d(5).eval(), torch.randn(2, 5, 2, 2)
    with Norms(Ranks(0, COUNT)) as together:  # ranks that are not there: a sum over them would raise
        out = norm(inputs)
    assert together.num_calls == 0
    assert torch.equal(out, norm(inputs))
