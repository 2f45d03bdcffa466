"""What timing needs whatever is timed: a backbone made ready, errors in words, a look at the memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import nn

from xzoo.compare.bench import build
from xzoo.errors import StorageError, XzooError
from xzoo.model import weights
from xzoo.model.body import whole_of
from xzoo.train.device import Device
from xzoo.train.prepared import prepare
from xzoo.train.recipe import Recipe
from xzoo.zoo.spec import Choice, Preprocess

NUM_CLASSES = 2
ONE_PEAK = {"peak_memory_mb": "the process has one peak on a CPU, which is no row's own"}
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Candidate:
    """A backbone ready to be timed: `network` gives logits, `seconds` went into building it and loading its weights."""

    choice: Choice
    preprocess: Preprocess
    network: nn.Module
    seconds: float

    def emptied(self) -> Candidate:
        """Return this without its network, whose memory may be needed."""
        return replace(self, network=nn.Identity())


Candidates = Mapping[str, Candidate | Exception]
"""By label; an error in place of a backbone that cannot be built."""


def make_candidate(choice: Choice, preprocess: Preprocess, recipe: Recipe, device: Device) -> Candidate | Exception:
    """Return a backbone made ready on the device, or the error that keeps it from being. Raises StorageError."""
    try:
        prepared = prepare(choice)
        began = time.perf_counter()
        # Once more, since the first time holds imports and the hash that `prepare` takes of all tensors.
        weights.load(choice.backbone.build(), choice)
        seconds = time.perf_counter() - began
        classifier, _ = build(prepared, NUM_CLASSES, recipe, 0, preprocess, device)
        return Candidate(choice, preprocess, whole_of(classifier), seconds)
    except StorageError:
        raise
    except Exception as error:
        return error


def tried(make: Callable[[], _T]) -> _T | Mapping[str, str]:
    """Return what a function makes, or its error in words. Raises StorageError."""
    try:
        return make()
    except Exception as error:
        return in_words(error)


def in_words(error: Exception) -> Mapping[str, str]:
    """Return what a row says of the error that ended it. Raises StorageError, which concerns more than a row."""
    if isinstance(error, StorageError):
        raise error
    if isinstance(error, XzooError):
        return {"kind": error.kind, "text": error.text, "remedy": error.remedy}
    kind = "memory" if isinstance(error, torch.OutOfMemoryError) else "bug"
    text = " ".join(str(error).split())[:300]
    return {
        "kind": kind,
        "text": f"{type(error).__name__}: {text}",
        "remedy": "leave this row out, or choose a smaller batch",
    }


class Memory:
    """Device memory since this began, beyond what was held before."""

    def __init__(self, device: Device) -> None:
        self.device = device
        device.reset_peak_memory()
        self.before = torch.cuda.memory_allocated(device.kind) / 2**20 if device.kind.startswith("cuda") else 0.0

    def peak_mb(self) -> float | None:
        """Return the peak in MiB; None on a CPU, where a process keeps no such count for a part of it."""
        return self.device.peak_memory_mb() - self.before if self.device.kind.startswith("cuda") else None
