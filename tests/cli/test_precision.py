"""A precision that the hardware only imitates is told before it costs an hour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from xzoo.train import device

Answer = tuple[int, str, str]


@pytest.mark.parametrize(
    ("flags", "precision", "is_told"),
    [
        ("fpu avx2", "bf16", True),
        ("fpu avx2", "auto", False),
        ("fpu avx2", "fp32", False),
        ("fpu avx2 amx_bf16", "bf16", False),
        ("fpu avx512_bf16", "bf16", False),
    ],
)
def test_bfloat16_on_a_processor_without_it_is_told_at_once(
    command: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, precision: str, *, is_told: bool
) -> None:
    read = device._cpu_info
    monkeypatch.setattr(device, "_cpu_info", lambda key: flags if key == "flags" else read(key))
    data = "phantom:train=8,val=4,test=4,size=32"
    words = ["--epochs", "1", "--freeze", "frozen", "--seeds", "1", "--set", "size=32", "--set", f"precision={precision}"]
    words += ["--no-latency", "--device", "cpu", "--runs", str(tmp_path)]
    code, _, err = command("compare", "mobilenet_v3_small@random", "--data", data, *words)
    assert code == 0, err
    assert ("imitates it, many times slower" in err.splitlines()[0]) == is_told
    assert ("imitates" in err) == is_told
