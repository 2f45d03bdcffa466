"""Run folders that somebody altered, or sent: they are read as any other, and written into as little as any other."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inputs import Kind, Make

_SHOW, _PREDICT, _REPORT = "runs show last", "predict last good", "report last -o out.html"


def _run(place: Path) -> Path:
    [plan] = (place / "xzoo-runs").glob("*/plan.json")
    return plan.parent


def _holding(name: str, data: bytes) -> Make:
    def make(place: Path) -> None:
        [path] = _run(place).glob(name)
        path.write_bytes(data)

    return make


def _instead(name: str, put: Callable[[Path], Any]) -> Make:
    def make(place: Path) -> None:
        [path] = _run(place).glob(name)
        path.unlink()
        put(path)

    return make


def _edited(name: str, edit: Callable[[Any], Any]) -> Make:
    def make(place: Path) -> None:
        [path] = _run(place).glob(name)
        value = json.loads(path.read_text())
        edit(value)
        path.write_text(json.dumps(value))

    return make


def _renamed(name: str) -> Make:
    def rename(plan: Any) -> None:
        plan["cells"][0]["id"] = name

    return _edited("plan.json", rename)


def _hole(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 * 10**9)


_BYTES = {
    "nothing": b"",
    "a bracket": b"{",
    "a list": b"[]",
    "a number": b"7",
    "no UTF-8": b"\xff\xfe",
    "brackets": b"[" * 100_000,
    "objects": b'{"schema":' * 100_000,
    "half a letter": b'{"schema": "\\ud800"}',
    "another schema": b'{"schema": "xzoo.other/9"}',
    "terminal codes": b'{"schema": "\x1b[2J"}',
}
_PUT: dict[str, Callable[[Path], Any]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "three gigabytes of nothing": _hole,
}
KINDS = [
    *(
        Kind(f"run: {file} holds {name}", line, 5, [file], _holding(file, data), has_run=True)
        for file, line in (("plan.json", _PREDICT), ("compare.json", _SHOW))
        for name, data in _BYTES.items()
    ),
    *(
        Kind(f"run: {file} is {name}", line, 5, [file], _instead(file, put), has_run=True)
        for file, line in (("plan.json", _PREDICT), ("compare.json", _SHOW))
        for name, put in _PUT.items()
    ),
    *(
        Kind(
            f"run: {file.rpartition('/')[2]} of a cell holds {name}",
            _REPORT,
            5,
            [file.rpartition("/")[2]],
            _holding(file, _BYTES[name]),
            has_run=True,
        )
        for file in ("cells/*/predictions.npz", "cells/*/manifest.json")
        for name in ("nothing", "a list", "no UTF-8", "brackets")
    ),
    Kind("run: its tensors are cut", _PREDICT, 5, [".safetensors"], _holding("learnt/*.safetensors", b"\x08"), has_run=True),
    Kind("run: its tensors are none", _PREDICT, 5, [".safetensors"], _holding("learnt/*.safetensors", b"x" * 99), has_run=True),
    Kind("run: its tensors are a pipe", _PREDICT, 2, [], _instead("learnt/*.safetensors", os.mkfifo), has_run=True),
    *(
        Kind(f"run: a cell called {name!r}, {line.split()[0]}", line, 5, ["plan.json"], _renamed(name), has_run=True)
        for name in ("../../evil", "/etc/evil", "..", "", "a/b", "\\..\\x", "a\0b")
        for line in (_PREDICT, "export last --to safetensors")
    ),
    Kind("run: cells are a number", _PREDICT, 5, [], _edited("plan.json", lambda plan: plan.update(cells=3)), has_run=True),
    Kind("run: data are a list", _PREDICT, 5, [], _edited("plan.json", lambda plan: plan.update(data=[])), has_run=True),
    Kind(
        "run: no backbones",
        _PREDICT,
        2,
        ["was made in Python"],
        _edited("plan.json", lambda plan: plan.pop("backbones")),
        has_run=True,
    ),
    Kind(
        "run: a recipe of nonsense",
        _PREDICT,
        2,
        [],
        _edited("plan.json", lambda plan: plan["cells"][0]["recipe"].update(epochs=-3)),
        has_run=True,
    ),
]
