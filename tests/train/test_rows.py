from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from xzoo.train import rows
from xzoo.train.rows import Placed, Rows

TEN = torch.arange(10 * 2 * 3 * 4, dtype=torch.float32).view(10, 2, 3, 4)


def kept(batch: Tensor, word: str = "word", size: int = 4) -> Rows:
    """Keep a tensor's rows, computed in batches of `size` from the last to the first."""

    def placed() -> Placed:
        for chunk in reversed(np.array_split(np.arange(len(batch)), -(-len(batch) // size))):
            yield chunk, batch[torch.from_numpy(chunk)]

    return rows.kept([word], len(batch), placed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_rows_come_back_in_their_type_and_memory_order(
    dtype: torch.dtype, memory_format: torch.memory_format, own_cache: Path
) -> None:
    whole = (TEN.to(dtype) / 3).contiguous(memory_format=memory_format)
    chosen = np.array([7, 0, 3])
    found = kept(whole).take(chosen, "cpu")
    expected = whole[chosen].contiguous(memory_format=memory_format)
    assert found.dtype == dtype
    assert torch.equal(found, expected)
    assert found.stride() == expected.stride()
    found.zero_()
    assert torch.equal(kept(whole).take(chosen, "cpu"), expected)


@pytest.mark.parametrize(
    "batch",
    [TEN[:, :, ::2], TEN.permute(1, 0, 2, 3).contiguous().permute(1, 0, 2, 3), TEN[:, :1].expand(-1, 5, -1, -1), TEN[:, 0, 0, 0]],
)
def test_rows_that_do_not_lie_whole_in_memory_keep_their_values(batch: Tensor, own_cache: Path) -> None:
    found = kept(batch).take(np.arange(10), "cpu")
    assert torch.equal(found, batch)
    assert found.is_contiguous()


def test_rows_are_computed_once_and_known_by_their_words(own_cache: Path) -> None:
    computed = []

    def placed() -> Placed:
        computed.append(1)
        yield np.arange(10), TEN

    first = rows.kept(["one", 2], 10, placed)
    again = rows.kept(["one", 2], 10, placed)
    assert (len(computed), first.seconds) == (1, again.seconds)
    assert first.seconds > 0
    rows.kept(["one", 3], 10, placed)
    assert len(computed) == 2


def test_damaged_rows_are_computed_again(own_cache: Path) -> None:
    kept(TEN)
    (file,) = own_cache.glob("features/*/rows.bin")
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    assert torch.equal(kept(TEN).take(np.arange(10), "cpu"), TEN)


def test_a_quarter_of_the_cache_is_what_rows_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XZOO_CACHE_LIMIT", "0.000004")
    assert rows.num_bytes(TEN) == 96
    assert [rows.fit(10, size) for size in (100, 101)] == [True, False]


def test_rows_that_another_process_put_in_place_meanwhile_stay(own_cache: Path) -> None:
    def placed() -> Placed:
        yield np.arange(10), TEN
        if not list(own_cache.glob("features/*/manifest.json")):
            kept(TEN)

    (own_cache / "features").mkdir(parents=True)
    assert torch.equal(rows.kept(["word"], 10, placed).take(np.arange(10), "cpu"), TEN)
    assert len(list((own_cache / "features").iterdir())) == 1


WRITER = """
import sys, time
import numpy as np, torch
from xzoo.train import rows

def placed(which):
    for place in range(50):
        yield np.array([place]), torch.full((1, 1000), float(place + which))

sys.stdin.readline()
for which in range(40):
    found = rows.kept(["shared", which], 50, lambda: placed(which)).take(np.arange(50), "cpu")
    assert torch.equal(found[:, 0], torch.arange(50.0) + which), which
"""


def test_two_processes_may_keep_the_same_rows_at_once(own_cache: Path) -> None:
    path = os.pathsep.join(place for place in sys.path if place)
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", WRITER], env=environment, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert len(list((own_cache / "features").iterdir())) == 40
