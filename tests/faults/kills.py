"""SIGKILL at random times while `xzoo compare` runs, the same command again, and so on to the end.

    python tests/faults/kills.py --kills 1000
    python tests/faults/kills.py --kills 200 --signal INT

A comparison of six cells is begun in a folder of its own and killed several times, each time in a phase that is drawn, and then
let run to its end. After every kill the store is read: what is finished must be there, whole and unchanged. In the end
predictions and learnt tensors must be those of a comparison that nobody killed, no finished cell may have been begun again, and
no more steps than one checkpoint interval may have been made again for each kill. Processes are forked from one that has
imported torch and has started none of its threads, so that beginning anew costs little. With INT or TERM, which are one Ctrl-C
and a scheduler's word, no step may be made again, nothing unfinished may be left, and the exit code must be its own. Exits 1
where anything is otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import itertools
import json
import math
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

from kills_watched import MOST_CELLS, MOST_STEPS, PHASES, Board, become, prepare
from xzoo.runs.store import RunFolder, scan

MOST_IN_ONE = 8
"""Kills of one comparison, at most; then it may end."""

INTERVALS, NEVER = (1, 2, 4), 1_000_000
CODES = {"KILL": -signal.SIGKILL, "INT": 130, "TERM": 143}
"""How a process ends by each signal."""

ANYWHERE, NOWHERE = PHASES[0], -1
"""What is no other phase lies everywhere between them, so a kill that is meant for it comes at any time."""

MOST_SECONDS = 120.0
_LOOKS_EVERY = 0.0002


@dataclass(eq=False)
class Life:
    """One comparison from its beginning to its end, however many processes that takes."""

    words: list[str]
    folder: Path
    every: int
    signal: str = "KILL"
    board: Board = field(default_factory=Board.shared)
    kept: dict[str, str] = field(default_factory=dict)
    begun: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def process(self) -> int:
        """Begin the command, or begin it again, and return its process."""
        self.board.phase = 0
        number = os.fork()
        if number == 0:
            become(self.board, self.words, self.folder, self.every)
        return number

    def look(self) -> None:
        """Read the store as it is now, and note what is wrong with it."""
        for run in scan(self.folder / "xzoo-runs"):
            try:
                cells = [cell["id"] for cell in run.plan()["cells"]]
                finished = {cell: digest(run, cell) for cell in cells if run.is_finished(cell)}
                self.wrong += [f"{cell} is not whole" for cell in finished if not run.has(cell)]
                self.wrong += [f"{cell} was finished and is lost" for cell in self.kept.keys() - finished.keys()]
                self.wrong += [f"{cell} has changed" for cell, old in self.kept.items() if finished.get(cell, old) != old]
                for place, cell in enumerate(cells):
                    if cell in self.kept and self.board.begun[place] != self.begun[cell]:
                        self.wrong.append(f"{cell} was finished and begun again")
                    run.cell(cell)
                    self.begun[cell] = self.board.begun[place]
                run.outcome(dict)
                self.kept |= finished
                if self.signal != "KILL":
                    self.wrong += [f"{path} is left" for path in self.folder.rglob("*.tmp")]
            except Exception as error:  # whatever a reader of the store could meet
                self.wrong.append(f"the store cannot be read: {type(error).__name__}: {error}")

    @property
    def num_again(self) -> int:
        """How many steps were made more than once."""
        return sum(max(0, self.board.made[place] - 1) for place in range(MOST_CELLS * MOST_STEPS))

    @property
    def num_steps(self) -> int:
        """How many different steps were made."""
        return sum(self.board.made[place] > 0 for place in range(MOST_CELLS * MOST_STEPS))


def digest(run: RunFolder, cell: str) -> str:
    """Return a hash of a cell's predictions and of the tensors it learnt."""
    found = hashlib.sha256()
    for name, array in sorted(run.predictions(cell).items()):
        found.update(name.encode() + str((array.dtype, array.shape)).encode() + array.tobytes())
    found.update(run.learnt(cell).read_bytes())
    return found.hexdigest()


