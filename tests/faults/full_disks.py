"""Real disks that are too small, then read-only: tmpfs of growing sizes, mounted where nobody else sees them. Linux, root.

    unshare -m python tests/faults/full_disks.py --sizes 12

On each disk the comparison of disk_faults.py is made. Where it does not fit it must end with exit code 5 and a screen that says
how much is free, and leave nothing unfinished; given again on the disk enlarged, with the result of a comparison that had room.
Where the disk is read-only it must end with exit code 5 too, and its runs must still be listed. Exits 1 where anything is
otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import disk_faults

ROOM = 64 << 20


def mounted(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "xzoo-faults", str(folder)], check=True)


def on_a_disk_of(size: int, trial: disk_faults.Trial, whole: dict[str, str]) -> tuple[int, list[str]]:
    """Make the comparison on a disk of so many bytes, then with room; return how the first ended, and what is wrong."""
    code, told, _ = trial.make(disk_faults.NEVER)
    if code not in {0, 5}:
        trial.wrong.append(f"it ended with {code}: {told[-800:]}")
    if code == 5:
        trial.wrong += disk_faults.screen_faults(told, "ENOSPC", trial.folder)
        trial.wrong += [f"{name} is left" for name in trial.unfinished()]
    before = trial.finished()
    mounted(trial.folder, f"remount,size={ROOM}")
    again, told, _ = trial.make(disk_faults.NEVER)
    if again != 0 or trial.digests() != whole:
        trial.wrong.append(f"given again with room it ended with {again}: {told[-800:]}")
    elif any(trial.finished()[cell] != status for cell, status in before.items()):
        trial.wrong.append("a finished cell was written again")
    return code, [f"{size} bytes: {fault}" for fault in trial.wrong]


def read_only(trial: disk_faults.Trial, words: list[str]) -> list[str]:
    """Ask for one more seed of what is finished, on a disk that has become read-only, and then for the list of runs."""
    mounted(trial.folder, f"remount,ro,size={ROOM}")
    more = [word if word != "2" or before != "--seeds" else "3" for before, word in zip(["", *words], words, strict=False)]
    wrong = []
    told_at = Path(tempfile.mkdtemp(dir=trial.folder.parent))
    for asked, expected in ((more, 5), (["runs"], 0)):
        told = told_at / f"{asked[0]}.txt"
        with told.open("wb") as file:
            command = [sys.executable, "-c", "import sys; from xzoo.cli import main; sys.exit(main())", *asked]
            here = {**os.environ, "XZOO_CACHE": str(trial.folder / "cache")}
            code = subprocess.run(command, stdout=file, stderr=file, cwd=trial.folder, check=False, env=here).returncode
        if code != expected or (expected == 5 and "read-only" not in told.read_text()):
            wrong.append(f"read-only: {asked[0]} ended with {code}: {told.read_text()[-800:]}")
    return wrong


def main() -> int:
    """Try the sizes and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", type=int, default=12)
    asked = parser.parse_args()
    disk_faults.import_all()
    began, wrong, codes = time.monotonic(), [], Counter[int]()
    with tempfile.TemporaryDirectory(prefix="xzoo-full-") as place:
        words = disk_faults.prepare(Path(place))
        alone = disk_faults.Trial(words, Path(place) / "alone")
        disk_faults.undisturbed(words, alone.folder)
        whole, needed = alone.digests(), sum(path.stat().st_blocks * 512 for path in alone.folder.rglob("*"))
        for number in range(1, asked.sizes + 1):
            size = (needed * number // asked.sizes) >> 12 << 12
            trial = disk_faults.Trial(words, Path(place) / f"disk{number}")
            trial.folder.mkdir()
            mounted(trial.folder, f"size={size}")
            try:
                code, found = on_a_disk_of(size, trial, whole)
                codes[code] += 1
                wrong += found + (read_only(trial, words) if number == asked.sizes else [])
            finally:
                subprocess.run(["umount", str(trial.folder)], check=True)
    sizes = {"bytes that it takes": needed, "too small": codes[5], "large enough": codes[0]}
    print(json.dumps({**sizes, "seconds": round(time.monotonic() - began), "wrong": wrong}, indent=1))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
