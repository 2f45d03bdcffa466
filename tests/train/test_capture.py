from __future__ import annotations

import contextlib
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch

from xzoo.train.capture import host_draws, recorder_of, repeatable
from xzoo.train.device import Device


@pytest.mark.parametrize("draw", [lambda: torch.rand(1), random.random, np.random.rand])
def test_random_numbers_of_the_host_are_noticed(draw: Callable[[], object]) -> None:
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    assert host_draws(draw) == "the network draws random numbers on the host"
    assert host_draws(lambda: None) == ""
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])


def test_algorithms_that_repeat_are_asked_for_inside_alone() -> None:
    before = torch.backends.cudnn.deterministic
    with contextlib.suppress(ZeroDivisionError), repeatable():
        assert torch.backends.cudnn.deterministic
        assert 1 / 0
    assert torch.backends.cudnn.deterministic == before


def test_a_processor_records_nothing() -> None:
    assert recorder_of(Device("cpu", "fp32", 1)) is None
    assert recorder_of(Device("cuda:1", "bf16", 1)) is not None
