"""The same command gives the same predictions: in fresh folders, in another order, and when it is stopped and run again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from xzoo import durable

# Whatever a shell starts in the background inherits a SIGINT that is ignored.
HEARD = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
START = f"{HEARD}; import sys; from xzoo.cli import main; sys.exit(main())"
NETS = """
import dataclasses

import xzoo
from xzoo_torchvision import shufflenet


def build():
    from torch import nn

    stem = [nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.2)]
    return nn.Sequential(*stem, nn.Conv2d(8, 16, 3, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


shuffle = next(iter(shufflenet.xzoo_backbones()))
gap = xzoo.Backbone(
    name="gap", build=build, head=xzoo.ReplaceLinear("7"), stages={"stem": ("0", "1"), "block": "4"},
    preprocess=xzoo.Preprocess(size=64),
)
"""
DATA = "phantom:train=24,val=8,test=8,size=64"
CELLS = 4

Arrays = dict[str, dict[str, NDArray[np.float64]]]


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("nets") / "nets.py"
    file.write_text(NETS)
    return file


def begin(folder: Path, nets: Path, names: str, *more: str) -> subprocess.Popen[str]:
    """Start a comparison in a process of its own, with a run folder and a cache that hold nothing but its own."""
    words = [f"{nets}:{name}@random" for name in names.split()]
    words += ["--data", DATA, "--freeze", "frozen,finetune", "--seeds", "1", "--runs", str(folder / "runs"), "--format", "json"]
    words += ["--set", "size=64", "--set", "batch_size=8", "--epochs", "2", *more]
    path = os.pathsep.join(place for place in sys.path if place)
    fixed = {"PYTHONPATH": path, "XZOO_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", START, "compare", *words],
        env={**os.environ, **fixed},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> int:
    out, err = process.communicate(timeout=120)
    assert process.returncode in {0, 130, 143, -signal.SIGKILL}, (out + err)[-2000:]
    return process.returncode


def predictions(folder: Path) -> Arrays:
    """Return every stored array of every finished cell."""
    found: Arrays = {}
    for cell in sorted(folder.glob("runs/*/cells/[!.]*")):
        assert durable.is_whole(cell)
        with np.load(cell / "predictions.npz", allow_pickle=False) as arrays:
            found[cell.name] = {name: arrays[name] for name in arrays.files}
    return found


def compared(folder: Path, nets: Path, names: str, *more: str) -> Arrays:
    assert finish(begin(folder, nets, names, *more)) == 0
    return predictions(folder)


def assert_same(one: Arrays, other: Arrays) -> None:
    assert one.keys() == other.keys()
    for cell, arrays in one.items():
        assert len(arrays) == 9
        assert arrays.keys() == other[cell].keys()
        assert [name for name in arrays if not np.array_equal(arrays[name], other[cell][name])] == [], cell


ORDERS = {"first": "shuffle gap", "again": "shuffle gap", "other order": "gap shuffle"}


@pytest.fixture(scope="module")
def fresh(nets: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrays]:
    """Three comparisons at the same time, each in a folder of its own."""
    folders = {name: tmp_path_factory.mktemp("fresh") for name in ORDERS}
    processes = [begin(folder, nets, ORDERS[name]) for name, folder in folders.items()]
    assert [finish(process) for process in processes] == [0, 0, 0]
    return {name: predictions(folder) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def reference(fresh: dict[str, Arrays]) -> Arrays:
    assert len(fresh["first"]) == CELLS
    return fresh["first"]


@pytest.mark.parametrize("name", ["again", "other order"])
def test_in_a_fresh_folder_and_in_any_order_the_predictions_are_the_same(
    fresh: dict[str, Arrays], reference: Arrays, name: str
) -> None:
    assert_same(fresh[name], reference)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_stopped_and_run_again_it_gives_the_same_predictions(
    reference: Arrays, nets: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = begin(tmp_path, nets, "gap shuffle")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[1/4]") and "validation" in line:
            process.send_signal(number)
            break
    assert finish(process) == code
    kept = predictions(tmp_path)
    assert 1 <= len(kept) < CELLS
    if number != signal.SIGKILL:
        assert [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")] == []
    assert_same(kept, {cell: reference[cell] for cell in kept})
    times = {cell: next(tmp_path.glob(f"runs/*/cells/{cell}")).stat().st_mtime_ns for cell in kept}
    assert_same(compared(tmp_path, nets, "gap shuffle"), reference)
    assert times == {cell: next(tmp_path.glob(f"runs/*/cells/{cell}")).stat().st_mtime_ns for cell in kept}


def test_augmented_training_learns_the_same_tensors(reference: Arrays, nets: Path, tmp_path: Path) -> None:
    augment = ("--augment", "chest-xray", "--keep", "all")
    one, other = tmp_path / "one", tmp_path / "other"
    first = compared(one, nets, "gap", *augment)
    assert_same(compared(other, nets, "gap", *augment), first)
    tensors = [{file.name: file.read_bytes() for file in folder.glob("runs/*/learnt/*")} for folder in (one, other)]
    assert len(tensors[0]) == 2
    assert tensors[0] == tensors[1]
    plain = [arrays for cell, arrays in reference.items() if cell.startswith("gap")]
    assert all(
        not np.array_equal(arrays["val_probabilities"], other["val_probabilities"])
        for arrays in first.values()
        for other in plain
    )
