"""Many processes that write into one run folder at once, and what is there afterwards.

    python tests/faults/many_writers.py --writers 32 --records 1000

A record is a finished cell, written as `compare` writes it, and acknowledged when that has returned. Three rounds, each in a run
folder of its own: all write their own cells; all do, and half of them are killed at random times; and all want the same cells,
each of which must be written by one. Then everything is read: what was acknowledged must be there whole, with the bytes of its
own, and what was not must be whole too or not be there. Exits 1 where anything is otherwise.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo import durable
from xzoo.runs.claims import Claims
from xzoo.runs.result import CellResult
from xzoo.runs.store import RunFolder

KILLED_ALREADY = -signal.SIGKILL

Work = Callable[[RunFolder, int, int, mmap.mmap], None]


def result(writer: int, record: int, name: str = "") -> CellResult:
    words: dict[str, Any] = {"contender": "alexnet@random frozen", "backbone": "alexnet", "weights": "random", "freeze": "frozen"}
    return CellResult(id=name or f"w{writer}-r{record}", **words, seed=record, learning_params=writer, status="done")


def predictions(writer: int, record: int) -> dict[str, NDArray[Any]]:
    chances_NK = np.random.default_rng([writer, record]).random((20, 2))
    return {"val_index": np.arange(20), "val_labels": np.arange(20) % 2, "val_probabilities": chances_NK}


def write(folder: RunFolder, writer: int, num_records: int, done: mmap.mmap) -> None:
    """Write a writer's own cells; the byte of each is set when it is acknowledged."""
    for record in range(num_records):
        folder.write_cell(result(writer, record), predictions(writer, record))
        done[writer * num_records + record] = 1


def contest(folder: RunFolder, writer: int, num_records: int, done: mmap.mmap) -> None:
    """Write what nobody else has claimed of the same cells, in an order of one's own; the byte counts in this writer's row."""
    claims = Claims(folder.claims)
    order = list(range(num_records))
    random.Random(writer).shuffle(order)
    for record in order:
        name = f"cell{record}"
        if folder.is_finished(name) or not claims.take(name):
            continue
        if not folder.has(name):
            folder.write_cell(result(writer, record, name), predictions(writer, record))
            done[writer * num_records + record] = 1
        claims.release(name)


def begin(work: Work, folder: RunFolder, writer: int, num_records: int, done: mmap.mmap) -> int:
    number = os.fork()
    if number == 0:
        code = 1
        try:
            work(folder, writer, num_records, done)
            code = 0
        finally:
            os._exit(code)
    return number


def round_of(
    work: Work, folder: RunFolder, num_writers: int, num_records: int, num_killed: int, draw: random.Random
) -> mmap.mmap:
    """Let all writers write, kill some of them, and return the bytes that say what was acknowledged."""
    done = mmap.mmap(-1, num_writers * num_records)
    started = [begin(work, folder, writer, num_records, done) for writer in range(num_writers)]
    condemned = {started[place]: draw.random() for place in draw.sample(range(num_writers), num_killed)}
    while condemned:
        share = sum(done[: len(done)]) / len(done)
        for number in [one for one, when in condemned.items() if when <= share * 2]:
            os.kill(number, signal.SIGKILL)
            del condemned[number]
        time.sleep(0.001)
    codes = Counter(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in started)
    if codes - Counter({0: num_writers, KILLED_ALREADY: num_killed}):
        sys.exit(f"writers ended with {codes}")
    return done


def look(folder: RunFolder, num_writers: int, num_records: int, done: mmap.mmap) -> tuple[Counter[str], list[str]]:
    """Read everything, and return what was found and what is wrong."""
    found, wrong = Counter[str](), []
    for writer in range(num_writers):
        for record in range(num_records):
            name, acknowledged = f"w{writer}-r{record}", bool(done[writer * num_records + record])
            found["acknowledged"] += acknowledged
            if not folder.is_finished(name):
                wrong += [f"{name} was acknowledged and is not there"] * acknowledged
                continue
            found["there"] += 1
            if not folder.has(name):
                wrong.append(f"{name} is taken for whole and is not")
            elif not same(folder, name, writer, record):
                wrong.append(f"{name} holds something else")
    return found, wrong


def same(folder: RunFolder, name: str, writer: int, record: int) -> bool:
    read, expected = folder.predictions(name), predictions(writer, record)
    arrays = read.keys() == expected.keys() and all(np.array_equal(read[key], expected[key]) for key in expected)
    return arrays and folder.cell(name) == result(writer, record, name)


def contested(folder: RunFolder, num_writers: int, num_records: int, done: mmap.mmap) -> tuple[Counter[str], list[str]]:
    """Read the cells that all wanted: each was written by one, and is what that one wrote."""
    found, wrong = Counter[str](), []
    for record in range(num_records):
        by = [writer for writer in range(num_writers) if done[writer * num_records + record]]
        if len(by) != 1:
            wrong.append(f"cell{record} was written by {len(by)}")
        elif not folder.has(f"cell{record}") or not same(folder, f"cell{record}", by[0], record):
            wrong.append(f"cell{record} is not what its writer wrote")
        else:
            found["written once"] += 1
    return found, wrong


def unfinished(folder: RunFolder) -> int:
    return sum(path.suffix in {".tmp", ".old", ".claim"} for path in (folder.path / "cells").iterdir() if path.name[0] == ".")


def campaign(num_writers: int, num_records: int, place: Path, draw: random.Random) -> dict[str, object]:
    """Write the three rounds and return what was found."""
    told: dict[str, object] = {"writers": num_writers, "records of each": num_records}
    every: list[str] = []
    for name, work, num_killed in (
        ("all live", write, 0),
        ("half are killed", write, num_writers // 2),
        ("contested", contest, 0),
    ):
        folder = RunFolder(place / name.replace(" ", "-"))
        began = time.monotonic()
        done = round_of(work, folder, num_writers, num_records, num_killed, draw)
        seconds = time.monotonic() - began
        found, wrong = (contested if work is contest else look)(folder, num_writers, num_records, done)
        found["left unfinished"] = unfinished(folder)
        durable.write_bytes(folder.path / "cells" / "next", b"")
        found["left when the next process has written"] = unfinished(folder)
        total = num_records if work is contest else num_writers * num_records
        if not num_killed and found["acknowledged"] + found["written once"] != total:
            wrong.append("not all of them were written")
        wrong += ["something unfinished stays"] * bool(unfinished(folder))
        told[name] = {**found, "seconds": round(seconds, 1)}
        every += wrong
        durable.remove(folder.path)
    return {**told, "wrong": every[:20]}


def main() -> int:
    """Run the campaign and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--writers", type=int, default=32)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--place", help="a folder on the disk that is meant; default: the system's temporary one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xzoo-writers-", dir=asked.place) as place:
        found = campaign(asked.writers, asked.records, Path(place), random.Random(asked.seed))
    print(json.dumps({**found, "place": asked.place or tempfile.gettempdir()}, indent=1))
    return int(bool(found["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
