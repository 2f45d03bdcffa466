"""Recipes, listings, predictions, plans, outcomes, cells and manifests, altered at random: only an XzooError may come of them.

    python tests/hostile/fuzz_inputs.py [NUMBER] [--seed N]

Sound examples are changed by bits, bytes, cuts and doublings, and by words that readers trip over. Prints a line for each kind:
how many were read, how many refused, the longest in milliseconds of computing; then the most memory. Exits with 1 where anything
else came.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from image_samples import mutated
from inputs import MOST_MB, MOST_SECONDS, draw
from written_run import write_run
from xzoo.compare import history, prediction_files, selection
from xzoo.data.source import open_source
from xzoo.errors import UsageError, XzooError
from xzoo.report import reading
from xzoo.runs.store import RunFolder
from xzoo.train import recipe

_VALUE = re.compile(rb'"[^"\n]*"|-?\d[\d.e+-]*|true|false|null|[A-Za-z_]+')
_WORDS = (
    *(
        b"null",
        b"-1",
        b"0",
        b"1e999",
        b"-0.0",
        b"NaN",
        b"Infinity",
        b"99999999999999999999",
        b"9" * 5000,
        b"true",
        b"[]",
        b"{}",
        b'""',
    ),
    *(b'"\\ud800"', b'"\\u0000"', b'"../../x"', b'"/etc/passwd"', b"\x1b[2J", b"\xe2\x80\xae", b"\0", b"\xff", b"\r", b'"', b"'"),
    *(
        b"[[[[",
        b'{"a":' * 2000,
        b"[" * 2000,
        b"a." * 2000,
        b"," * 1000,
        b"\n" * 1000,
        b"x" * 200_000,
        b"=1+1",
        b"inf",
        b"2026-11-22",
    ),
)


@dataclass(frozen=True)
class Target:
    """A file, what it held, and what reads it."""

    name: str
    path: Path
    sound: bytes
    read: Callable[[], object]


def targets(place: Path) -> Iterator[Target]:
    """Write a sound example of every kind below a folder."""
    draw(place / "good", each=2)
    names = [(f"good/{label}/{number}.png", label) for label in "ab" for number in range(2)]
    rows = "".join(f"{path},{label},train,p{place}\n" for place, (path, label) in enumerate(names))
    lines = "".join(json.dumps({"path": path, "label": label, "group": 3}) + "\n" for path, label in names)
    chances = 'path,label,probabilities\n0.png,a,"{""a"": 0.5, ""b"": 0.5}"\n1.png,b,0.4 0.6\n2.png,a,"[0.5, 0.5]"\n'
    values = '# ours\nlr = 0.001\nepochs = 3\noptimizer = "sgd"\naugment = "none"\nclip = 1\nsize = 32\n'
    for name, text in (("list.csv", f"path,label,split,group\n{rows}"), ("list.jsonl", lines)):
        path = place / name
        yield Target(name, path, text.encode(), lambda path=path: open_source(path))  # type: ignore[misc]
    yield Target(
        "recipe.toml", place / "recipe.toml", values.encode(), lambda: recipe.make(recipe.read(str(place / "recipe.toml")))
    )
    (place / "other.csv").write_text(chances)
    both = [place / "predictions.csv", place / "other.csv"]
    yield Target("predictions.csv", both[0], chances.encode(), lambda: prediction_files.read(both))
    yield from _of_a_run(place)


def _of_a_run(place: Path) -> Iterator[Target]:
    write_run(place / "runs" / "one")
    folder = RunFolder(place / "runs" / "one")
    cell = next((folder.path / "cells").iterdir())

    def read() -> None:
        with contextlib.suppress(UsageError):  # nothing was learnt here
            selection.find(folder.path)
        history.read_outcome(folder)
        reading.read_folder(folder)

    for name in ("plan.json", "compare.json"):
        yield Target(name, folder.path / name, (folder.path / name).read_bytes(), read)
    for name in ("manifest.json", "predictions.npz"):
        yield Target(name, cell / name, (cell / name).read_bytes(), lambda: folder.predictions(cell.name))


def altered(sound: bytes, rng: random.Random) -> bytes:
    """Return an example with bytes changed, values replaced by words that readers trip over, or both."""
    way = rng.random()
    if way < 0.3:
        return mutated(sound, rng)
    places = [match.span() for match in _VALUE.finditer(sound[:60_000])]
    for begin, end in sorted(rng.sample(places, min(len(places), rng.choice((1, 1, 2, 4)))), reverse=True):
        sound = sound[:begin] + rng.choice(_WORDS) + sound[end:]
    return mutated(sound, rng) if way > 0.9 else sound


def tried(target: Target, number: int, seed: str) -> tuple[Counter[str], list[str]]:
    """Read so many alterations of one file; return counts, and what came of those that ended otherwise."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for place in range(number):
        target.path.write_bytes(altered(target.sound, random.Random(f"{seed} {target.name} {place}")))
        before = time.thread_time()
        try:
            target.read()
            counts["read"] += 1
        except XzooError as error:
            counts["refused"] += 1
            wrong += [] if error.text and error.remedy else [f"{target.name} {place}: {error.text!r} without a remedy"]
        except Exception as error:
            wrong.append(f"{target.name} {place}: {type(error).__name__}: {str(error)[:200]}")
        seconds = time.thread_time() - before
        counts["most ms"] = max(counts["most ms"], round(1000 * seconds))
        wrong += [f"{target.name} {place}: {seconds:.1f} s"] if seconds > MOST_SECONDS else []
    target.path.write_bytes(target.sound)
    return counts, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Try all targets, print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("number", nargs="?", type=int, default=10_000)
    parser.add_argument("--seed", default="0")
    asked = parser.parse_args(arguments)
    warnings.simplefilter("error")
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        os.environ["XZOO_CACHE"] = str(Path(place) / "cache")
        chosen = list(targets(Path(place)))
        for target in chosen:
            counts, faults = tried(target, -(-asked.number // len(chosen)), asked.seed)
            wrong += faults
            print(f"{target.name:16} " + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())), flush=True)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
    wrong += [f"{megabytes} MB"] if megabytes > MOST_MB else []
    print("\n".join([*wrong[:40], f"{len(wrong)} ended otherwise than with a value or an XzooError; {megabytes} MB at most"]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
