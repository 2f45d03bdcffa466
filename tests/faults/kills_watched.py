"""A comparison in a process that tells, through memory it shares, in which phase it is and which steps it makes."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import itertools
import mmap
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

PHASES = ("laying out", "packing", "features", "training", "checkpoint", "evaluation", "storing", "report")
MOST_CELLS, MOST_STEPS = 16, 64
STEPS = 3
"""Steps of an epoch: 24 images in batches of 8."""

NETS = """
import xzoo


def small():
    from torch import nn

    stem = [nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.2)]
    return nn.Sequential(*stem, nn.Conv2d(8, 16, 3, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def plain():
    from torch import nn

    stem = [nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU()]
    return nn.Sequential(*stem, nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


side = xzoo.Preprocess(size=16)
gap = xzoo.Backbone(
    name="gap", build=small, head=xzoo.ReplaceLinear("7"), stages={"stem": ("0", "1"), "block": "4"}, preprocess=side
)
norm = xzoo.Backbone(
    name="norm", build=plain, head=xzoo.ReplaceLinear("7"), stages={"stem": ("0", "1"), "block": ("3", "4")}, preprocess=side
)
"""


class Board(ctypes.Structure):
    """What the watched process writes and the other one reads: a kill cannot part a number of so few bytes."""

    _fields_ = (
        ("phase", ctypes.c_uint8),
        ("entered", ctypes.c_uint32 * len(PHASES)),
        ("seconds", ctypes.c_double * len(PHASES)),
        ("made", ctypes.c_uint32 * (MOST_CELLS * MOST_STEPS)),
        ("begun", ctypes.c_uint32 * MOST_CELLS),
        ("aim", ctypes.c_int32),
        ("entry", ctypes.c_uint32),
        ("delay", ctypes.c_double),
        ("number", ctypes.c_int32),
        ("landed", ctypes.c_int32),
    )
    phase: int
    aim: int
    entry: int
    delay: float
    number: int
    landed: int
    entered: Any
    seconds: Any
    made: Any
    begun: Any

    @classmethod
    def shared(cls) -> Board:
        """Return a board that processes forked from this one share."""
        return cls.from_buffer(mmap.mmap(-1, ctypes.sizeof(cls)))

    @contextlib.contextmanager
    def during(self, name: str) -> Iterator[None]:
        """Be in a phase."""
        before, self.phase = self.phase, PHASES.index(name)
        self.entered[self.phase] += 1
        if self.phase == self.aim and self.entered[self.phase] == self.entry:
            strike(self.delay, self.number)
        began = time.perf_counter()
        try:
            yield
        except KeyboardInterrupt:
            self.landed = self.landed or PHASES.index(name)
            raise
        finally:
            self.phase = PHASES.index(name)
            self.seconds[self.phase] += time.perf_counter() - began
            self.phase = before

    def wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as work of a phase."""

        @functools.wraps(function)
        def inside(*words: Any, **more: Any) -> Any:
            with self.during(name):
                return function(*words, **more)

        return inside

    def followed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the generator function with each of its turns as work of a phase."""

        def inside(*words: Any, **more: Any) -> Iterator[Any]:
            with contextlib.closing(function(*words, **more)) as items:
                while True:
                    with self.during(name):
                        item = next(items, None)
                    if item is None:
                        return
                    yield item

        return inside


def strike(seconds: float, number: int) -> None:
    """Let the kernel send this process a signal after so many seconds, wherever it is by then: timer_create(2)."""
    libc, timer = ctypes.CDLL(None), ctypes.c_void_p()
    event = ctypes.create_string_buffer(struct.pack("=Qii", 0, number, 0), 64)  # SIGEV_SIGNAL
    when = struct.pack("=qqqq", 0, 0, int(seconds), int(seconds % 1 * 1e9) or 1)
    if libc.timer_create(time.CLOCK_MONOTONIC, event, ctypes.byref(timer)) or libc.timer_settime(timer, 0, when, None):
        raise OSError("this system has no timers")


def prepare(folder: Path) -> list[str]:
    """Write images and networks, and return the words of the command."""
    import numpy as np
    from PIL import Image

    numbers = np.random.default_rng(0)
    for split, count in (("train", 24), ("val", 10), ("test", 10)):
        for place in range(count):
            kind = ("dark", "light")[place % 2]
            file = folder / "photos" / split / kind / f"{place}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(numbers.integers(60 * (place % 2), 190, (16, 16), dtype=np.uint8)).save(file)
    (folder / "nets.py").write_text(NETS)
    words = ["compare", *(f"{folder}/nets.py:{name}@random" for name in ("gap", "norm"))]
    words += ["--data", f"{folder}/photos", "--freeze", "frozen,finetune,gradual:1", "--seeds", "1", "--epochs", "3"]
    return [*words, "--set", "batch_size=8", "--set", "precision=fp32", "--keep", "all", "--no-latency", "--margin", "0.05"]


def watch(board: Board, every: int) -> None:
    """Let the parts of a comparison in this process write on the board; a checkpoint is due at every so many steps."""
    from xzoo.compare import api, outcome, together
    from xzoo.compare.bench import Bench
    from xzoo.compare.experiment import CellStarted
    from xzoo.train import boundary, features
    from xzoo.train.checkpoint import Checkpoints
    from xzoo.train.eager import Step

    # What these modules import by name is replaced there.
    cell, experiment, items = (
        cast(Any, importlib.import_module(f"xzoo.compare.{name}")) for name in ("cell", "experiment", "items")
    )
    parts: dict[str, list[tuple[Any, str]]] = {
        "packing": [(api, "make_pack")],
        "features": [(features, "compute"), (boundary, "compute")],
        "training": [(together, "train_all")],
        "checkpoint": [(Checkpoints, "write"), (Checkpoints, "newest")],
        "evaluation": [(Bench, "predictions")],
        "storing": [(experiment, "keep")],
        "report": [(api, "outcome_of")],
    }
    for name, places in parts.items():
        for place, attribute in places:
            setattr(place, attribute, board.wrapped(name, getattr(place, attribute)))
    cells: list[str] = []
    current, asked = [""], itertools.count(1)
    make, compute, run = Step.__call__, items.compute, experiment.run

    def counted(this: Any, inputs: Any, labels_B: Any) -> None:
        number = this.epoch * STEPS + this.step
        make(this, inputs, labels_B)
        board.made[cells.index(current[0]) * MOST_STEPS + number] += 1

    def noted(prepared: Any, one: Any, *words: Any, **more: Any) -> Any:
        current[0] = one.id
        return compute(prepared, one, *words, **more)

    def planned(plan: Any, *words: Any) -> Any:
        cells[:] = [one.id for one in plan.cells]
        for event in run(plan, *words):
            if isinstance(event, CellStarted):
                board.begun[cells.index(event.cell.id)] += 1
            yield event

    Step.__call__ = counted  # type: ignore[method-assign, assignment]
    items.compute, experiment.run = noted, planned
    outcome.MOST_FORESEEN = 0  # what so few images would need to settle a pair takes longer to say than to train
    cell.train = board.followed("training", cell.train)
    Checkpoints.is_due = property(lambda this: next(asked) % every == 0)  # type: ignore[method-assign, assignment]


def become(board: Board, words: list[str], folder: Path, every: int) -> None:
    """Be the command in this process, in a folder, and end with its exit code; then write the run's report."""
    code = 70
    try:
        os.chdir(folder)
        os.environ.update({"XZOO_CACHE": str(folder / "cache"), "XZOO_CHECKPOINT_SECONDS": "0"})
        for number in (signal.SIGINT, signal.SIGTERM):  # a shell may have switched the first one off
            signal.signal(number, signal.default_int_handler)
        told = os.open(folder / "told.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(told, 1)
        os.dup2(told, 2)
        watch(board, every)
        if board.aim == 0:
            strike(board.delay, board.number)
        from xzoo.cli.frame import run

        code = run(words)
        if code == 0:
            with board.during("report"):
                code = run(["report", "last", "-o", "report.html"])
                board.landed = board.landed or board.phase
        (folder / "modules.txt").write_text("\n".join(sys.modules))
        sys.stdout.flush()
    except KeyboardInterrupt:  # between two commands
        code = 128 + board.number
    finally:
        os._exit(code)
