"""What belongs to the process and not to a network: torch's settings, random streams, and the functions that all rely on."""

from __future__ import annotations

import builtins
import contextlib
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch._dynamo  # imported later by torch itself, it would wrap torch's functions under a network's name
from torch import nn

from xzoo.zoo import manners

_SHORT = 60


def _cudnn() -> tuple[bool, bool, bool]:
    backend = torch.backends.cudnn
    return backend.enabled, backend.benchmark, backend.deterministic


def _set_cudnn(was: tuple[bool, bool, bool]) -> None:
    torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = was


_SETTINGS: Mapping[str, tuple[Callable[[], Any], Callable[[Any], Any] | None]] = {
    "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "torch's default device": (torch.get_default_device, torch.set_default_device),
    "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
    "torch's recording of gradients": (torch.is_grad_enabled, torch.autograd.grad_mode.set_grad_enabled),
    "torch's anomaly detection": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "torch's deterministic algorithms": (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    "torch's precision of products": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    "torch's autocast": (torch.is_autocast_enabled, None),
    "torch.backends.cudnn": (_cudnn, _set_cudnn),
    "torch.backends.mkldnn.enabled": (lambda: torch.backends.mkldnn.enabled, None),
    "torch's fast path of attention": (torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
    "Python's random stream": (random.getstate, random.setstate),
    "numpy's random stream": (lambda: np.random.get_state(legacy=True), np.random.set_state),
    "the filters of warnings": (lambda: tuple(warnings.filters), None),
    "the root logger": (lambda: (logging.root.level, tuple(map(id, logging.root.handlers))), None),
}


@contextlib.contextmanager
def kept() -> Iterator[list[str]]:
    """Put back what the block changes of this process, and name the changes in the list that is yielded, once it has ended."""
    changes: list[str] = []
    settings = {name: get() for name, (get, _) in _SETTINGS.items()}
    known = _functions()
    with manners.kept() as of_the_process:
        try:
            yield changes
        finally:
            for name, was in settings.items():
                get, put = _SETTINGS[name]
                now = get()
                if repr(was) != repr(now):
                    changes.append(f"changes {name}" + (f" from {was} to {now}" if len(f"{was}{now}") < _SHORT else ""))
                    if put is not None:
                        put(was)
            changes += _replaced(known)
    changes += of_the_process


def _replaced(known: Mapping[tuple[str, str], Any]) -> Iterator[str]:
    """Put back the functions that are others now, and yield that they were replaced."""
    owners = dict(_namespaces())
    for (owner, name), was in known.items():
        if owner in owners and vars(owners[owner]).get(name, was) is not was:
            yield f"replaces {owner}.{name}"
            with contextlib.suppress(AttributeError, TypeError):
                setattr(owners[owner], name, was)


def _functions() -> dict[tuple[str, str], Any]:
    return {
        (owner, name): found
        for owner, namespace in _namespaces()
        for name, found in list(vars(namespace).items())
        if callable(found) or isinstance(found, property | staticmethod | classmethod)
    }


def _namespaces() -> Iterator[tuple[str, Any]]:
    """Yield what holds the functions of torch, numpy, Python and xzoo, under the names by which they are called."""
    modules = (torch, nn, nn.functional, nn.init, torch.optim, torch.random, np, random, builtins, os)
    yield from ((module.__name__, module) for module in modules)
    yield from ((name, module) for name, module in list(sys.modules.items()) if name.startswith("xzoo.") and module)
    yield "torch.Tensor", torch.Tensor
    yield from ((f"torch.nn.{name}", found) for name, found in vars(nn).items() if isinstance(found, type))
