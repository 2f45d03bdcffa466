"""A CPU's memory: what a step frees is kept for the next, instead of being taken from the system and zeroed anew."""

from __future__ import annotations

import ctypes
import functools
import sys

# The numbers of mallopt(3).
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_NEVER, _NONE = -1, 0


def keep_freed() -> bool:
    """Let malloc keep all that this process frees, large blocks too, until `give_back`; return whether it is one that can.

    A step of training takes and frees the same tensors as the step before. By default glibc maps each large one, touches every
    page and unmaps it again, which costs a tenth of ResNet18's step (docs/benchmarks.md). No result changes.
    """
    libc = _glibc()
    return libc is not None and bool(libc.mallopt(_MMAP_MAX, _NONE) and libc.mallopt(_TRIM_THRESHOLD, _NEVER))


def give_back() -> None:
    """Return what is free to the system, as between backbones; nothing happens where malloc is another."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if all(hasattr(libc, name) for name in ("gnu_get_libc_version", "mallopt", "malloc_trim")) else None
