from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from xzoo.evaluate.latency import time_batches

IMAGES_BCHW = torch.zeros(2, 3, 8, 8)


class Probe(nn.Module):
    """Remembers how it was called."""

    def __init__(self, pause: float = 0.0) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
        self.head = nn.Linear(4, 2)
        self.pause = pause
        self.seen: list[tuple[bool, bool, torch.dtype]] = []

    def forward(self, images_BCHW: Tensor) -> Tensor:
        time.sleep(self.pause)
        logits = self.head(self.body(images_BCHW).mean((2, 3)))
        assert isinstance(logits, Tensor)
        self.seen.append((self.training or self.body.training, torch.is_grad_enabled(), logits.dtype))
        return logits


class Casts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remembers the shapes of tensors that were converted."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.shapes: list[torch.Size] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._to_copy.default:
            self.shapes.append(args[0].shape)
        return func(*args, **(kwargs or {}))


def test_calls_are_in_eval_mode_without_gradients_and_warmed_up() -> None:
    probe = Probe()
    found = time_batches(probe, IMAGES_BCHW, warmup=3, max_n=7, budget_s=60)
    assert len(probe.seen) == 10
    assert set(probe.seen) == {(False, False, torch.float32)}
    assert (found.engine, found.precision, found.batch, found.n) == ("eager", "fp32", 2, 7)


def test_the_module_is_given_back_as_it_was() -> None:
    probe = Probe()
    probe.train()
    probe.body[1].eval()
    probe.head.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in probe.state_dict().items()}
    flags = [part.training for part in probe.modules()], [tensor.requires_grad for tensor in probe.parameters()]
    time_batches(probe, IMAGES_BCHW, warmup=1, max_n=2)
    assert ([part.training for part in probe.modules()], [tensor.requires_grad for tensor in probe.parameters()]) == flags
    assert all(torch.equal(before[name], tensor) for name, tensor in probe.state_dict().items())


def test_the_module_is_given_back_even_where_it_fails() -> None:
    probe = Probe()
    with pytest.raises(RuntimeError):
        time_batches(probe, torch.zeros(1, 5, 8, 8))
    assert probe.training


@pytest.mark.parametrize(
    ("max_n", "has_p90", "has_p99"), [(19, False, False), (20, True, False), (99, True, False), (100, True, True)]
)
def test_percentiles_wait_for_enough_calls(max_n: int, has_p90: bool, has_p99: bool) -> None:
    found = time_batches(nn.Flatten(), IMAGES_BCHW, max_n=max_n, budget_s=60)
    assert (found.p90_ms is not None, found.p99_ms is not None) == (has_p90, has_p99)


def test_milliseconds_and_rate_are_those_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count(0, 0.25)
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    found = time_batches(nn.Flatten(), IMAGES_BCHW, warmup=1, max_n=20, budget_s=1000)
    assert (found.p50_ms, found.p90_ms, found.n) == (250, 250, 20)
    assert found.images_per_second == pytest.approx(8)


def test_a_slow_network_stops_at_its_budget_with_one_call_at_least() -> None:
    found = time_batches(Probe(0.05), IMAGES_BCHW, budget_s=0.01)
    assert found.n == 1
    assert found.p50_ms >= 50
    assert found.p90_ms is None


def test_bf16_casts_the_weights_once_and_not_at_every_call() -> None:
    probe = Probe()
    probe.requires_grad_(False)
    with Casts() as casts:
        time_batches(probe, IMAGES_BCHW, precision="bf16", warmup=1, max_n=10, budget_s=60)
    assert {dtype for _, _, dtype in probe.seen} == {torch.bfloat16}
    assert casts.shapes.count(probe.head.weight.shape) == 1
    assert casts.shapes.count(IMAGES_BCHW.shape) == 11


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="fp8"):
        time_batches(nn.Flatten(), IMAGES_BCHW, precision="fp8")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_batch_is_waited_for() -> None:
    network = nn.Sequential(*[nn.Linear(4096, 4096) for _ in range(20)]).cuda()
    images = torch.zeros(4096, 4096, device="cuda")
    # 20 layers of 2 x 4096^3 operations are 2.7e12: above 10 ms at any fp32 rate of today.
    assert time_batches(network, images, max_n=3).p50_ms > 10
