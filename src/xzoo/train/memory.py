"""A CPU's memory: what a step frees is kept for the next, instead of being taken from the system and zeroed anew."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
from pathlib import Path

# The numbers of mallopt(3) and madvise(2).
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_NEVER, _NONE = -1, 0
_LARGE_PAGES = 14
_LARGE = 2 << 20


def keep_freed() -> bool:
    """Let malloc keep all that this process frees, large blocks too, until `give_back`; return whether it is one that can.

    A step of training takes and frees the same tensors as the step before. By default glibc maps each large one, touches every
    page and unmaps it again, which costs a tenth of ResNet18's step; small pages cost another twentieth (docs/benchmarks.md).
    No result changes.
    """
    libc = _glibc()
    if libc is None or not (libc.mallopt(_MMAP_MAX, _NONE) and libc.mallopt(_TRIM_THRESHOLD, _NEVER)):
        return False
    with contextlib.suppress(OSError):
        _enlarge_pages(libc)
    return True


def give_back() -> None:
    """Return what is free to the system, as between backbones; nothing happens where malloc is another."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _enlarge_pages(libc: ctypes.CDLL) -> None:
    """Grow the heap by address space for half of the machine's memory, none of it touched, and ask for large pages in it."""
    libc.free(libc.malloc(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2))
    for line in Path("/proc/self/maps").read_text("utf-8").splitlines():
        if line.endswith("[heap]"):
            low, high = (int(end, 16) for end in line.split()[0].split("-"))
            start = -(-low // _LARGE) * _LARGE
            libc.madvise(start, max(0, high - start), _LARGE_PAGES)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    if not all(hasattr(libc, name) for name in ("gnu_get_libc_version", "mallopt", "malloc_trim")):
        return None
    libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return libc
