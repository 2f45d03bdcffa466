"""How long `xzoo --help` and `xzoo list` take with many plugins installed, without them, and a bare interpreter, in turns.

    python tests/benchmarks/start_up.py [NUM_PLUGINS] [TURNS]

Prints medians in seconds, their ratio to `python -c pass` of the same turns, and the ratio of with to without with its range. The
plugins are distributions with metadata and a module that fails when it is imported: names must come from metadata alone.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

MAIN = "import sys; from xzoo.cli import main; sys.exit(main())"
COMMANDS: Mapping[str, Sequence[str]] = {
    "python -c pass": ("-c", "pass"),
    "xzoo --help": ("-c", MAIN, "--help"),
    "xzoo list": ("-c", MAIN, "list"),
}


def install(folder: Path, count: int) -> None:
    """Make distributions that each offer one backbone."""
    for place in range(count):
        info = folder / f"many_{place}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: many-{place}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[xzoo.backbones]\nmany{place} = many_{place}\n")
        (folder / f"many_{place}.py").write_text("raise ImportError('no name needs this')\n")


def seconds(arguments: Sequence[str], variables: Mapping[str, str]) -> float:
    """Return the wall time of one call."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=dict(variables), check=True, capture_output=True)
    return time.perf_counter() - began


def ratios(times: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return the ratio of every turn."""
    return [one / other for one, other in zip(times, others, strict=True)]


def main(count: int, turns: int) -> int:
    """Measure all commands in turns and print the table."""
    with tempfile.TemporaryDirectory() as place:
        install(Path(place), count)
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join([place, *(entry for entry in sys.path[1:] if entry)])}
        listed = subprocess.run(
            [sys.executable, *COMMANDS["xzoo list"]], env=variables, check=True, capture_output=True, text=True
        )
        missing = [f"many{number}" for number in range(count) if f"many{number}" not in listed.stdout]
        without = {**variables, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path[1:] if entry)}
        sides = {"": variables, ", no plugins": without}
        found: dict[str, list[float]] = {f"{name}{side}": [] for name in COMMANDS for side in sides}
        for turn in range(turns):
            for name, arguments in COMMANDS.items():
                # Either side is first in every other turn.
                for side in sorted(sides, reverse=bool(turn % 2)):
                    found[f"{name}{side}"].append(seconds(arguments, sides[side]))
    bare = found["python -c pass"]
    for name, times in found.items():
        ratio, middle = statistics.median(ratios(times, bare)), statistics.median(times)
        print(f"{name:28} {middle:.3f} s (least {min(times):.3f}, n {turns}), {ratio:.1f} times a bare interpreter")
    for name in COMMANDS:
        shares = sorted(ratios(found[name], found[f"{name}, no plugins"]))
        print(f"{name}, {count} plugins to none: {statistics.median(shares):.3f} ({shares[0]:.2f}-{shares[-1]:.2f})")
    if missing:
        print(f"not listed: {', '.join(missing)}", file=sys.stderr)
    return int(bool(missing))


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:3]]
    sys.exit(main(*[*numbers, *(30, 15)[len(numbers) :]]))
