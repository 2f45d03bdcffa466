"""Page faults are counted in a process of its own, since malloc's settings last."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from xzoo.train import memory

FAULTS = """
import resource, sys
import numpy as np
from xzoo.train import memory

def faults(count=8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        np.empty(32 << 20, np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1])

if "keep" in sys.argv:
    assert memory.keep_freed()
faults(1)
seen = faults()
before = resident()
memory.give_back()
print(seen, before - resident())
"""


def told(*words: str) -> list[int]:
    """Return the page faults of eight blocks of 32 MiB, and the resident pages that giving back freed."""
    path = os.pathsep.join(place for place in sys.path if place)
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, *words], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
    )
    return [int(word) for word in done.stdout.split()]


@pytest.mark.skipif(memory._glibc() is None, reason="malloc is not glibc's")
def test_what_is_freed_is_kept_until_it_is_given_back() -> None:
    pages = (32 << 20) // os.sysconf("SC_PAGE_SIZE")
    faults, freed = told("keep")
    assert faults < pages / 10
    assert freed > pages / 2


@pytest.mark.skipif(memory._glibc() is None, reason="malloc is not glibc's")
def test_what_is_kept_lies_in_large_pages_where_the_system_has_them() -> None:
    choice = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not choice.exists() or "[never]" in choice.read_text():
        pytest.skip("this system has no large pages")
    code = """
from xzoo.train import memory
memory.keep_freed()
block = bytearray(64 << 20)
block[::4096] = bytes(len(block) // 4096)
print(next(line for line in open("/proc/self/smaps_rollup") if line.startswith("AnonHuge")).split()[1])
"""
    path = os.pathsep.join(place for place in sys.path if place)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert int(done.stdout) > 32 << 10


@pytest.mark.skipif(memory._glibc() is None, reason="malloc is not glibc's")
def test_without_that_every_block_is_mapped_anew() -> None:
    huge = 512
    faults, _ = told()
    assert faults >= 8 * (32 << 20) // os.sysconf("SC_PAGE_SIZE") // huge


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    assert not memory.keep_freed()
    memory.give_back()
