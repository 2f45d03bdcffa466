"""Checkpoints of a cell in training: whole or absent, verified when they are read, the two newest kept."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from xzoo import durable
from xzoo.errors import UsageError

FORMAT = "xzoo.checkpoint/1"
TENSORS, FACTS = "state.safetensors", "state.json"
KEPT = 2
"""A damaged checkpoint has one before it."""

SECONDS = "XZOO_CHECKPOINT_SECONDS"
_DEFAULT_SECONDS = 60.0
_MOST_SHARE = 0.05
"""Checkpoints take no more than this part of the time: where one takes 6 s, the next is 2 minutes later."""

# Names of safetensors' element types (https://github.com/huggingface/safetensors, README, "Format").
_TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


@dataclass(frozen=True, eq=False)
class State:
    """All that a training goes on from: tensors by name, and plain facts."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def below(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin with `prefix` and a slash, by the rest of their names."""
        start = f"{prefix}/"
        return {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}


class Checkpoints:
    """The checkpoints of one training, numbered, in a folder of its own. One process writes there.

    `about` says what a checkpoint must agree in to be gone on from. `messages` says which ones could not be, and why.
    `clock` gives seconds.
    """

    def __init__(
        self, folder: Path, about: Mapping[str, str], seconds: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder
        self.messages: list[str] = []
        self._about = dict(about)
        self._seconds = interval() if seconds is None else seconds
        self._clock = clock
        self._last = clock()
        self._cost = 0.0

    @property
    def is_due(self) -> bool:
        """Whether an interval has gone by since the last one."""
        return self._clock() - self._last >= self._interval

    @property
    def is_worth_one(self) -> bool:
        """Whether a tenth of an interval has gone by: before long work that follows training this much is saved."""
        return self._clock() - self._last >= self._interval / 10

    @property
    def _interval(self) -> float:
        return max(self._seconds, self._cost / _MOST_SHARE) if self._seconds else 0.0

    def newest(self) -> State | None:
        """Return the newest state that is whole and fits, or None. Damaged ones are removed. Raises StorageError."""
        for number in reversed(self._numbers()):
            found = self._read(number)
            if isinstance(found, State):
                self._last = self._clock()
                return found
            self.messages += [found] if found else []
        return None

    def write(self, state: State) -> None:
        """Keep a state; of older ones the last is kept beside it. Raises StorageError."""
        began = self._clock()
        number = max(self._numbers(), default=0) + 1
        facts = {"format": FORMAT, "about": self._about, "state": dict(state.facts)}
        with durable.new_folder(self._path(number)) as folder:
            durable.fill_bytes(folder / FACTS, json.dumps(facts).encode())
            with durable.fill_file(folder / TENSORS, _num_bytes(state.tensors)) as file:
                _write(file, state.tensors)
        for old in self._numbers()[:-KEPT]:
            durable.remove(self._path(old))
        self._last = self._clock()
        self._cost = self._last - began

    def remove(self) -> None:
        """Remove them all, once nothing goes on from them any more. Raises StorageError."""
        if self.folder.is_dir():
            durable.remove(self.folder)

    def _read(self, number: int) -> State | str:
        """Return a checkpoint's state, or why it cannot be gone on from; nothing of one that another process has just removed."""
        path = self._path(number)
        damaged = f"checkpoint {path} is damaged, and was removed"
        try:
            names = json.loads((path / durable.MANIFEST).read_bytes()).keys()
            if names != {TENSORS, FACTS} or not durable.is_whole(path):
                raise ValueError("its bytes are not those that its manifest names")
            facts = json.loads((path / FACTS).read_bytes())
            if facts["format"] != FORMAT or facts["about"] != self._about:
                return f"checkpoint {path} is left aside: {_difference(facts['about'], self._about)}"
            return State(load_file(path / TENSORS), facts["state"])
        except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError, SafetensorError):
            is_there = path.exists()
            durable.remove(path)
            return damaged if is_there else ""

    def _numbers(self) -> list[int]:
        """Return the numbers of what lies there, whole or not."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())

    def _path(self, number: int) -> Path:
        return self.folder / str(number)


def interval() -> float:
    """Return the least seconds between two checkpoints, from XZOO_CHECKPOINT_SECONDS; 0 is one after every step.

    Raises UsageError for what is no number of seconds.
    """
    word = os.environ.get(SECONDS, "").strip()
    try:
        seconds = float(word) if word else _DEFAULT_SECONDS
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"{SECONDS}={word} is no number of seconds", "give the seconds between two checkpoints, such as 60")
    return seconds


def _difference(theirs: object, ours: Mapping[str, str]) -> str:
    """Return in words what two of `about` differ in."""
    if not isinstance(theirs, dict):
        return "it does not say what it belongs to"
    keys = [key for key in sorted({*theirs, *ours}) if theirs.get(key) != ours.get(key)]
    return ", ".join(f"its {key} is {str(theirs.get(key))[:40]}, and here it is {str(ours.get(key))[:40]}" for key in keys)


def _num_bytes(tensors: Mapping[str, Tensor]) -> int:
    return len(_header(tensors)) + sum(_size(tensor) for tensor in tensors.values())


def _write(file: IO[bytes], tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, one after the other: the library's own writer holds copies of all of them at once."""
    file.write(_header(tensors))
    for tensor in tensors.values():
        file.write(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def _header(tensors: Mapping[str, Tensor]) -> bytes:
    """Return the header of a file of safetensors: its length, then names, types, shapes and places, filled up to 8 bytes."""
    entries: dict[str, Any] = {}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + _size(tensor)
        entries[name] = {"dtype": _TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    words = json.dumps(entries).encode()
    words += b" " * (-len(words) % 8)
    return len(words).to_bytes(8, "little") + words


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
