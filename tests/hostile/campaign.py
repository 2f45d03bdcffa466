"""Each hostile plugin alone, then all at once: do help, list, plugins, info and compare of others work, and is the fault named?

    python tests/hostile/campaign.py [NAME ...] [--json FILE]

Every command runs in a process of its own with xzoo as it is imported here. Prints a line for each installation, the table's
counts at the end, and exits with 1 where anything fails. About ten minutes for all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wares import Ware, install, read

MAIN = "import sys; from xzoo.cli import main; sys.exit(main())"
OTHER = "mobilenet_v3_small"
DATA = "phantom:train=16,val=8,test=8,size=32"
COMPARE = f"compare {OTHER}@random --data {DATA} --freeze frozen --seeds 1 --epochs 1 --set size=32 --no-latency"
COMMANDS: Mapping[str, Sequence[str]] = {
    "--help": ["--help"],
    "list": ["list"],
    "plugins": ["plugins", "--format", "json"],
    "info of others": ["info", OTHER],
    "compare of others": COMPARE.split(),
}
NAMED = "check names the fault"
LONGEST_S = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Try every installation, print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)
    wares = [ware for ware in read() if not asked.names or ware.name in asked.names]
    with tempfile.TemporaryDirectory() as place:
        sound = tried([], Path(place) / "none", "")
        rows = {ware.name: tried([ware], Path(place) / ware.name, sound["--help"]["out"]) for ware in wares}
        rows["(all at once)"] = tried(wares, Path(place) / "all", sound["--help"]["out"])
    alone = Counter(name for row in list(rows.values())[:-1] for name, one in row.items() if one["is_good"])
    for name in (*COMMANDS, NAMED):
        together = "and" if rows["(all at once)"][name]["is_good"] else "NOT"
        print(f"{name}: {alone[name]} of {len(wares)} alone, {together} all at once")
    if asked.json:
        figures = {name: {key: {**one, "out": ""} for key, one in row.items()} for name, row in rows.items()}
        Path(asked.json).write_text(json.dumps(figures, indent=1), "utf-8")
    return int(not all(one["is_good"] for row in rows.values() for one in row.values()))


def tried(wares: Sequence[Ware], site: Path, help_text: str) -> dict[str, dict[str, Any]]:
    """Install the wares, run every command beside them, and return what each did."""
    site.mkdir()
    install(wares, site)
    found = {name: run(words, site) for name, words in COMMANDS.items()}
    found["--help"]["is_good"] &= found["--help"]["out"] == help_text or not wares
    found["list"]["is_good"] &= OTHER in found["list"]["out"] and found["list"]["out"].replace("\n", "").isprintable()
    checks = [(ware, run(["plugins", "check", ware.asked_for], site)) for ware in wares]
    unnamed = [ware.name for ware, check in checks if not names_the_fault(ware, check, found["plugins"]["out"])]
    found[NAMED] = {
        "is_good": not unnamed,
        "seconds": sum(check["seconds"] for _, check in checks),
        "out": "",
        "unnamed": unnamed,
    }
    name = wares[0].name if len(wares) == 1 else f"{len(wares)} plugins"
    bad = [f"{key} ({one['code']})" if "code" in one else f"{key}: {unnamed}" for key, one in found.items() if not one["is_good"]]
    times = ", ".join(f"{one['seconds']:.1f}" for one in found.values())
    print(f"{name}: {'ok' if not bad else 'FAILED: ' + ', '.join(bad)} ({times} s)", flush=True)
    return found


def names_the_fault(ware: Ware, check: Mapping[str, Any], plugins: str) -> bool:
    """Whether the check refuses the plugin with a reason, and the listing says what the table expects."""
    rows = [row for row in json.loads(plugins)["plugins"] if ware.is_in(row["name"], row["module"], row["distribution"])]
    told = "; ".join(fault["text"] for row in rows for fault in row["faults"])
    is_listed = {row["health"] for row in rows} == {ware.health} and re.search(ware.fault, told) is not None
    return is_listed and (check["code"] not in {0, 70, None} or not ware.fault)


def run(words: Sequence[str], site: Path) -> dict[str, Any]:
    """Run a command and return whether it ended well, its exit code, stdout and seconds."""
    path = os.pathsep.join([str(site), *(place for place in sys.path if place)])
    variables = {**os.environ, "PYTHONPATH": path, "XZOO_CACHE": str(site.parent / "cache"), "NO_COLOR": "1"}
    began = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", MAIN, *words],
            cwd=site,
            env=variables,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        code, out = done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        code, out = None, ""
    return {"is_good": code == 0, "code": code, "seconds": time.perf_counter() - began, "out": out}


if __name__ == "__main__":
    sys.exit(main())
