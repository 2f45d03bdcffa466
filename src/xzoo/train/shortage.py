"""Memory that runs out: known by its error, freed of what failed, and gone on with on smaller parts of a batch.

B = images in a batch
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from xzoo.errors import CellError
from xzoo.runs.conditions import Shortage, in_words
from xzoo.train import memory

_Result = TypeVar("_Result")

# What torch raises as a plain RuntimeError: c10/core/impl/alloc_cpu.cpp, and c10, cuBLAS and cuDNN where it is their own memory.
_SAYINGS = (
    "can't allocate memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
)


class MemoryShortageError(CellError):
    """Memory ran out where no smaller part of a batch is left to try."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a device or on the host."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(saying in str(error) for saying in _SAYINGS)


@dataclass(frozen=True)
class Tried(Generic[_Result]):
    """What a try gave, or what it said when memory ran out."""

    result: _Result | None = None
    said: str = ""


def tried(work: Callable[[], _Result]) -> Tried[_Result]:
    """Do work and return what it gives; where memory runs out, free what the try held and return what the error said."""
    try:
        return Tried(work())
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        said = " ".join(str(error).split())[:200] or type(error).__name__
    # Behind the handler, since until its end the error's traceback holds the failed try's tensors.
    release()
    return Tried(said=said)


def release() -> None:
    """Give what nothing holds any more back to the device and to the system."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    memory.give_back()


def parts(count: int, at_once: int, least: int = 1) -> list[slice]:
    """Cut a batch of `count` into parts of `at_once`, the last ragged; one of fewer than `least` joins the one before it."""
    starts = list(range(0, count, at_once))
    if len(starts) > 1 and count - starts[-1] < least:
        del starts[-1]
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], count], strict=True)]


@dataclass(eq=False)
class Ration:
    """How many images are computed at once: all of a batch, until memory runs out, then halves of `full`, quarters and so on.

    It never grows again, so that what a cell computes follows from where memory ran out, and `told` says where that was: a cell
    that is resumed with `told` goes on as it would have gone on. `least` is the smallest part.
    """

    full: int
    what: str
    least: int = 1
    told: list[Shortage] = field(default_factory=list)

    @property
    def at_once(self) -> int:
        """The most images of a part."""
        return self.told[-1].at_once if self.told else self.full

    def cut(self, count: int) -> list[slice]:
        """Cut a batch of so many images into its parts: one, while nothing has run out."""
        return parts(count, self.at_once, self.least) if self.told else [slice(0, count)]

    def shrink(self, count: int, said: str, **more: Any) -> None:
        """Halve until fewer than the largest part of a batch of `count` are computed at once. Raises MemoryShortageError."""
        largest = max(part.stop - part.start for part in self.cut(count))
        at_once = min(self.at_once, max(self.full, count))
        while at_once >= largest and at_once > self.least:
            at_once = max(self.least, -(-at_once // 2))
        if at_once >= largest:
            raise MemoryShortageError(
                f"memory ran out in {self.what}, also with {largest} image{'s' if largest != 1 else ''} at once: {said}",
                "choose a smaller size (--set size=...), a smaller backbone, or another device",
            )
        self.told.append(Shortage(what=self.what, at_once=at_once, of=count, **more))


class Parted:
    """A function of inputs (B,...) whose rows do not depend on each other, called on parts once memory has run out for the whole.

    Rows come out the same but for their last bits, which on most devices depend on the size of a batch. Wrap no function that
    learns, or whose norms see the batch.
    """

    def __init__(self, compute: Callable[[Tensor], Tensor], what: str) -> None:
        self._compute, self._what = compute, what
        self._ration: Ration | None = None

    @property
    def memory(self) -> Sequence[Shortage]:
        """Where memory ran out, and how many images are computed at once since."""
        return self._ration.told if self._ration else ()

    @property
    def detail(self) -> str:
        """The same in words; nothing where memory sufficed."""
        return in_words(self.memory[-1]) if self.memory else ""

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return what the function gives for the whole batch. Raises MemoryShortageError where one row alone is too much."""
        self._ration = self._ration or Ration(len(inputs), self._what)
        while True:
            cut = self._ration.cut(len(inputs))
            found = tried(lambda cut=cut: _joined(self._compute(inputs[part]) for part in cut))  # type: ignore[misc]
            if found.result is not None:
                return found.result
            self._ration.shrink(len(inputs), found.said)


def _joined(rows: Iterator[Tensor]) -> Tensor:
    found = list(rows)
    return found[0] if len(found) == 1 else torch.cat(found)


def as_shortages(values: Sequence[Mapping[str, Any]]) -> list[Shortage]:
    """Return shortages from the plain values that a checkpoint keeps."""
    return [Shortage(**value) for value in values]
