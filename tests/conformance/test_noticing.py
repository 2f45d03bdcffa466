"""What code does beside its work is noticed, and put back."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from xzoo.conformance import surroundings
from xzoo.conformance.watching import OfflineError, watched


def test_prints_and_warnings_are_heard() -> None:
    with watched("it") as heard:
        print("a word")
        warnings.warn("it will go", DeprecationWarning, stacklevel=1)
    assert heard.printed == "a word\n"
    assert heard.warned == ["DeprecationWarning: it will go"]
    assert heard.touched == []


def test_there_is_no_network_while_code_is_watched() -> None:
    with watched("it") as heard, pytest.raises(OfflineError):
        socket.create_connection(("planted.invalid", 80))
    assert heard.touched == ["asks the network for planted.invalid"]


def test_files_are_heard_of_unless_they_are_code_or_its_own(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
        (folder / "table.json").write_text("{}")
        (folder / "code.py").write_text("")
    with watched("it", (str(own),)) as heard:
        for path in (own / "table.json", other / "code.py", other / "table.json", Path(os.__file__)):
            path.read_bytes()
        (own / "new").write_text("")
        with contextlib.suppress(OSError):
            (other / "gone").unlink()
    (other / "table.json").read_bytes()
    assert heard.touched == [
        f"reads {other / 'table.json'}",
        f"writes {own / 'new'}",
        f"writes: os.remove {other / 'gone'}",
    ]


def test_threads_from_before_are_nobody_s_and_new_ones_belong_to_the_code(tmp_path: Path) -> None:
    begin = threading.Event()

    def write_later() -> None:
        begin.wait(60)
        (tmp_path / "before").write_text("")

    before = threading.Thread(target=write_later)
    before.start()
    with watched("it") as heard:
        begin.set()
        before.join()
        new = threading.Thread(target=(tmp_path / "new").write_text, args=("",))
        new.start()
        new.join()
    assert (tmp_path / "before").exists()
    assert heard.touched == [f"writes {tmp_path / 'new'}"]


def set_environment() -> None:
    os.environ["XZOO_TEST_WAS_HERE"] = "1"


def replace_relu() -> None:
    F.relu = lambda maps: maps  # type: ignore[assignment, misc]


CHANGES: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "torch's default dtype": (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype),
    "torch's number of threads": (lambda: torch.set_num_threads(3), torch.get_num_threads),
    "torch's recording of gradients": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
    "torch's precision of products": (lambda: torch.set_float32_matmul_precision("medium"), torch.get_float32_matmul_precision),
    "Python's random stream": (random.random, random.getstate),
    "numpy's random stream": (np.random.rand, lambda: np.random.get_state(legacy=False)["state"]["pos"]),
    "replaces torch.nn.functional.relu": (replace_relu, lambda: F.relu),
    "environment": (set_environment, lambda: dict(os.environ)),
    "working folder": (lambda: os.chdir("/"), Path.cwd),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_changed_for_all_code_is_named_and_put_back(name: str) -> None:
    change, read = CHANGES[name]
    before = read()
    with surroundings.kept() as changes:
        change()
        assert read() != before
    assert [name in one for one in changes] == [True]
    assert read() == before


def test_work_that_changes_nothing_is_not_told_of() -> None:
    with surroundings.kept() as changes:
        torch.nn.Linear(2, 2)(torch.randn(1, 2)).sum().backward()
    assert changes == []
