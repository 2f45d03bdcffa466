"""A disk that fails at every durable point of a comparison, one after the other, and the same command again.

    python tests/faults/disk_faults.py --errors ENOSPC,EIO,EROFS,EDQUOT,torn

A comparison of four cells, with checkpoints and a report, passes K points: each write, fsync, rename, folder and removal. For
each of them and each error it is made in a folder of its own with XZOO_FAULT=any:k:ERROR. It must end with exit code 5 and a
screen that says what is needed (torn: as by SIGKILL), leave nothing half, and end well when it is given again: predictions and
tensors to the byte those of a comparison that met no fault, and no cell that was finished computed again. `--every` and `--first`
take a part of the points. Processes are forked from one that has imported torch and has started none of its threads. Exits 1
where anything is otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import kills
import kills_watched
from xzoo import faults
from xzoo.runs.store import scan

ALL_ERRORS = (*faults.ERRORS, faults.TORN)
NEVER = f"{faults.ANY}:999999999:EIO"
"""Counts all points and fails at none."""

WAITS = 60.0


@dataclass(eq=False)
class Trial:
    """A folder in which a comparison is made, and what is wrong with it. What it tells is written beside it, on another disk."""

    words: list[str]
    folder: Path
    wrong: list[str] = field(default_factory=list)

    def make(self, fault: str) -> tuple[int, str, dict[str, int]]:
        """Carry the command out under a fault; return its exit code, what it told, and how many points it passed."""
        number = os.fork()
        if number == 0:
            become(self.words, self.folder, fault, self.told)
        code = kills.wait(number, WAITS)
        if code is None:
            os.kill(number, signal.SIGKILL)
            self.wrong.append("it did not end")
        told, points = (self.told.with_suffix(suffix) for suffix in (".txt", ".json"))
        text = told.read_text() if told.exists() else ""
        passed = json.loads(points.read_text()) if points.exists() else {}
        for path in (told, points):
            path.unlink(missing_ok=True)
        return -1 if code is None else code, text, passed

    @property
    def told(self) -> Path:
        """Where the command's words go, with `.txt` behind it, the points that it passed, and the modules that it imported."""
        return self.folder.with_name(f"{self.folder.name}-told")

    def finished(self) -> dict[str, tuple[int, int]]:
        """Return the finished cells and what would differ had one been written again; note what cannot be read."""
        found = {}
        for run in scan(self.folder / "xzoo-runs"):
            try:
                for cell in [cell["id"] for cell in run.plan()["cells"] if run.is_finished(cell["id"])]:
                    self.wrong += [f"{cell} is not whole"] * (not run.has(cell))
                    status = (run.path / "cells" / cell / "result.json").stat()
                    found[cell] = status.st_ino, status.st_mtime_ns
                run.outcome(dict)
            except Exception as error:  # whatever a reader of the store could meet
                self.wrong.append(f"the store cannot be read: {type(error).__name__}: {error}")
        return found

    def unfinished(self) -> list[str]:
        """Return what bears the name of something that is being written, put aside or claimed."""
        return [path.name for path in self.folder.rglob(".*") if path.suffix in {".tmp", ".old", ".claim"}]

    def digests(self) -> dict[str, str]:
        """Return a hash of each cell's predictions and learnt tensors."""
        [run] = scan(self.folder / "xzoo-runs")
        return {cell["id"]: kills.digest(run, cell["id"]) for cell in run.plan()["cells"]}


def become(words: list[str], folder: Path, fault: str, beside: Path) -> None:
    """Be the command in this process, and then its report; end with the first exit code that is not 0."""
    code = 70
    try:
        os.chdir(folder)
        os.environ |= {"XZOO_CACHE": str(folder / "cache"), faults.VARIABLE: fault}
        told = os.open(beside.with_suffix(".txt"), os.O_WRONLY | os.O_CREAT, 0o644)
        os.dup2(told, 1)
        os.dup2(told, 2)
        with_checkpoints()
        from xzoo.cli.frame import run

        code = run(words) or run(["report", "last", "-o", "report.html"])
        sys.stdout.flush()
        passed = faults.trial()
        beside.with_suffix(".json").write_text(json.dumps(passed.counts if passed else {}))
        (beside.parent / "modules.txt").write_text("\n".join(sys.modules))
    finally:
        os._exit(code)


def with_checkpoints() -> None:
    """Let a checkpoint be due at every fourth step, and not by the clock, so that the points repeat."""
    import itertools

    from xzoo.train.checkpoint import Checkpoints

    asked = itertools.count(1)
    Checkpoints.is_due = property(lambda _: next(asked) % 4 == 0)  # type: ignore[method-assign, assignment]


