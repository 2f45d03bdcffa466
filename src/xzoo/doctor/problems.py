"""What is wrong, or slower than it need be, in what was seen: each a function of it, with what mends it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from xzoo.data import cache
from xzoo.doctor.libraries import ABSENT, BROKEN, OLD, Library, Torch
from xzoo.doctor.machine import Machine
from xzoo.doctor.network import Network
from xzoo.doctor.places import Place
from xzoo.errors import UsageError
from xzoo.zoo import health
from xzoo.zoo.health import Health

ERROR, WARNING, INFO = "error", "warning", "info"
"""Something does not work; works worse than it could, or will not for some; is good to know."""

LEAST_FREE = 2 * 10**9
"""Bytes on a disk below which packs and features of an ordinary dataset do not fit."""

LEAST_MEMORY_GB = 4.0
LEAST_SHARED_GB = 0.1
_MATCHED = "pip install --force-reinstall torch torchvision --index-url https://download.pytorch.org/whl/cpu"


@dataclass(frozen=True)
class Problem:
    """What is wrong, what to do about it, and the command that does it, where there is one."""

    id: str
    severity: str
    text: str
    remedy: str
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that was looked at. `omp` is OMP_NUM_THREADS as it is set."""

    machine: Machine
    libraries: tuple[Library, ...]
    torch: Torch
    places: tuple[Place, ...]
    network: Network
    plugins: tuple[Health, ...]
    omp: str = field(default_factory=lambda: os.environ.get("OMP_NUM_THREADS", ""))


def problems(seen: Seen) -> tuple[Problem, ...]:
    """Return every problem, what does not work first."""
    every = (*_libraries(seen), *_device(seen), *_threads(seen), *_memory(seen), *_places(seen), *_network(seen), *_plugins(seen))
    return tuple(sorted(every, key=lambda one: (ERROR, WARNING, INFO).index(one.severity)))


def _libraries(seen: Seen) -> Iterator[Problem]:
    needed = [one for one in seen.libraries if not one.extra]
    is_torch_broken = any(one.name == "torch" and one.state in {ABSENT, BROKEN} for one in needed)
    for one in needed:
        if one.state == BROKEN and one.name in {"torchvision", "timm"} and is_torch_broken:
            continue  # it stands on torch, and the one cause is told once
        if one.state == BROKEN:
            yield _broken(one)
        elif one.state in {ABSENT, OLD}:
            what = (
                "is not installed" if one.state == ABSENT else f"{one.version} is older than {one.floor}, the oldest that will do"
            )
            wanted = f"{one.name}>={one.floor}" if one.floor else one.name
            yield Problem("library", ERROR, f"{one.name} {what}", "install it", f"pip install --upgrade '{wanted}'")
    for one in seen.libraries:
        if one.extra and one.state == OLD:
            text = f"{one.name} {one.version} is older than {one.floor}, so the extra {one.extra} may not work"
            yield Problem("extra", WARNING, text, "upgrade it", f"pip install --upgrade 'xzoo[{one.extra}]'")
    if seen.torch.numpy:
        text = f"torch and numpy do not fit: {seen.torch.numpy}"
        remedy = "this torch was built for numpy 1, and xzoo needs numpy 2: upgrade torch"
        yield Problem("torch-numpy", ERROR, text, remedy, "pip install --upgrade torch torchvision")


def _broken(one: Library) -> Problem:
    text = f"{one.name} {one.version} cannot be used: {one.detail}"
    foreign = ("torchvision::", "undefined symbol", "DLL load failed", "not found in flat namespace")
    if one.name == "torchvision" and any(word in one.detail for word in foreign):
        remedy = "this torchvision was compiled for another torch: install the two together, of one index (cpu, cu126, ...)"
        return Problem("torchvision-torch", ERROR, text, remedy, _MATCHED)
    return Problem("library", ERROR, text, "install it again", f"pip install --force-reinstall {one.name}")


def _device(seen: Seen) -> Iterator[Problem]:
    machine, torch = seen.machine, seen.torch
    is_there = any(one.name == "torch" and one.state not in {ABSENT, BROKEN} for one in seen.libraries)
    if is_there and machine.gpus and not torch.devices:
        text = f"{machine.gpus[0]} is here, and torch cannot use it"
        if torch.cuda:
            remedy = f"torch was built for CUDA {torch.cuda}, the driver is {machine.driver or 'unknown'}"
            yield Problem("gpu-unused", WARNING, text, f"{remedy}: upgrade it, or look at CUDA_VISIBLE_DEVICES", "nvidia-smi")
        else:
            remedy = "this torch was built without CUDA: install one that was built with it"
            yield Problem("gpu-unused", WARNING, text, remedy, "pip install --force-reinstall torch torchvision")
    if torch.precision == "fp32" and torch.kind == "cpu":
        yield Problem(
            "no-bf16", INFO, "this CPU does not multiply bfloat16: float32 is used", "nothing to do; training takes longer"
        )


