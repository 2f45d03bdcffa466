"""What a side is: a git revision, laid out in a folder of its own, or a folder as it stands."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from xzoo import durable
from xzoo.errors import UsageError

_CLUTTER = ("--exclude=.git", "--exclude=__pycache__", "--exclude=.venv*", "--exclude=xzoo-runs")


@contextlib.contextmanager
def laid_out(*sides: str, repository: Path, folders: Sequence[str] = (".",)) -> Iterator[list[Path]]:
    """Yield a folder for each side, every one a fresh copy at a place alike, and remove them afterwards.

    A side is a folder, or a revision of the repository: of either the `folders`, and of a folder under git what git would keep.
    Raises UsageError.
    """
    with durable.temporary_folder("sides-") as place:
        laid = []
        for number, side in enumerate(sides):
            folder = durable.make_folder(place / f"side{number}")
            subprocess.run(["tar", "-C", str(folder), "-x"], input=_tar(side, repository, folders), check=True)
            laid.append(folder)
        yield laid


def can_be_timed(folder: Path) -> bool:
    """Whether a side of xzoo itself has the workloads; revisions from before them have nothing to compare with."""
    return (folder / "src" / "xzoo" / "conformance" / "workloads.py").is_file()


def _tar(side: str, repository: Path, folders: Sequence[str]) -> bytes:
    if Path(side).is_dir():
        kept = _output(["git", "-C", side, "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders])
        if kept:
            # What is deleted and not committed yet is listed too.
            there = [name for name in kept.split(b"\0") if name and (Path(side) / name.decode(errors="surrogateescape")).exists()]
            done = _run(["tar", "-C", side, "--null", "-T", "-", "-c"], b"\0".join(there))
        else:
            done = _run(["tar", "-C", side, *_CLUTTER, "-c", *folders])
    else:
        done = _run(["git", "-C", str(repository), "archive", side, *folders])
    if done.returncode:
        told = " ".join(done.stderr.decode(errors="replace").split())
        holding = "" if folders == (".",) else f" with {' and '.join(folders)}"
        raise UsageError(
            f"{side} is neither a folder{holding} nor a revision: {told}",
            "name a folder, or a commit, branch or tag of the git repository here",
        )
    return done.stdout


def _output(command: Sequence[str]) -> bytes:
    return _run(command).stdout


def _run(command: Sequence[str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, input=given, capture_output=True, check=False)
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(command, 127, b"", str(error).encode())
