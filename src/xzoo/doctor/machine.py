"""The machine as the kernel tells of it: cores and which of them may be used, memory, units of arithmetic. No torch."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

_UNITS = {"amx_bf16": "AMX bf16", "avx512_bf16": "AVX-512 bf16", "avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}
"""Flags of /proc/cpuinfo that decide how fast arithmetic is."""

_NO_LIMIT = 2**60
"""Bytes from which a limit of a control group is none: the kernel writes the largest number it has."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine, sizes in 10^9 bytes; what the system does not tell is None.

    `usable` are the cores that this process may run on, `quota` how many of them its container may use at once, `gpus` the names
    of NVIDIA's devices, whether or not torch can use them, and `driver` their driver.
    """

    platform: str
    cpu: str
    cores: int
    usable: int
    quota: float | None
    units: tuple[str, ...]
    memory_gb: float | None
    available_gb: float | None
    memory_limit_gb: float | None
    shared_memory_gb: float | None
    gpus: tuple[str, ...]
    driver: str


def look(root: Path = Path("/")) -> Machine:
    """Return what the files below `root` say of the machine."""
    info = _pairs(root / "proc/cpuinfo")
    memory = _pairs(root / "proc/meminfo")
    flags = {*info.get("flags", "").split(), *info.get("Features", "").split()}
    return Machine(
        platform=platform.platform(terse=True),
        cpu=info.get("model name") or platform.processor() or platform.machine(),
        cores=os.cpu_count() or 1,
        usable=_usable(),
        quota=_quota(root / "sys/fs/cgroup"),
        units=tuple(name for flag, name in _UNITS.items() if flag in flags),
        memory_gb=_kilobytes(memory.get("MemTotal", "")),
        available_gb=_kilobytes(memory.get("MemAvailable", "")),
        memory_limit_gb=_memory_limit(root / "sys/fs/cgroup"),
        shared_memory_gb=_size(root / "dev/shm"),
        gpus=tuple(
            _pairs(path).get("Model", "a device of NVIDIA")
            for path in sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
        ),
        driver=_driver(root / "proc/driver/nvidia/version"),
    )


def _usable() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quota(groups: Path) -> float | None:
    """Return the cores that a control group allows at once, of version 2 or 1."""
    words = _text(groups / "cpu.max").split() or [
        _text(groups / "cpu/cpu.cfs_quota_us").strip(),
        _text(groups / "cpu/cpu.cfs_period_us").strip(),
    ]
    with contextlib.suppress(ValueError, IndexError, ZeroDivisionError):
        if (share := float(words[0]) / float(words[1])) > 0:
            return share
    return None


def _memory_limit(groups: Path) -> float | None:
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(ValueError):
            if (limit := int(_text(groups / file))) < _NO_LIMIT:
                return limit / 1e9
    return None


def _kilobytes(text: str) -> float | None:
    words = text.split()
    return int(words[0]) * 1024 / 1e9 if words and words[0].isdecimal() else None


def _size(folder: Path) -> float | None:
    with contextlib.suppress(OSError):
        return shutil.disk_usage(folder).total / 1e9
    return None


def _driver(file: Path) -> str:
    words = _text(file).split("\n")[0].split()
    return next((word for word in words if word[:1].isdecimal() and "." in word), "")


def _pairs(file: Path) -> dict[str, str]:
    """Return the first value of each key of a file of `key : value` lines."""
    found: dict[str, str] = {}
    for line in _text(file).splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    return found


def _text(file: Path) -> str:
    with contextlib.suppress(OSError):
        return file.read_text(errors="replace")
    return ""
