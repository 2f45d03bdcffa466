"""Cells of what does not fit the memory: features that are read, not held, and orders by blocks, say what they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import xzoo
from xzoo.compare.finishing import Output
from xzoo.compare.layout import lay_out
from xzoo.compare.learning import Asked
from xzoo.compare.together import compute_together
from xzoo.data import order, shards
from xzoo.data.order import Blocks
from xzoo.data.pack import Pack, make_pack
from xzoo.data.source import arrays, open_source
from xzoo.train import tables
from xzoo.train.device import Device

DEVICE = Device("cpu", "fp32", 1)


def answers(prepared: Any, cells: list[Any], pack: Pack) -> list[Output]:
    items = compute_together(prepared, cells, pack, DEVICE, Asked("bright"))
    assert items is not None
    return [item for _, item in items if isinstance(item, Output)]


@pytest.mark.parametrize("head", ["loop", "solver"])
def test_heads_on_features_that_are_read_are_those_on_features_that_are_held(
    head: str, cell_of: Any, tiny: xzoo.Backbone, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, _ = cell_of(tiny, pack, "frozen")
    cells = [cell_of(tiny, pack, "frozen", seed, ready=prepared, head=head, epochs=3)[1] for seed in (0, 1)]
    whole = answers(prepared, cells, pack)
    monkeypatch.setattr(tables, "HELD_BYTES", {"cpu": 0})
    read = answers(prepared, cells, pack)
    assert len(read) == len(whole) == 2
    for one, other in zip(read, whole, strict=True):
        for name, found in one.predictions.items():
            assert np.allclose(found, other.predictions[name], rtol=1e-4, atol=1e-5)
        assert one.result.status == "done"


def test_features_that_are_read_come_in_the_batches_of_held_ones(
    cell_of: Any, tiny: xzoo.Backbone, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, cell = cell_of(tiny, pack, "frozen")
    held = lay_out(prepared, cell, pack, DEVICE)
    monkeypatch.setattr(tables, "HELD_BYTES", {"cpu": 0})
    read = lay_out(prepared, cell, pack, DEVICE)
    for (mine, labels_B), (theirs, their_labels_B) in zip(read.training.epoch(1), held.training.epoch(1), strict=True):
        assert torch.equal(mine, theirs)
        assert torch.equal(labels_B, their_labels_B)


@pytest.mark.parametrize("freeze", ["frozen", "finetune", "last:1"])
def test_blocks_order_all_that_a_cell_trains_on_and_the_result_says_so(
    freeze: str, cell_of: Any, tiny: xzoo.Backbone, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "BLOCK_BYTES", 4 * 16 * 16 * pack.num_channels)
    monkeypatch.setattr(order, "WINDOW_BYTES", 8 * 16 * 16 * pack.num_channels)
    prepared, cell = cell_of(tiny, pack, freeze, shuffle="blocks")
    bench = lay_out(prepared, cell, pack, DEVICE)
    assert bench.blocks == Blocks(4, 2)
    assert sum(note.startswith("order by blocks: 2 blocks of 4 neighbours") for note in bench.notes) == 1
    expected = pack.labels_N[order.shuffled(bench.split.train, cell.seed, 1, Blocks(4, 2))]
    assert np.array_equal(np.concatenate([labels_B for _, labels_B in bench.training.epoch(1)]), expected)
    prepared, cell = cell_of(tiny, pack, freeze)
    assert lay_out(prepared, cell, pack, DEVICE).blocks is None


def test_a_cell_on_shards_is_the_cell_on_one_file(
    cell_of: Any, tiny: xzoo.Backbone, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images_N = np.random.default_rng(0).integers(0, 256, (40, 20, 20), dtype=np.uint8)
    source = open_source(arrays(images_N, np.arange(40) % 2))
    seen = []
    for size in (shards.SHARD_BYTES, 1000):
        monkeypatch.setattr(shards, "SHARD_BYTES", size)
        monkeypatch.setenv("XZOO_CACHE", str(own_cache / str(size)))
        pack = make_pack(source)
        assert (len(pack.pixels.parts) > 1) == (size == 1000)
        cells = [cell_of(tiny, pack, freeze) for freeze in ("frozen", "finetune")]
        benches = [lay_out(prepared, cell, pack, DEVICE) for prepared, cell in cells]
        seen.append([torch.cat([inputs for inputs, _ in bench.training.epoch(0)]) for bench in benches])
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(*seen, strict=True))
