"""Where training runs, and what is recorded about it."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import resource
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xzoo.errors import UnavailableError, UsageError
from xzoo.train.ranks import ALONE, Ranks

LONGEST = 2**15
"""Inputs of a linear layer in bfloat16: on one thread torch 2.15 divides by zero in one of 65536 for 24 images, 131072 for 12."""


@dataclass(frozen=True)
class Device:
    """A device with the precision its arithmetic runs in: `bf16` means autocast, weights stay float32.

    `ranks` are the processes, with a device each, that work on a cell together; most work is done by one.
    """

    kind: str
    precision: str
    threads: int
    deterministic: bool = False
    ranks: Ranks = field(default=ALONE, compare=False)

    @property
    def runs_ahead(self) -> bool:
        """Whether the device computes while the host goes on, so that reading a value is waiting for it."""
        return self.kind.startswith("cuda")

    @contextlib.contextmanager
    def arithmetic(self, *, keeps_casts: bool = True) -> Iterator[None]:
        """Run what is inside under autocast where the precision asks for it; with `keeps_casts` a weight is cast once."""
        kind, is_bf16 = self.kind.partition(":")[0], self.precision == "bf16"
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=is_bf16, cache_enabled=keeps_casts):
            yield

    def synchronise(self) -> None:
        """Wait until the device has done all it was given."""
        if self.kind.startswith("cuda"):
            torch.cuda.synchronize(self.kind)

    def reset_peak_memory(self) -> None:
        """Begin a new measurement of peak memory where the device keeps one."""
        if self.kind.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(self.kind)

    def peak_memory_mb(self) -> float:
        """Return the peak since the last reset on CUDA, and this process's peak resident memory on a CPU, in MiB."""
        if self.kind.startswith("cuda"):
            return torch.cuda.max_memory_allocated(self.kind) / 2**20
        unit = 1 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


@dataclass(frozen=True, eq=False)
class Draws:
    """The streams that dropout draws from, on the host and on the device, as they stood before a try."""

    device: str
    host: torch.Tensor
    on_device: torch.Tensor | None

    @classmethod
    def now(cls, device: Device) -> Draws:
        """Return the streams as they stand."""
        has_own = device.runs_ahead and torch.cuda.is_available()
        return cls(device.kind, torch.get_rng_state(), torch.cuda.get_rng_state(device.kind) if has_own else None)

    def put_back(self) -> None:
        """Let the next try draw what the failed one drew."""
        torch.set_rng_state(self.host)
        if self.on_device is not None:
            torch.cuda.set_rng_state(self.on_device, self.device)


def choose(kind: str = "auto", precision: str = "auto", *, deterministic: bool = False, ranks: Ranks = ALONE) -> Device:
    """Return the device to use: CUDA where there is one, else the CPU. Raises UnavailableError for a device that is not here.

    bfloat16 is chosen where the hardware multiplies it: CUDA from compute capability 8.0, CPUs with AMX or AVX-512 BF16.
    """
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", kind):
        raise UsageError(f"device {kind!r} is unknown", "use auto, cpu, cuda or cuda:N")
    if kind.startswith("cuda") and not torch.cuda.is_available():
        raise UnavailableError(
            "no CUDA device is available to this installation of torch", "use --device cpu, or install a torch built for CUDA"
        )
    if kind.startswith("cuda:") and int(kind[5:]) >= torch.cuda.device_count():
        raise UnavailableError(f"there is no device {kind}", f"this machine has cuda:0 to cuda:{torch.cuda.device_count() - 1}")
    if precision == "auto":
        precision = "bf16" if _has_fast_bf16(kind) else "fp32"
    return Device(kind, precision, torch.get_num_threads(), deterministic, ranks)


def suited(device: Device, network: nn.Module) -> Device:
    """Return the device as this network can use it: in float32 where bfloat16 could end the process."""
    is_at_risk = device.kind == "cpu" and device.precision == "bf16" and too_long(network)
    return replace(device, precision="fp32") if is_at_risk else device


def too_long(network: nn.Module) -> str:
    """Return what is wrong with a linear layer that has more inputs than bfloat16 on a CPU bears, or nothing."""
    longest = max((part.in_features for part in network.modules() if isinstance(part, nn.Linear)), default=0)
    return f"a linear layer of {longest} inputs can end the process" if longest > LONGEST else ""


def imitates_bf16(kind: str) -> bool:
    """Whether bfloat16, asked of this device, is imitated: training GoogLeNet took 16 times as long as in float32 (AVX2)."""
    return not _has_fast_bf16(kind)


def environment(device: Device) -> Mapping[str, Any]:
    """Return what a result needs to be reproduced: versions, hardware, threads, precision."""
    packages = ("xzoo", "torch", "torchvision", "timm", "numpy", "pillow", "scikit-learn", "scipy")
    return {
        "versions": {"python": platform.python_version(), **{name: version_of(name) for name in packages}},
        "device": torch.cuda.get_device_name(device.kind) if device.kind.startswith("cuda") else _cpu_name(),
        "kind": device.kind,
        "precision": device.precision,
        "threads": device.threads,
        "deterministic": device.deterministic,
        "ranks": device.ranks.count,
        "cores": os.cpu_count(),
        "platform": platform.platform(terse=True),
    }


def _has_fast_bf16(kind: str) -> bool:
    if kind.startswith("cuda"):
        return torch.cuda.get_device_capability(kind) >= (8, 0)
    flags = _cpu_info("flags").split()
    return "amx_bf16" in flags or "avx512_bf16" in flags


@functools.cache
def _cpu_name() -> str:
    return _cpu_info("model name") or platform.processor() or platform.machine()


def _cpu_info(key: str) -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return ""


@functools.cache
def version_of(name: str) -> str:
    """Return the version of an installed distribution; nothing where it is not installed."""
    with contextlib.suppress(Exception):
        return version(name)
    return ""
