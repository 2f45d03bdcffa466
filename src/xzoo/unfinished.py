"""What is unfinished or put aside: its name says which process it belongs to, so that the next one can tell what nobody wants.

`.NAME.OWNER-RANDOM.tmp` is being written, or removed; `.NAME.OWNER-RANDOM.old` made way for something that takes its place.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from pathlib import Path

from xzoo import disk, owner

UNFINISHED, ASIDE = ".tmp", ".old"
_NAME = re.compile(r"\.(.+)\.([0-9a-f]{10}-\d+-\d+)-[^.]+(\.tmp|\.old)", re.DOTALL)
_swept: set[tuple[int, Path]] = set()


def new_file(path: Path) -> Path:
    """Create an empty file beside `path`, to be written and then to take its place."""
    return disk.temporary_file(path.parent, _prefix(path), UNFINISHED)


def new_folder(path: Path) -> Path:
    """Create an empty folder beside `path`, to be filled and then to take its place."""
    return disk.temporary_folder(path.parent, _prefix(path), UNFINISHED)


def put_aside(folder: Path, suffix: str) -> Path | None:
    """Give a folder a name that says who took it away, and return that; None where there is none any more.

    Nothing is made for it, so that what is to be removed can be where the disk is full.
    """
    aside = folder.with_name(f"{_prefix(folder)}{secrets.token_hex(4)}{suffix}")
    try:
        disk.rename(folder, aside)
    except FileNotFoundError:
        return None
    return aside


def put_back(aside: Path, folder: Path) -> None:
    """Put a folder back where nothing took its place, else drop it. No failure is told."""
    if folder.exists():
        drop(aside)
    with contextlib.suppress(OSError):
        aside.replace(folder)


def drop(path: Path) -> None:
    """Remove what nobody wants any more. No failure is told, for another is on its way or nothing depends on it."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what killed processes left unfinished in a folder; the first time this process asks. No failure is told."""
    if (os.getpid(), folder) in _swept:
        return
    _swept.add((os.getpid(), folder))
    with contextlib.suppress(OSError):
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith((UNFINISHED, ASIDE)))
        for name in names:
            if (found := _NAME.fullmatch(name)) and is_abandoned(folder / name):
                put_back(folder / name, folder / found[1]) if found[3] == ASIDE else drop(folder / name)


def is_abandoned(path: Path) -> bool | None:
    """Whether something unfinished belongs to a process that has ended; None where that cannot be seen from here."""
    found = _NAME.fullmatch(path.name)
    whose = owner.parse(found[2]) if found else None
    return whose.is_dead() if whose else None


def _prefix(path: Path) -> str:
    return f".{path.name}.{owner.this()}-"