def wait(number: int, seconds: float) -> int | None:
    """Return how a process ended, or None where it has not within this time."""
    until = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(number, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            return None
        time.sleep(_LOOKS_EVERY)


def aim(life: Life, phase: str, draw: random.Random, seconds: dict[str, float]) -> None:
    """Let the next process be struck in a phase, mostly the first or second time it enters it, at any time of what that takes."""
    place = PHASES.index(phase)
    times = 1 if phase == ANYWHERE else next(count for count in itertools.count(1) if draw.random() < 0.5)
    life.board.aim, life.board.entry = place, life.board.entered[place] + times
    life.board.delay, life.board.number = draw.random() * seconds[phase], getattr(signal, f"SIG{life.signal}")
    life.board.landed = 0


def live(life: Life, draw: random.Random, num_kills: int, seconds: dict[str, float]) -> Counter[str]:
    """Have a comparison killed so often, then let it end; return in which phases it was killed."""
    landed: Counter[str] = Counter()
    for kill in range(num_kills):
        # Packing and the features are behind most comparisons after their first process.
        aim(life, draw.choice(PHASES[1:3] if kill == 0 and draw.random() < 0.5 else PHASES), draw, seconds)
        code = wait(life.process(), MOST_SECONDS)
        if code == 0:
            break
        if code != CODES[life.signal]:
            life.wrong.append(f"it ended with {code}: {(life.folder / 'told.txt').read_text()[-1500:]}")
            break
        landed[PHASES[life.board.phase if life.signal == "KILL" else life.board.landed]] += 1
        life.look()
    life.board.aim = NOWHERE
    code = wait(life.process(), MOST_SECONDS)
    if code != 0:
        life.wrong.append(f"in the end it ended with {code}: {(life.folder / 'told.txt').read_text()[-1500:]}")
    life.look()
    return landed


def reference(words: list[str], folder: Path) -> tuple[Life, dict[str, float]]:
    """Return a comparison that nobody killed, and the seconds that it spends in a phase each time it enters it."""
    life = Life(words, folder, every=1)
    life.board.aim = NOWHERE
    began = time.monotonic()
    code = wait(life.process(), MOST_SECONDS)
    took = time.monotonic() - began
    life.look()
    if code != 0 or life.wrong:
        sys.exit(f"the comparison itself ended with {code}: {life.wrong} {(folder / 'told.txt').read_text()[-3000:]}")
    spent = {name: life.board.seconds[place] / max(1, life.board.entered[place]) for place, name in enumerate(PHASES)}
    return life, {**spent, ANYWHERE: took}


def faults(life: Life, whole: Life, num_kills: int) -> list[str]:
    """Return what is otherwise than in the comparison that nobody killed."""
    found = list(life.wrong)
    if life.kept != whole.kept:
        found.append("predictions or tensors differ from those of the comparison that nobody killed")
    if life.num_steps != whole.num_steps or life.num_again > (num_kills * life.every if life.signal == "KILL" else 0):
        found.append(f"{life.num_again} steps made again, of {life.num_steps}, after {num_kills} kills with {life.every}")
    left = [str(path) for path in life.folder.glob("xzoo-runs/*/checkpoints/*")]
    return (
        found
        + [f"checkpoints are left: {left}"] * bool(left)
        + ["there is no report"] * (not (life.folder / "report.html").is_file())
    )


def prepare_imports(folder: Path) -> None:
    """Import here what a comparison imports, so that no process that is forked from this one has to."""
    told = folder / "modules.txt"
    for name in told.read_text().split() if told.exists() else ():
        if name.partition(".")[0] != "xzoo" and name not in sys.modules:
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def campaign(num_kills: int, seed: int, word: str, seconds_at_most: float) -> dict[str, object]:
    """Kill comparisons so often, or as often as the time allows, and return what was found."""
    draw = random.Random(seed)
    landed: Counter[str] = Counter()
    wrong: list[str] = []
    num_lives = num_again = 0
    began = time.monotonic()
    # What a killed process wrote is there for the next one, on whatever disk: no power is lost. Memory is the fastest.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="xzoo-kills-", dir=memory) as place:
        words = prepare(Path(place))
        (Path(place) / "whole").mkdir()
        (Path(place) / "first").mkdir()
        reference(words, Path(place) / "first")
        prepare_imports(Path(place) / "first")
        whole, seconds = reference(words, Path(place) / "whole")
        while landed.total() < num_kills and not wrong and time.monotonic() - began < seconds_at_most:
            with tempfile.TemporaryDirectory(dir=place) as folder:
                life = Life(words, Path(folder), draw.choice(INTERVALS if word == "KILL" else (1, NEVER)), word)
                here = live(life, draw, min(MOST_IN_ONE, num_kills - landed.total()), seconds)
                wrong += faults(life, whole, here.total())
            landed += here
            num_lives, num_again = num_lives + 1, num_again + life.num_again
    return {
        "signal": word,
        "kills": landed.total(),
        "comparisons": num_lives,
        "landed in": {name: landed[name] for name in PHASES},
        "cells of one": len(whole.kept),
        "steps of one": whole.num_steps,
        "steps made again": num_again,
        "seconds of one": round(seconds[ANYWHERE], 2),
        "seconds": round(time.monotonic() - began),
        "seed": seed,
        "wrong": wrong,
    }


def main() -> int:
    """Run the campaign and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signal", choices=CODES, default="KILL")
    parser.add_argument("--seconds", type=float, default=math.inf, help="Begin no further comparison after so many.")
    asked = parser.parse_args()
    for name in ("torch", "xzoo.cli.frame", "xzoo.compare.api", "xzoo.compare.experiment"):
        importlib.import_module(name)
    found = campaign(asked.kills, asked.seed, asked.signal, asked.seconds)
    print(json.dumps(found, indent=1))
    return int(bool(found["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
