"""Cells of one plan do not share what belongs to one of them: its precision, its size, its failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xzoo
from xzoo.compare.api import compare
from xzoo.data.source import Arrays, arrays
from xzoo.train.prepared import Prepared, prepare
from xzoo.zoo.spec import Choice, RandomStart

QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 4}


@pytest.fixture
def data() -> Arrays:
    images_NHW = np.random.default_rng(0).integers(0, 256, (24, 16, 16), dtype=np.uint8)
    return arrays(images_NHW, np.arange(24) % 2, splits=["train"] * 12 + ["val"] * 6 + ["test"] * 6)


@pytest.mark.parametrize("order", ["bf16,fp32", "fp32,bf16"])
def test_precision_is_the_cells_own(tiny: xzoo.Backbone, data: Arrays, tmp_path: Path, order: str) -> None:
    found = compare([tiny], data, freeze=["frozen"], seeds=1, recipe=QUICK, vary=[f"precision={order}"], runs=tmp_path)
    assert {cell.contender.rpartition("=")[2]: cell.precision for cell in found.cells} == {"bf16": "bf16", "fp32": "fp32"}
    assert found.cells[0].val != found.cells[1].val


@pytest.mark.parametrize("order", ["15,16", "16,15"])
def test_a_size_that_does_not_fit_fails_its_own_cell_alone(data: Arrays, tmp_path: Path, order: str, tiny: xzoo.Backbone) -> None:
    large = xzoo.Backbone(
        name="large", build=tiny.build, head=tiny.head, stages=tiny.stages, preprocess=tiny.preprocess, min_size=16
    )
    found = compare([large], data, freeze=["frozen"], seeds=1, recipe=QUICK, vary=[f"size={order}"], runs=tmp_path)
    assert {cell.contender.rpartition("=")[2]: cell.status for cell in found.cells} == {"15": "failed", "16": "done"}
    assert found.backbones["large@random"].size == (16, 16)


def test_operations_are_counted_at_each_contenders_size(tiny: xzoo.Backbone, data: Arrays, tmp_path: Path) -> None:
    found = compare([tiny], data, freeze=["frozen"], seeds=1, recipe=QUICK, vary=["size=16,32"], runs=tmp_path)
    small, large = (next(row for row in found.contenders if row.id.endswith(f"={size}")) for size in (16, 32))
    assert small.gmacs is not None
    assert large.gmacs is not None
    assert large.gmacs > 3 * small.gmacs


def test_a_body_is_known_by_its_tensors_and_by_its_code(tiny: xzoo.Backbone, tmp_path: Path) -> None:
    def prepared(origin: str, start: int = 0) -> Prepared:
        return prepare(Choice(tiny, RandomStart(start), origin=origin, name="tiny"))

    file = tmp_path / "net.py"
    file.write_text("# one\n")
    first, again = prepared(str(file)), prepared(str(file))
    file.write_text("# two\n")
    edited, elsewhere, other_start = prepared(str(file)), prepared("rival 1.0"), prepared("rival 1.0", start=1)
    assert first.body == again.body
    assert prepared("python").body == prepared("python").body
    assert len({one.body for one in (first, edited, elsewhere, other_start, prepared("python"))}) == 5
    assert first.tensors == edited.tensors == elsewhere.tensors != other_start.tensors
