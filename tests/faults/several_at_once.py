"""Several commands of one plan at the same time, in one run folder and one cache, and one of them killed.

    python tests/faults/several_at_once.py --rounds 50

In every second round one of the commands is killed at a random time. The others must end well, with predictions and tensors
to the byte those of a command that was alone; each cell must have been begun once, and once more at most where the killed one
had not ended it. Exits 1 where anything is otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import disk_faults
import kills
from xzoo import faults

LINE = re.compile(r"\[\d+/\d+\] (.*?, seed \d+)(:.*)?")


def begin(words: list[str], folder: Path, number: int) -> int:
    """Begin a command in a process of its own, and return that."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.chdir(folder)
            os.environ |= {"XZOO_CACHE": str(folder / "cache")}
            told = os.open(folder / f"told{number}.txt", os.O_WRONLY | os.O_CREAT, 0o644)
            os.dup2(told, 1)
            os.dup2(told, 2)
            from xzoo.cli.frame import run

            code = run(words)
            sys.stdout.flush()
        finally:
            os._exit(code)
    return child


def begun_and_ended(told: str) -> tuple[Counter[str], set[str]]:
    """Return how often a command began each cell, and which it ended itself."""
    found = [match for line in told.splitlines() if (match := LINE.fullmatch(line.strip()))]
    begun = Counter(match[1] for match in found if not match[2])
    return begun, {match[1] for match in found if match[2] and "kept from before" not in match[2]}


def once(words: list[str], folder: Path, num_commands: int, kill_after: float | None, whole: dict[str, str]) -> list[str]:
    """Let commands run at the same time, and return what is wrong."""
    children = [begin(words, folder, number) for number in range(num_commands)]
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(children[0], signal.SIGKILL)
    codes = [kills.wait(child, disk_faults.WAITS) for child in children]
    told = [(folder / f"told{number}.txt").read_text() for number in range(num_commands)]
    survivors = codes if kill_after is None else codes[1:]
    if any(code != 0 for code in survivors) or codes[0] not in {0, None if kill_after is None else -signal.SIGKILL}:
        return [f"they ended with {codes}: {[text[-600:] for text in told]}"]
    trial = disk_faults.Trial(words, folder)
    wrong = ["the result is not that of a command that was alone"] * (trial.digests() != whole)
    wrong += [f"{name} is left" for name in trial.unfinished() if kill_after is None or name.endswith(".claim")]
    total: Counter[str] = Counter()
    for text in told:
        total += begun_and_ended(text)[0]
    lost, ended = begun_and_ended(told[0]) if codes[0] != 0 else (Counter[str](), set[str]())
    for cell, count in total.items():
        if count > 1 + (cell in lost and cell not in ended):
            wrong.append(f"{cell} was begun {count} times")
    if len(total) != len(whole):
        wrong.append(f"{len(total)} cells were begun, of {len(whole)}")
    return wrong


def main() -> int:
    """Run the rounds and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--commands", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    disk_faults.import_all()
    draw, began, num_killed = random.Random(asked.seed), time.monotonic(), 0
    wrong: dict[int, list[str]] = {}
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="xzoo-several-", dir=memory) as place:
        words = disk_faults.prepare(Path(place))
        alone = disk_faults.Trial(words, Path(place) / "alone")
        disk_faults.undisturbed(words, alone.folder)
        os.environ.pop(faults.VARIABLE, None)
        whole = alone.digests()
        for number in range(asked.rounds):
            kill_after = draw.random() * 2 if number % 2 else None
            with tempfile.TemporaryDirectory(dir=place) as folder:
                found = once(words, Path(folder), asked.commands, kill_after, whole)
            wrong |= {number: found} if found else {}
            num_killed += kill_after is not None
    told_of = {"rounds": asked.rounds, "with one killed": num_killed, "commands": asked.commands, "cells": len(whole)}
    print(json.dumps({**told_of, "seconds": round(time.monotonic() - began), "wrong": wrong}, indent=1))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
