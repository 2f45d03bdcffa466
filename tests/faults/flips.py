"""Bits flipped and files cut in everything that is kept: packs, views, features, cells of runs, learnt tensors.

    python tests/faults/flips.py [--flips 2000] [--cuts 200] [--seed N]

Each damage is done to one file, at a place drawn at random, and what it belongs to is asked for as a command would. It must be
made again or refused. Prints a line for each kind: how many were made again, refused, or loaded as if nothing had happened.
Exits 1 where one was loaded.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from xzoo.compare.saved import read_learnt
from xzoo.data import shards
from xzoo.data.pack import make_pack, make_view
from xzoo.data.source import arrays, open_source
from xzoo.errors import StorageError
from xzoo.runs.result import CellResult
from xzoo.runs.store import RunFolder
from xzoo.train import rows

SILENT = "loaded"
SHARD_BYTES = 250
"""Small enough that the pack lies in four shards and the view in two."""


@dataclass(frozen=True)
class Kept:
    """Something on disk: its files, and what asks for it, which says whether it had to be made again."""

    name: str
    folder: Path
    ask: Callable[[], bool]

    def files(self) -> list[Path]:
        """Return the files, the largest last."""
        return sorted((path for path in self.folder.rglob("*") if path.is_file()), key=lambda path: (path.stat().st_size, path))


def everything(place: Path) -> Iterator[Kept]:
    """Keep one of each kind below a folder."""
    os.environ["XZOO_CACHE"] = str(place / "cache")
    rng = np.random.default_rng(0)
    source = open_source(arrays(rng.integers(0, 256, (8, 12, 10), dtype=np.uint8), np.arange(8) % 2))
    pack = make_pack(source)
    yield Kept("packs", pack.folder, lambda: make_pack(source).num_decoded == len(pack))
    made: list[int] = []
    make_view(pack, size=(6, 6), num_channels=1)
    [view] = (place / "cache" / "views").iterdir()

    def ask_view() -> bool:
        before = (view / "manifest.json").stat().st_ino
        make_view(make_pack(source), size=(6, 6), num_channels=1)
        return (view / "manifest.json").stat().st_ino != before

    yield Kept("views", view, ask_view)
    values = torch.from_numpy(rng.normal(size=(8, 5)))

    def ask_rows() -> bool:
        made.clear()
        rows.kept(["words"], 8, lambda: iter([(np.arange(8), _noted(values, made))]))
        return bool(made)

    ask_rows()
    [features] = (place / "cache" / "features").iterdir()
    yield Kept("features", features, ask_rows)
    run = RunFolder(place / "runs" / "one")
    run.write_cell(_result(), {"val_probabilities": rng.random((8, 2)), "val_labels": np.arange(8) % 2})
    yield Kept("cells", run.path / "cells", lambda: _asks_cell(run))
    run.write_learnt("cell", {"head.weight": rng.normal(size=(2, 7)).astype(np.float32), "seen": np.array(3)})
    yield Kept("learnt tensors", run.path / "learnt", lambda: bool(read_learnt(run.learnt("cell")) is None))


def _noted(values: torch.Tensor, made: list[int]) -> torch.Tensor:
    made.append(1)
    return values


def _asks_cell(run: RunFolder) -> bool:
    if run.has("cell"):
        run.cell("cell")
        run.predictions("cell")
        return False
    try:
        run.cell("cell")
        run.predictions("cell")
    except StorageError:
        return True
    raise AssertionError("a cell that is not whole is read as if it were")


def _result() -> CellResult:
    return CellResult(
        id="cell",
        contender="tiny@random frozen",
        backbone="tiny",
        weights="random",
        freeze="frozen",
        seed=0,
        status="done",
        learning_params=7,
        epochs=3,
    )


def damaged(data: bytes, rng: random.Random, *, is_cut: bool) -> bytes:
    """Return the bytes cut at a random place, or with one bit flipped."""
    place = rng.randrange(len(data))
    return data[:place] if is_cut else data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def tried(kept: Kept, number: int, rng: random.Random, *, is_cut: bool) -> Counter[str]:
    """Damage its files so many times, ask for it each time, and count what came of that."""
    counts: Counter[str] = Counter()
    for place in range(number):
        path = kept.files()[place % len(kept.files())]
        whole = path.read_bytes()
        # In place, so that inode and folder stay as they were.
        path.write_bytes(damaged(whole, rng, is_cut=is_cut))
        try:
            counts["made again" if kept.ask() else SILENT] += 1
        except StorageError:
            counts["refused"] += 1
        if path.read_bytes() != whole:
            path.write_bytes(whole)
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Damage everything, print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=2000)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    total: Counter[str] = Counter()
    shards.SHARD_BYTES = SHARD_BYTES
    with tempfile.TemporaryDirectory() as place:
        kinds = list(everything(Path(place)))
        for kept in kinds:
            rng = random.Random(f"{asked.seed} {kept.name}")
            cuts = tried(kept, -(-asked.cuts // len(kinds)), rng, is_cut=True)
            flips = tried(kept, -(-asked.flips // len(kinds)), rng, is_cut=False)
            total += cuts + flips
            print(f"{kept.name:16} cut: {_told(cuts)}; flipped: {_told(flips)}", flush=True)
    print(f"{total.total() - total[SILENT]} of {total.total()} noticed")
    return int(total[SILENT] > 0)


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
