"""What a side is: a git revision, laid out in a folder of its own, or a folder that holds src/ and plugins/."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOLDERS = ("src", "plugins")


@contextlib.contextmanager
def laid_out(*sides: str) -> Iterator[list[Path]]:
    """Yield a folder for each side, every one a fresh copy at a place alike, and remove them afterwards. Raises SystemExit(2)."""
    with tempfile.TemporaryDirectory(prefix="sides-") as place:
        folders = []
        for number, side in enumerate(sides):
            folder = Path(place) / f"side{number}"
            folder.mkdir()
            subprocess.run(["tar", "-C", str(folder), "-x"], input=_tar(side), check=True)
            folders.append(folder)
        yield folders


def can_be_timed(folder: Path) -> bool:
    """Whether a side has the workloads; revisions from before them have nothing to compare with."""
    return (folder / "src" / "xzoo" / "conformance" / "workloads.py").is_file()


def _tar(side: str) -> bytes:
    if Path(side).is_dir():
        command = ["tar", "-C", side, "--exclude=__pycache__", "-c", *FOLDERS]
    else:
        command = ["git", "-C", str(ROOT), "archive", side, *FOLDERS]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        told = done.stderr.decode().strip()
        print(f"{side} is neither a folder with {' and '.join(FOLDERS)} nor a revision: {told}", file=sys.stderr)
        raise SystemExit(2)
    return done.stdout
