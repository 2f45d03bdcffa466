"""The main job on real chest X-rays with a real pretrained backbone. Bounds: docs/reports/002.md."""

import os
from pathlib import Path

import pytest

from xzoo.compare.api import compare
from xzoo.compare.outcome import Outcome
from xzoo.compare.standings import accuracy

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif("XZOO_REAL" not in os.environ, reason="XZOO_REAL names no folder of real data"),
]
PLUGIN = Path(__file__).with_name("mobilenet.py")


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep packs and features of these tests together, and away from the user's."""
    os.environ.setdefault("XZOO_CACHE", str(tmp_path_factory.mktemp("cache")))


def outcome(runs: Path, freeze: str, seeds: int, split: str = "") -> Outcome:
    """Compare the pretrained backbone on the chest X-rays."""
    data = Path(os.environ["XZOO_REAL"]) / "data" / "cxr"
    return compare([f"{PLUGIN}:net"], data, freeze=[freeze], seeds=seeds, split=split, recipe={"epochs": 5}, runs=runs)


def test_frozen_features_validate_well_and_test_worse(tmp_path: Path) -> None:
    found = outcome(tmp_path, "frozen", seeds=3)
    assert found.dataset["first_line"] == "train 1600, val 400 (drawn, seed 0), test 400 (yours)"
    assert accuracy(found.contenders[0], "val") >= 0.95
    assert 0.75 <= accuracy(found.contenders[0], "test") <= 0.86
    assert all(cell.proof is not None and cell.proof.holds for cell in found.cells)


def test_pooling_and_reshuffling_lifts_the_test_figure(tmp_path: Path) -> None:
    found = outcome(tmp_path, "frozen", seeds=3, split="pool")
    assert accuracy(found.contenders[0], "test") > 0.92


def test_fine_tuning_validates_better_still(tmp_path: Path) -> None:
    found = outcome(tmp_path, "finetune", seeds=1)
    assert accuracy(found.contenders[0], "val") >= 0.97
    assert 0.75 <= accuracy(found.contenders[0], "test") <= 0.86
