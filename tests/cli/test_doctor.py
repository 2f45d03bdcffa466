"""What is looked at: files of the kernel, libraries that end their process, folders, servers that stay silent."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xzoo
from xzoo.doctor import libraries, machine, network, places

Answer = tuple[int, str, str]


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_the_machine_is_read_from_the_kernels_files(tmp_path: Path) -> None:
    root = written(
        tmp_path,
        {
            "proc/cpuinfo": "model name : Xeon\nflags : fpu avx2 avx512f amx_bf16\n\nmodel name : Other\n",
            "proc/meminfo": "MemTotal: 16000000 kB\nMemAvailable: 1000000 kB\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/memory.max": "4000000000\n",
            "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu\nGCC\n",
            "proc/driver/nvidia/gpus/0000:01/information": "Model: NVIDIA H200\nIRQ: 1\n",
        },
    )
    found = machine.look(root)
    assert (found.cpu, found.units) == ("Xeon", ("AMX bf16", "AVX-512", "AVX2"))
    assert (found.memory_gb, found.available_gb, found.memory_limit_gb) == (16.384, 1.024, 4.0)
    assert (found.quota, found.gpus, found.driver) == (1.5, ("NVIDIA H200",), "570.86.15")


@pytest.mark.parametrize(
    ("files", "quota", "limit"),
    [
        ({}, None, None),
        ({"cpu.max": "max 100000\n", "memory.max": "max\n"}, None, None),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5, None),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None, None),
        ({"memory/memory.limit_in_bytes": "2000000000\n"}, None, 2.0),
    ],
)
def test_limits_of_containers_of_both_versions(
    tmp_path: Path, files: dict[str, str], quota: float | None, limit: float | None
) -> None:
    found = machine.look(written(tmp_path, {f"sys/fs/cgroup/{name}": text for name, text in files.items()}))
    assert (found.quota, found.memory_limit_gb) == (quota, limit)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise OSError('libcudart.so: cannot open')", "OSError: libcudart.so"),
        ("import os; os.kill(os.getpid(), 11)", "segmentation fault"),
        ("import sys; sys.exit(3)", "SystemExit"),
    ],
)
def test_a_torch_that_fails_is_told_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, says: str
) -> None:
    monkeypatch.syspath_prepend(str(written(tmp_path, {"torch/__init__.py": code})))
    found, torch = libraries.look()
    [broken] = [one for one in found if one.name == "torch"]
    assert broken.state == "broken"
    assert says in broken.detail
    assert torch == libraries.Torch()
    assert next(one for one in found if one.name == "numpy").state == "ok"


def test_the_whole_command_works_without_torch(
    process: Callable[..., Answer], one_object: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    written(tmp_path, {"torch/__init__.py": "raise ImportError('libtorch_cpu.so: undefined symbol')"})
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from xzoo.cli import main; sys.exit(main())"
    said, out, err = process("doctor", "--no-network", "--format", "json", code=code)
    found = one_object(out)
    assert (said, found["schema"], found["healthy"]) == (1, "xzoo.doctor/1", False), err
    assert found["problems"][0]["text"].startswith("torch ")
    assert [server["answers"] for server in found["seen"]["network"]["servers"]] == [None, None]
    assert {plugin["name"]: plugin["health"] for plugin in found["seen"]["plugins"]}["alexnet"] == "ok"


def test_what_is_seen_here_is_a_screen_of_text(command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://somebody:secret@127.0.0.1:9/")
    monkeypatch.setenv("HTTP_PROXY", "somebody:secret@127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://somebody:my@secret@127.0.0.1:9/")
    monkeypatch.setenv("HF_ENDPOINT", "https://somebody:secret@mirror.example")
    code, out, _ = command("doctor", "--no-network")
    [precision] = [line for line in out.splitlines() if "xzoo would train on" in line]
    from xzoo.train.device import choose

    assert f"{choose().kind} in {choose().precision}" in precision
    assert all(f"\n{word}\n" in out for word in ("device", "libraries", "folders", "network", "plugins"))
    assert "secret" not in out
    assert all(f"\n  {line}" in out for line in ("HTTPS_PROXY=http://127.0.0.1:9/", "https://mirror.example not asked"))
    assert "warning [plugin-broken] " in out  # the fake distributions hold one
    assert code == 0, out


def test_folders_are_measured_and_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file" / "torch"))
    written(tmp_path, {"cache/packs/a/pixels.bin": "x" * 1000, "file": ""})
    found = {place.kind: place for place in places.look(str(tmp_path / "runs"))}
    assert (found["packs"].num_bytes, found["packs"].is_there, found["packs"].is_writable) == (1000, True, True)
    assert (found["runs"].is_there, found["runs"].is_writable) == (False, True)
    assert not found["weights of torch"].is_writable, "a file stands where the folder should be"
    assert not (tmp_path / "runs").exists()


def test_a_server_that_stays_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(network, "TORCH", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(network, "SECONDS", 0.2)
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        found = network.look()
    assert found.is_offline
    asked, hub = found.servers
    assert (asked.answers, hub.answers) == (False, None)
    assert asked.detail


def test_needs_are_those_of_the_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        "torch>=2.10",
        'onnx>=1.23; extra == "onnxruntime"',
        'pytest>=8.4; extra == "test"',
        'xzoo[openvino]; extra == "test"',
    ]
    monkeypatch.setattr("importlib.metadata.requires", lambda _: texts)
    assert list(libraries.needs()) == [("torch", "2.10", ""), ("onnx", "1.23", "onnxruntime")]


def test_doctor_is_callable_from_python() -> None:
    import inspect

    from xzoo.doctor.examination import doctor

    assert inspect.signature(xzoo.doctor) == inspect.signature(doctor)
