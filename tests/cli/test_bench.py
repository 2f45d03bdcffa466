from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., tuple[int, str, str]]
Refused = Callable[..., None]
QUICK = ["--precision", "fp32", "--batch", "2", "--seconds", "0.01", "--size", "32"]
NETS = """
import xzoo


def fail():
    raise RuntimeError("no such layer")


bad = xzoo.Backbone(name="bad", build=fail, head=xzoo.ReplaceLinear("4"), stages={"conv": "0"})
"""


@pytest.mark.usefixtures("place")
def test_the_answer_is_one_object_with_intervals(command: Command, one_object: Callable[[str], dict[str, Any]]) -> None:
    code, out, err = command("bench", "convgap", *QUICK, "--freeze", "frozen", "--format", "json")
    found = one_object(out)
    assert (code, found["schema"]) == (0, "xzoo.bench/1")
    [row], [training] = found["rows"], found["training"]
    assert set(row["p50_ms"]) == set(training["step_ms"]) == {"value", "low", "high", "n"}
    assert (row["backbone"], row["batch"], row["rank"], row["size"]) == ("convgap@random", 2, 1, [32, 32])
    assert row["peak_memory_mb"] is not None or row["reasons"]["peak_memory_mb"]
    assert "batch 2: timing 1 rows in turns" in err


@pytest.mark.usefixtures("place")
def test_text_is_a_table_with_what_it_rests_on(command: Command) -> None:
    code, out, _ = command("bench", "convgap", *QUICK, "--freeze", "none")
    assert code == 0
    assert "2 images at once" in out
    assert "training" not in out.partition("2 images at once")[2].partition("Rows of one table")[0]
    assert "share a rank" in out
    assert "a drawn gray JPEG" in out


def test_a_backbone_that_fails_leaves_the_others_and_the_code_says_so(command: Command, place: Path) -> None:
    (place / "nets.py").write_text(NETS)
    code, out, _ = command("bench", "./nets.py:bad", "convgap", *QUICK, "--freeze", "none")
    assert code == 4
    assert "failed: bad@random: RuntimeError: no such layer" in out
    assert "convgap@random" in out


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("bench alexnett", 2, ["'alexnett'", "did you mean alexnet?"]),
        ("bench convgap --engine eagre", 2, ["'eagre'", "did you mean eager?"]),
        ("bench convgap --engine cudagraph --device cpu", 3, ["cudagraph", "use the engine eager"]),
        ("bench convgap --batch 0", 2, ["0 images", "from 1"]),
        ("bench convgap --batch x", 2, ["--batch 'x'", "1,16"]),
        ("bench convgap --precision fp8", 2, ["'fp8'", "bf16"]),
        ("bench convgap --seconds 0", 2, ["0.0 seconds", "more than 0"]),
        ("bench convgap --freeze frozzen", 2, ["'frozzen'", "last:N"]),
        ("bench convgap --size 1", 2, ["convgap", "--size"]),
        ("bench convgap --from empty", 2, ["empty holds no images"]),
        ("bench convgap --from nowhere", 2, ["nowhere does not exist"]),
        ("bench convgap --from broken.png", 2, ["broken.png", "cannot be read"]),
        ("bench convgap convgap", 2, ["named twice", "name each once"]),
        ("bench convgap --device tpu", 2, ["'tpu'", "cuda:N"]),
        ("bench tiny@V1", 3, ["xzoo weights fetch tiny@V1", "tiny@random"]),
        ("bench convgap --engine ''", 2, ["--engine is empty"]),
    ],
)
def test_what_cannot_be_timed_is_refused(refused: Refused, place: Path, line: str, code: int, says: list[str]) -> None:
    (place / "empty").mkdir()
    (place / "broken.png").write_bytes(b"no image")
    refused(line, code, *says)
