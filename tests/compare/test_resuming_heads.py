"""Heads that are trained together, ended in their middle and begun again."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sameness import KilledError, same

import xzoo
from xzoo.compare.finishing import Output
from xzoo.compare.learning import Asked
from xzoo.compare.resuming import Resumed
from xzoo.compare.together import compute_together
from xzoo.data.pack import Pack
from xzoo.runs.result import Cell
from xzoo.train.checkpoint import SECONDS, Checkpoints
from xzoo.train.device import Device
from xzoo.train.heads import train_heads

pytestmark = pytest.mark.usefixtures("heard")

EPOCHS = 6


@dataclasses.dataclass(eq=False)
class Trial:
    """Frozen cells computed together; `epochs` counts those that were trained, `told` where they went on."""

    prepared: Any
    cells: list[Cell]
    pack: Pack
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    epochs: int = 0
    told: list[Resumed] = dataclasses.field(default_factory=list)

    def run(
        self, at: int | None = None, do: Callable[[], object] | None = None, cells: list[Cell] | None = None
    ) -> dict[int, Any]:
        """Compute cells; before epoch number `at` of this call do something, else be killed. Return outputs and errors."""

        def watched(*words: Any) -> Iterator[Any]:
            epochs = train_heads(*words)
            for number in range(EPOCHS):
                if number == at:
                    if do is None:
                        raise KilledError
                    do()
                if (found := next(epochs, None)) is None:
                    return
                self.epochs += 1
                yield found

        with self.monkeypatch.context() as patch:
            patch.setattr("xzoo.compare.learning.train_heads", watched)
            device, chosen = Device("cpu", "fp32", 1), cells or self.cells
            found = compute_together(self.prepared, chosen, self.pack, device, Asked("bright"), lambda name: self.folder / name)
            assert found is not None
            items = list(found)
        self.told += [item for _, item in items if isinstance(item, Resumed)]
        return {cell.seed: item for cell, item in items if isinstance(item, Output | Exception)}


@pytest.fixture
def trial(cell_of: Any, tiny: xzoo.Backbone, pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trial]:
    """Plan three seeds of a frozen cell, a checkpoint after every epoch."""
    monkeypatch.setenv(SECONDS, "0")

    def make(**recipe: Any) -> Trial:
        values = {"epochs": EPOCHS, "lr": 0.3, **recipe}
        ready, _ = cell_of(tiny, pack, "frozen", **values)
        cells = [cell_of(tiny, pack, "frozen", seed, ready, **values)[1] for seed in range(3)]
        return Trial(ready, cells, pack, tmp_path / "checkpoints", monkeypatch)

    return make


def agree(one: dict[int, Any], other: dict[int, Any]) -> bool:
    """Whether outputs agree, however many heads learnt together."""
    return one.keys() == other.keys() and all(same(one[seed], other[seed], heads=0) for seed in one)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"optimizer": "sgd"},
        {"optimizer": "adam", "clip": 0.0},
        {"loss": "bce"},
        {"patience": 2, "schedule": "constant", "lr": 5.0},
    ],
)
def test_heads_that_are_killed_again_and_again_become_what_they_would_have_become(values: dict[str, Any], trial: Any) -> None:
    one = trial(**values)
    whole = one.run()
    assert list(one.folder.iterdir()) == []
    one.epochs = 0
    for at in (2, 1):
        with pytest.raises(KilledError):
            one.run(at=at)
    resumed = one.run()
    assert agree(resumed, whole)
    assert one.epochs == EPOCHS
    assert [(told.epochs, told.times) for told in one.told] == [(3, 2)]
    assert all(output.result.resumed == 2 for output in resumed.values())
    assert all(output.result.notes[-1] == "resumed from a checkpoint 2 times" for output in resumed.values())
    assert list(one.folder.iterdir()) == []


def test_a_head_goes_on_in_other_company_and_the_others_begin(trial: Any) -> None:
    one = trial()
    whole = one.run()
    with pytest.raises(KilledError):
        one.run(at=3, cells=one.cells[:2])
    assert len(list(one.folder.iterdir())) == 1
    alone = one.run(cells=one.cells[1:2])
    assert agree(alone, {1: whole[1]})
    assert len(list(one.folder.iterdir())) == 1, "seed 0 still has use for it"
    found = one.run()
    assert agree(found, whole)
    assert [output.result.resumed for output in found.values()] == [1, 1, 0]
    assert list(one.folder.iterdir()) == []


def test_a_damaged_checkpoint_has_one_before_it(trial: Any) -> None:
    one = trial()
    whole = one.run()
    with pytest.raises(KilledError):
        one.run(at=4)
    [folder] = one.folder.iterdir()
    newest = max(folder.iterdir(), key=lambda path: int(path.name))
    (newest / "state.safetensors").write_bytes(b"")
    assert agree(one.run(), whole)
    assert (one.told[-1].epochs, one.told[-1].messages) == (3, (f"checkpoint {newest} is damaged, and was removed",))


def test_ctrl_c_ends_behind_the_epoch_and_it_is_kept(trial: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trial()
    whole = one.run()
    monkeypatch.setattr(Checkpoints, "is_due", False)
    one.epochs = 0
    with pytest.raises(KeyboardInterrupt):
        one.run(at=3, do=lambda: os.kill(os.getpid(), signal.SIGINT))
    assert one.epochs == 4
    assert agree(one.run(), whole)
    assert one.epochs == EPOCHS
