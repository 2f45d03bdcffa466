"""Every kind of bad input in a process of its own, as a user would meet it: screen, exit code, seconds of computing, memory.

    python tests/hostile/inputs_campaign.py [--part 1/4] [--json FILE] [WORD ...]

WORDs choose the kinds whose name holds one. Prints what is wrong with an answer, and a line of figures at the end. Exits with 1
where an answer is no screen of the right code, takes more than 10 s or more than 2 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inputs import MOST_MB, MOST_SECONDS, Kind, draw, wrong
from inputs_all import KINDS, TRAINED

MAIN = "import sys; from xzoo.cli import main; sys.exit(main())"
LONGEST_S = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Try them, print what is wrong and the figures, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)
    part, parts = map(int, asked.part.split("/"))
    chosen = [kind for kind in KINDS if not asked.words or any(word in kind.name for word in asked.words)][part - 1 :: parts]
    rows = []
    with tempfile.TemporaryDirectory() as place:
        sound = Path(place) / "sound"
        draw(sound / "good")
        run(Kind("", "", 0), TRAINED, sound, Path(place))
        for kind in chosen:
            rows.append(tried(kind, sound, Path(place)))
            if rows[-1]["wrong"]:
                print(f"{kind.name}: {'; '.join(rows[-1]['wrong'])}", flush=True)
    good = sum(not row["wrong"] for row in rows)
    most = {key: max(row[key] for row in rows) for key in ("seconds", "MB")}
    figures = f"at most {most['seconds']:.1f} s of computing, {most['MB']} MB"
    print(f"{good} of {len(rows)} kinds: one screen and the right code; {figures}")
    if asked.json:
        Path(asked.json).write_text(json.dumps(rows, indent=1), "utf-8")
    return int(good < len(rows))


def tried(kind: Kind, sound: Path, place: Path) -> dict[str, Any]:
    """Lay out a kind in a folder of its own, run its line, and return what was wrong, seconds and memory."""
    home = place / "home"
    shutil.copytree(sound, home, ignore=None if kind.has_run else shutil.ignore_patterns("xzoo-runs"))
    try:
        kind.make(home)
        code, out, err, seconds, megabytes = run(kind, kind.words, home, place)
    finally:
        shutil.rmtree(home)
    faults = wrong(kind, code, out, err)
    faults += [f"{seconds:.1f} s of computing"] if seconds > MOST_SECONDS else []
    faults += [f"{megabytes} MB"] if megabytes > MOST_MB else []
    return {"name": kind.name, "wrong": faults, "seconds": seconds, "MB": megabytes}


def run(kind: Kind, words: Sequence[str], home: Path, place: Path) -> tuple[int | None, str, str, float, int]:
    """Run words in a process and return exit code, stdout, stderr, seconds of computing, and the most memory in 10^6 bytes."""
    path = os.pathsep.join(one for one in sys.path if one)
    own: Mapping[str, str] = {"XZOO_CACHE": str(place / "cache"), "TORCH_HOME": str(place / "torch"), "NO_COLOR": "1"}
    variables = {**os.environ, "PYTHONPATH": path, **own, **kind.variables}
    began = time.perf_counter()
    with (place / "out").open("w+") as out, (place / "err").open("w+") as err:
        process = subprocess.Popen([sys.executable, "-P", "-c", MAIN, *words], cwd=home, env=variables, stdout=out, stderr=err)
        status, used = _ended(process.pid, began)
        process.returncode = 0
        out.seek(0)
        err.seek(0)
        return status, out.read(), err.read(), used.ru_utime + used.ru_stime, used.ru_maxrss // 1000


def _ended(pid: int, began: float) -> tuple[int | None, resource.struct_rusage]:
    while True:
        found, status, used = os.wait4(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status), used
        if time.perf_counter() - began > LONGEST_S:
            os.kill(pid, 9)
            _, _, used = os.wait4(pid, 0)
            return None, used
        time.sleep(0.005)


if __name__ == "__main__":
    sys.exit(main())