def _threads(seen: Seen) -> Iterator[Problem]:
    machine, threads = seen.machine, seen.torch.threads
    if machine.usable < machine.cores:
        text = f"this process may run on {machine.usable} of {machine.cores} cores"
        yield Problem("affinity", INFO, text, "taskset, a scheduler or a container set that; ask for more cores there")
    if seen.omp and (not seen.omp.isdecimal() or int(seen.omp) < 1):
        yield Problem(
            "threads", WARNING, f"OMP_NUM_THREADS={seen.omp} is no number of threads", "unset it", "unset OMP_NUM_THREADS"
        )
        return
    most = min(machine.usable, machine.quota or machine.usable)
    if threads is not None and threads > most:
        text = f"torch computes on {threads} threads, and {most:g} cores may work at once: the threads wait for each other"
        yield Problem("threads", WARNING, text, "set as many as there are cores", f"export OMP_NUM_THREADS={max(1, int(most))}")
    elif seen.omp and threads is not None and threads < int(most):
        text = f"OMP_NUM_THREADS={seen.omp}: torch computes on {threads} of {int(most)} cores"
        yield Problem("threads", INFO, text, "unset it to use all; results differ in their last bits", "unset OMP_NUM_THREADS")


def _memory(seen: Seen) -> Iterator[Problem]:
    machine = seen.machine
    sizes = [size for size in (machine.available_gb, machine.memory_limit_gb) if size is not None]
    if sizes and min(sizes) < LEAST_MEMORY_GB:
        text = (
            f"{min(sizes):.1f} GB of memory can be had; training whole networks at 224 pixels takes {LEAST_MEMORY_GB:g} and more"
        )
        yield Problem("memory", WARNING, text, "close other programs, raise the container's limit, or use --set batch_size=8")
    shared = machine.shared_memory_gb
    if shared is not None and shared < LEAST_SHARED_GB:
        text = f"/dev/shm holds {shared * 1000:.0f} MB"
        remedy = "xzoo needs none; loaders of other tools do, and NCCL: docker run --shm-size=2g"
        yield Problem("shared-memory", INFO, text, remedy)


def _places(seen: Seen) -> Iterator[Problem]:
    try:
        cache.limit()
    except UsageError as error:
        yield Problem("cache-limit", ERROR, error.text, error.remedy, "unset XZOO_CACHE_LIMIT")
    variables = {"packs": "XZOO_CACHE", "weights of torch": "TORCH_HOME", "weights of Hugging Face": "HF_HOME"}
    told: set[str] = set()
    for place in seen.places:
        variable = variables.get(place.kind, "XZOO_CACHE" if place.kind in cache.KINDS else "")
        if not place.is_writable and (variable or place.path) not in told:
            told.add(variable or place.path)
            remedy = f"let {variable} name a folder of your own" if variable else "stand in a folder of your own, or give --runs"
            yield Problem("not-writable", ERROR, f"{place.path} ({place.kind}) cannot be written", remedy)
    tight = [place for place in seen.places if place.free is not None and place.free < LEAST_FREE]
    if tight:
        text = f"{tight[0].path} is on a disk with {(tight[0].free or 0) / 1e9:.1f} GB left"
        yield Problem("disk", WARNING, text, "free some, or let XZOO_CACHE and TORCH_HOME name another disk")


def _network(seen: Seen) -> Iterator[Problem]:
    if seen.network.is_offline:
        text = "HF_HUB_OFFLINE is set: weights of the hub that are not on this disk cannot be fetched"
        yield Problem("offline", INFO, text, "unset it to fetch", "unset HF_HUB_OFFLINE")
    for server in seen.network.servers:
        if server.answers is False:
            remedy = (
                "published weights come from there: fetch them on a connected machine and copy them, or start from NAME@random"
            )
            proxied = f"; proxies are set: {', '.join(seen.network.variables)}" if seen.network.variables else ""
            text = f"{server.address} does not answer: {server.detail}{proxied}"
            yield Problem("network", WARNING, text, remedy, "xzoo weights fetch NAME")


def _plugins(seen: Seen) -> Iterator[Problem]:
    for plugin in seen.plugins:
        for fault in plugin.faults:
            # What is wrong with one plugin hurts nobody who does not ask for it.
            severity = INFO if plugin.health == health.CARELESS else WARNING
            yield Problem(f"plugin-{plugin.health}", severity, fault.text, fault.remedy)
