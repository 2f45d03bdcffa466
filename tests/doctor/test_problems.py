"""Every problem planted in what was seen, one at a time: it alone is told, with what mends it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from xzoo.doctor.libraries import ABSENT, BROKEN, OK, OLD, Gpu, Library, Torch
from xzoo.doctor.machine import Machine
from xzoo.doctor.network import Network, Server
from xzoo.doctor.places import Place
from xzoo.doctor.problems import Seen, problems
from xzoo.zoo.health import Fault, Health

MACHINE = Machine(
    platform="Linux", cpu="a CPU", cores=8, usable=8, quota=None, units=("AVX2",), memory_gb=32.0, available_gb=20.0,
    memory_limit_gb=None, shared_memory_gb=16.0, gpus=(), driver="",
)  # fmt: skip
LIBRARIES = tuple(
    Library(name=name, version="2.10", floor="2.10", extra="", state=OK) for name in ("torch", "torchvision", "timm")
)
TORCH = Torch(cuda="", threads=8, capability="AVX2", kind="cpu", precision="bf16")
PLACE = Place(kind="packs", path="/cache/packs", is_there=True, num_bytes=1, limit=20, is_writable=True, free=10**11)
NETWORK = Network(is_offline=False, variables={}, servers=(Server("https://weights", True),))
PLUGIN = Health("net", "rival", "1.0", "rival", "ok", 0.1, 1, ())
SOUND = Seen(machine=MACHINE, libraries=LIBRARIES, torch=TORCH, places=(PLACE,), network=NETWORK, plugins=(PLUGIN,), omp="")


def with_library(name: str, **changes: Any) -> Seen:
    libraries = [replace(one, **changes) if one.name == name else one for one in LIBRARIES]
    return replace(SOUND, libraries=tuple(libraries))


def test_a_sound_machine_has_no_problem() -> None:
    assert problems(SOUND) == ()


@pytest.mark.parametrize(
    ("seen", "id_", "severity", "says"),
    [
        (with_library("torch", state=BROKEN, detail="ImportError: libcudart"), "library", "error", "libcudart"),
        (with_library("timm", state=ABSENT, version=""), "library", "error", "timm>=2.10"),
        (with_library("torch", state=OLD, version="2.1"), "library", "error", "2.1 is older than 2.10"),
        (
            with_library("torchvision", state=BROKEN, detail="RuntimeError: operator torchvision::nms does not exist"),
            "torchvision-torch", "error", "compiled for another torch",
        ),
        (replace(SOUND, torch=replace(TORCH, numpy="RuntimeError: Numpy is not available")), "torch-numpy", "error", "upgrade"),
        (replace(SOUND, machine=replace(MACHINE, gpus=("H200",))), "gpu-unused", "warning", "built without CUDA"),
        (
            replace(SOUND, machine=replace(MACHINE, gpus=("H200",), driver="550.1"), torch=replace(TORCH, cuda="13.0")),
            "gpu-unused", "warning", "the driver is 550.1",
        ),
        (replace(SOUND, torch=replace(TORCH, precision="fp32")), "no-bf16", "info", "bfloat16"),
        (replace(SOUND, machine=replace(MACHINE, cores=16)), "affinity", "info", "8 of 16 cores"),
        (replace(SOUND, machine=replace(MACHINE, quota=2.0)), "threads", "warning", "OMP_NUM_THREADS=2"),
        (replace(SOUND, omp="many"), "threads", "warning", "no number"),
        (replace(SOUND, omp="1", torch=replace(TORCH, threads=1)), "threads", "info", "1 of 8 cores"),
        (replace(SOUND, machine=replace(MACHINE, available_gb=1.5)), "memory", "warning", "1.5 GB"),
        (replace(SOUND, machine=replace(MACHINE, memory_limit_gb=2.0)), "memory", "warning", "2.0 GB"),
        (replace(SOUND, machine=replace(MACHINE, shared_memory_gb=0.067)), "shared-memory", "info", "67 MB"),
        (replace(SOUND, places=(replace(PLACE, is_writable=False),)), "not-writable", "error", "XZOO_CACHE"),
        (replace(SOUND, places=(replace(PLACE, free=10**9),)), "disk", "warning", "1.0 GB left"),
        (replace(SOUND, network=replace(NETWORK, is_offline=True)), "offline", "info", "HF_HUB_OFFLINE"),
        (
            replace(SOUND, network=replace(NETWORK, servers=(Server("https://weights", False, "refused"),))),
            "network", "warning", "refused",
        ),
        (
            replace(SOUND, plugins=(replace(PLUGIN, health="broken", faults=(Fault("it raised", "upgrade it"),)),)),
            "plugin-broken", "warning", "upgrade it",
        ),
    ],
)  # fmt: skip
def test_a_planted_problem_is_told_alone(seen: Seen, id_: str, severity: str, says: str) -> None:
    [found] = problems(seen)
    assert (found.id, found.severity) == (id_, severity)
    assert says in f"{found.text} {found.remedy} {found.command}"
    assert found.remedy


def test_what_stands_on_a_broken_torch_is_not_told_thrice() -> None:
    broken = tuple(replace(one, state=BROKEN, detail="ImportError: libcudart") for one in LIBRARIES)
    [found] = problems(replace(SOUND, libraries=broken, torch=Torch()))
    assert found.text.startswith("torch ")


def test_a_gpu_that_torch_uses_is_no_problem() -> None:
    gpu = Gpu(name="H200", capability="9.0", memory_gb=141.0, has_bf16=True)
    seen = replace(SOUND, machine=replace(MACHINE, gpus=("H200",)), torch=replace(TORCH, kind="cuda", devices=(gpu,)))
    assert problems(seen) == ()


def test_a_limit_of_the_cache_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XZOO_CACHE_LIMIT", "lots")
    assert [(one.id, one.severity) for one in problems(SOUND)] == [("cache-limit", "error")]


def test_what_does_not_work_stands_first() -> None:
    seen = replace(SOUND, machine=replace(MACHINE, cores=16), places=(replace(PLACE, is_writable=False, free=10**9),))
    assert [one.severity for one in problems(seen)] == ["error", "warning", "info"]
