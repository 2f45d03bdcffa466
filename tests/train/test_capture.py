from __future__ import annotations

import contextlib
import random
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch

from xzoo.train.capture import CudaRecorder, host_draws, recorder_of, repeatable
from xzoo.train.device import Device


@pytest.mark.parametrize("draw", [lambda: torch.rand(1), random.random, np.random.rand])
def test_random_numbers_of_the_host_are_noticed(draw: Callable[[], object]) -> None:
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    assert host_draws(draw) == "the network draws random numbers on the host"
    assert host_draws(lambda: None) == ""
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])


@pytest.mark.parametrize(
    ("said", "fault"),
    [("called a synchronizing CUDA operation (Triggered internally)", "the network waits for the device"), ("", "")],
)
def test_a_wait_that_torch_tells_of_is_a_fault_and_its_notice_of_the_mode_is_not_heard(
    said: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int | str] = []

    def switch(mode: int | str) -> None:
        warnings.warn("Synchronization debug mode is a prototype feature", stacklevel=1)
        modes.append(mode)

    def run() -> None:
        assert modes == ["warn"]
        if said:
            warnings.warn(said, stacklevel=1)

    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", switch)
    monkeypatch.setattr(CudaRecorder, "_aside", lambda self: contextlib.nullcontext())
    found = CudaRecorder("cuda").watched(run)
    assert found.startswith(fault)
    assert bool(found) == bool(fault)
    assert modes == ["warn", 0]


def test_other_warnings_of_a_watched_step_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", lambda mode: None)
    monkeypatch.setattr(CudaRecorder, "_aside", lambda self: contextlib.nullcontext())
    with pytest.warns(DeprecationWarning, match="old"):
        assert CudaRecorder("cuda").watched(lambda: warnings.warn("old", DeprecationWarning, stacklevel=1)) == ""


def test_algorithms_that_repeat_are_asked_for_inside_alone() -> None:
    before = torch.backends.cudnn.deterministic
    with contextlib.suppress(ZeroDivisionError), repeatable():
        assert torch.backends.cudnn.deterministic
        assert 1 / 0
    assert torch.backends.cudnn.deterministic == before


def test_a_processor_records_nothing() -> None:
    assert recorder_of(Device("cpu", "fp32", 1)) is None
    assert recorder_of(Device("cuda:1", "bf16", 1)) is not None
