"""Bring one file over the network, whole and unaltered, or say within seconds why not. No torch."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import time
import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from xzoo import durable
from xzoo.errors import WeightsError
from xzoo.model import partial
from xzoo.model.exchange import BusyError, CutError, ask, told
from xzoo.model.partial import Answered, Origin, Partial
from xzoo.refusal import told as told_of_disk
from xzoo.runs.claims import Claims

SLOWEST_RATE, RATE_SECONDS = 1000, 30.0
"""An answer of fewer bytes per second, over so many seconds, has ended for us: it would take days."""
LONGEST_WAIT = 10.0
"""For so many seconds a server may ask us to wait before we ask again; for longer, a person may."""
POLL_SECONDS = 0.2
_PIECE = 1 << 20
_MOST_FAILURES = 2
_MOST_ATTEMPTS = 40


def download(url: str, path: Path, sha256: str = "") -> None:
    """Write what `url` serves to `path`, whole and with this sha256 (or prefix of it), or not at all.

    Of several processes one brings the file and the others wait for it. What breaks off is gone on with where the server can do
    that and the file is still the same, now or by the next call; else it begins anew. Raises WeightsError for an answer that
    is late, short, refused or altered, StorageError for the disk.
    """
    if urlsplit(url).scheme not in {"http", "https", "file"}:
        raise WeightsError(f"{url} cannot be fetched", "give an address that begins with https://")
    durable.make_folder(path.parent)
    claims, before, is_waiting = Claims(path.parent), _state(path), False
    while not claims.take(path.name):
        if not is_waiting:
            print(f"waiting for another process that fetches {path.name}", file=sys.stderr, flush=True)
        is_waiting = True
        time.sleep(POLL_SECONDS)
    try:
        if not _came_meanwhile(path, before, sha256):
            _bring(url, path, sha256)
    finally:
        claims.release(path.name)


def reach(url: str) -> None:
    """Return when the server of `url` answers anything at all. Raises WeightsError within seconds when it does not."""
    try:
        ask(url, "HEAD").close()
    except WeightsError as error:
        if not isinstance(error.__context__, urllib.error.HTTPError):
            raise


def _state(path: Path) -> tuple[int, int, int] | None:
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _came_meanwhile(path: Path, before: tuple[int, int, int] | None, sha256: str) -> bool:
    if not path.is_file():
        return False
    return durable.sha256(path).startswith(sha256.lower()) if sha256 else _state(path) != before


def _bring(url: str, path: Path, sha256: str) -> None:
    part = Partial(path)
    failures = 0
    try:
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            had = part.size()
            try:
                is_pieced = _receive(url, part, path, sha256)
            except CutError:
                failures = 0 if part.size() > had and part.origin() else failures + 1
                if failures == _MOST_FAILURES or attempt == _MOST_ATTEMPTS:
                    raise
                continue
            found = durable.sha256(part.file) if sha256 else ""
            if found.startswith(sha256.lower()):
                part.put_in_place(path)
                return
            part.drop()
            if not is_pieced:
                raise WeightsError(
                    f"{url} gave a file of sha256 {found[: max(8, len(sha256))]}, published is {sha256}",
                    "it was altered on the way (by a proxy, a login page), or has changed: try another network",
                )
    finally:
        part.keep()


def _receive(url: str, part: Partial, path: Path, sha256: str) -> bool:
    """Bring the file, or the rest of it, and say whether it is of several pieces. Raises CutError where it is not whole."""
    origin = part.origin()
    if origin is not None and origin.url != url:
        origin = None
    have = part.size() if origin else 0
    with contextlib.ExitStack() as stack:
        try:
            response = stack.enter_context(_ask(url, partial.asking(origin, have)))
            head = partial.answered(response, url)
            if head.begin and (origin is None or (head.begin, head.total, head.mark) != (have, origin.total, origin.mark)):
                raise CutError(f"{url} gave another part of the file than was asked for", "try another network")
        except CutError:
            part.drop()
            raise
        if not head.begin:
            can_go_on = head.takes_ranges and (head.mark or sha256)
            part.begin(Origin(url, head.mark, head.total) if can_go_on and head.total else None)
        _write(response, part, head, path, url)
    return head.begin > 0


def _ask(url: str, headers: Mapping[str, str]) -> Any:
    for is_last in (False, False, True):
        try:
            return ask(url, headers=headers)
        except BusyError as busy:
            if is_last or busy.seconds is None or busy.seconds > LONGEST_WAIT:
                raise
            time.sleep(busy.seconds)
    raise AssertionError


def _write(response: Any, part: Partial, head: Answered, path: Path, url: str) -> None:
    size, marked, since = head.begin, head.begin, time.monotonic()

    def needed() -> int | None:
        return None if head.total is None else head.total - size

    with durable.append_file(part.file) as file, told_of_disk(path, needed):
        if shutil.disk_usage(path.parent).free < (needed() or 0):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        while piece := told(url, lambda: response.read1(_PIECE), CutError):
            file.write(piece)
            size += len(piece)
            if size > (partial.MOST_BYTES if head.total is None else head.total):
                raise WeightsError(f"{url} does not end where it should, after {size:,} bytes", "check the address")
            if (now := time.monotonic()) - since > RATE_SECONDS:
                if size - marked < SLOWEST_RATE * RATE_SECONDS:
                    raise WeightsError(f"{url} gives fewer than {SLOWEST_RATE:,} bytes a second", "try another network")
                marked, since = size, now
        file.flush()
    if head.total is not None and size != head.total:
        raise CutError(f"{url} ended after {size:,} of {head.total:,} bytes", "try again")
