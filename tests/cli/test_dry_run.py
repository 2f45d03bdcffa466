"""`--dry-run` on the command line: a screen or one object, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xzoo.compare import forecast
from xzoo.report import forecasts

Answer = tuple[int, str, str]
Reader = Callable[[str], dict[str, Any]]
DATA = "phantom:train=20,val=8,test=8,size=40,seed=78"


@pytest.mark.parametrize(
    "line", ["compare convgap mlp@random --seeds 2 --freeze frozen", "train convgap --freeze finetune --seed 3"]
)
def test_a_dry_run_tells_and_leaves_nothing(command: Callable[..., Answer], one_object: Reader, place: Path, line: str) -> None:
    words = [*line.split(), "--data", DATA, "--set", "size=32", "--device", "cpu", "--dry-run"]
    code, out, _ = command(*words, "--format", "json")
    found = one_object(out)
    assert (code, found["schema"]) == (0, "xzoo.dry-run/1")
    assert {cell["seed"] for cell in found["cells"]} == ({0, 1} if "compare" in line else {3})
    assert found["low_seconds"] < found["total_seconds"] < found["high_seconds"]
    code, out, _ = command(*words)
    assert code == 0
    assert "dry run: nothing was trained, fetched or written" in out
    assert all(f"\n{word} " in out for word in ("cells", "device", "time", "memory", "disk"))
    assert list(place.iterdir()) == []
    assert not (place.parent / "cache").exists()


def test_it_has_no_part_in_what_was_trained_elsewhere(refused: Callable[..., None], place: Path) -> None:
    refused("compare --accuracies 80/100 70/100 --dry-run", 2, "--dry-run has no part in --accuracies")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (0.2, "1 s"), (45, "45 s"), (600, "10 min"), (7200, "2.0 h"), (86_400, "24.0 h")]
)
def test_time_is_said_as_a_person_would(seconds: float, said: str) -> None:
    assert forecasts.clock(seconds) == said


def test_downloads_and_cells_that_cannot_be_trained_are_told() -> None:
    cells = [
        forecast.CellForecast("a", "a frozen", 0, "done", 0.0, None),
        forecast.CellForecast("b", "b frozen", 0, "cannot be trained", None, None, "b takes only 224x224 pixels"),
    ]
    found = forecast.Forecast(
        run="xzoo-runs/1", first_line="train 1", cells=cells, seconds=None, total_seconds=None, low_seconds=None,
        high_seconds=None,
        memory_gb=None, disk={}, free=None, downloads=[forecast.Download("a", "https://weights/a.pth", 10**9)], device="cuda",
        precision="bf16", threads=1, speed=None, notes=["no costs are known on cuda"],
    )  # fmt: skip
    text = forecasts.forecast_text(found)
    assert "b takes only 224x224 pixels" in text
    assert "a, about 1.0 GB, from https://weights/a.pth" in text
    assert "0 to compute, 1 kept from before" in text
    assert "no costs are known on cuda" in text
