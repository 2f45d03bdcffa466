"""The audit on real chest X-rays: the shift that makes the test split hard is found, with nothing where there is nothing."""

import os
from pathlib import Path

import pytest

import xzoo
from xzoo.audit.outcome import Audit

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif("XZOO_REAL" not in os.environ, reason="XZOO_REAL names no folder of real data"),
]
PLUGIN = Path(__file__).with_name("mobilenet.py")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    os.environ.setdefault("XZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
    return xzoo.audit(Path(os.environ["XZOO_REAL"]) / "data" / "cxr", backbone=f"{PLUGIN}:net", split_seed=0)


def test_the_four_byte_identical_pairs_are_found_and_no_others(found: Audit) -> None:
    assert {row.kind for row in found.copies} == {"bytes"}
    assert found.num_copies == 4
    assert list(found.leaks) == []
    assert list(found.conflicts) == []


def test_validation_and_test_differ_and_halves_of_each_do_not(found: Audit) -> None:
    [row] = [row for row in found.shifts if (row.first, row.second) == ("val", "test")]
    assert row.appearance_p_holm < 0.01
    assert 0.65 < row.total.auroc.value < 0.82
    assert row.labels.distance < 0.02
    assert all(0.45 < one.auroc.value < 0.55 for one in found.controls)
    [drawn] = [row for row in found.shifts if (row.first, row.second) == ("train", "val")]
    assert drawn.appearance_p_holm > 0.05
    assert [one.id for one in found.findings if one.severity == "warning"].count("shift") == 2