def prepare(place: Path) -> list[str]:
    """Write images and a network, and return the words of the command."""
    kills_watched.prepare(place)
    words = ["compare", f"{place}/nets.py:gap@random", "--data", f"{place}/photos", "--freeze", "frozen,finetune"]
    words += ["--seeds", "2", "--epochs", "2", "--set", "batch_size=8", "--set", "precision=fp32", "--keep", "all"]
    return [*words, "--no-latency", "--margin", "0.05"]


def tried(trial: Trial, fault: str, whole: dict[str, str]) -> list[str]:
    """Make a comparison under a fault, and again without; return what is otherwise than it should be."""
    error = fault.rpartition(":")[2]
    code, told, _ = trial.make(fault)
    if code != (-signal.SIGKILL if error == faults.TORN else 5):
        trial.wrong.append(f"it ended with {code}: {told[-600:]}")
    elif error != faults.TORN:
        trial.wrong += screen_faults(told, error, trial.folder)
        trial.wrong += [f"{name} is left" for name in trial.unfinished()]
    before = trial.finished()
    code, told, _ = trial.make(NEVER)
    if code != 0:
        return [*trial.wrong, f"given again it ended with {code}: {told[-600:]}"]
    after = trial.finished()
    trial.wrong += [f"{cell} was finished and written again" for cell, status in before.items() if after.get(cell) != status]
    trial.wrong += [f"{name} is left in the end" for name in trial.unfinished()]
    if trial.digests() != whole or not (trial.folder / "report.html").is_file():
        trial.wrong.append("the result is not that of a comparison without a fault")
    return trial.wrong


def screen_faults(told: str, error: str, folder: Path) -> list[str]:
    """Return what the screen of a failing disk lacks."""
    lines = told[told.rfind("error: ") :].splitlines()
    wanted = {"ENOSPC": "free ", "EDQUOT": "free ", "EROFS": "choose a place", "EIO": "check the disk"}[error]
    found = []
    if "error: cannot write" not in lines[0] or not any(word in lines[0] for word in (str(folder), "xzoo-runs", "report.html")):
        found.append(f"the first line names no place: {lines[0]}")
    if len(lines) > 4 or "Traceback" in told:
        found.append(f"it is no screen: {told[-600:]}")
    if wanted not in " ".join(lines[1:]):
        found.append(f"it does not say what is needed: {lines[1:]}")
    return found


def import_all() -> None:
    """Import what a comparison does, in one thread, so that no process that is forked from this one has to."""
    import torch

    import xzoo.cli.frame
    import xzoo.compare.api
    import xzoo.compare.experiment  # noqa: F401

    torch.set_num_threads(1)


def undisturbed(words: list[str], folder: Path) -> dict[str, int]:
    """Make the comparison in a new folder without a fault, import what it did, and return the points that it passed."""
    folder.mkdir()
    code, told, passed = Trial(words, folder).make(NEVER)
    if code != 0:
        sys.exit(f"the comparison itself ended with {code}: {told[-3000:]}")
    kills.prepare_imports(folder.parent)
    return passed


def campaign(asked: argparse.Namespace) -> dict[str, object]:
    """Try every point that is asked for, and return what was found."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # what is lost is lost by imitation, not by the disk
    began, ended, last = time.monotonic(), Counter[str](), 0
    wrong: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory(prefix="xzoo-disk-", dir=memory) as place:
        words = prepare(Path(place))
        counts = [undisturbed(words, Path(place) / name) for name in ("first", "whole")]
        if counts[0] != counts[1]:
            sys.exit(f"the points do not repeat: {counts}")
        whole = Trial(words, Path(place) / "whole").digests()
        numbers = range(asked.first, min(asked.last or counts[0][faults.ANY], counts[0][faults.ANY]) + 1, asked.every)
        for number in numbers:
            if time.monotonic() - began > asked.seconds:
                break
            last = number
            for error in asked.errors.split(",") if asked.turn is None else [ALL_ERRORS[(number + asked.turn) % len(ALL_ERRORS)]]:
                fault = f"{faults.ANY}:{number}{'+' if asked.lasting and error != faults.TORN else ''}:{error}"
                with tempfile.TemporaryDirectory(dir=place) as folder:
                    found = tried(Trial(words, Path(folder)), fault, whole)
                wrong |= {fault: found} if found else {}
                ended[error] += not found
    return {
        "points": counts[0],
        "tried": {error: ended[error] for error in ended},
        "numbers": [numbers.start, last, asked.every],
        "cells": len(whole),
        "seconds": round(time.monotonic() - began),
        "wrong": wrong,
    }


def main() -> int:
    """Run the campaign and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--errors", default=",".join(ALL_ERRORS))
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int, default=0)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument(
        "--turn", type=int, help="one error for each point: at the first point this one, counted from 0, then the next"
    )
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no other point after so many")
    parser.add_argument("--lasting", action="store_true", help="the disk goes on failing")
    import_all()
    found = campaign(parser.parse_args())
    print(json.dumps(found, indent=1))
    return int(bool(found["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
