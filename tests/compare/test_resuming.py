"""Cells that are ended in their middle and begun again: what comes of them is what comes of one that was left alone."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sameness import KilledError, same

import xzoo
from xzoo.compare.bench import Bench
from xzoo.compare.cell import compute
from xzoo.compare.finishing import Output
from xzoo.compare.progress import Progress
from xzoo.compare.resuming import Resumed
from xzoo.data.pack import Pack
from xzoo.train.checkpoint import SECONDS, Checkpoints
from xzoo.train.device import Device
from xzoo.train.eager import Step

pytestmark = pytest.mark.usefixtures("heard")

EPOCHS, STEPS = 4, 3


@dataclasses.dataclass(eq=False)
class Trial:
    """A cell computed in one go, or in several; `steps` counts those that were made."""

    prepared: Any
    cell: Any
    pack: Pack
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    steps: int = 0
    told: list[Resumed] = dataclasses.field(default_factory=list)

    def run(self, at: int | None = None, do: Callable[[], object] | None = None, folder: Path | None = None) -> Output:
        """Compute the cell; before step number `at` of this call do something, else be killed."""
        make, count = Step.__call__, itertools.count()

        def step(this: Any, inputs: Any, labels_B: Any) -> None:
            if next(count) == at:
                if do is None:
                    raise KilledError
                do()
            make(this, inputs, labels_B)
            self.steps += 1

        device = Device("cpu", self.cell.recipe["precision"], 1)
        with self.monkeypatch.context() as patch:
            patch.setattr(Step, "__call__", step)
            items = list(
                compute(self.prepared, self.cell, self.pack, device, positive="bright", checkpoints=folder or self.folder)
            )
        self.told += [item for item in items if isinstance(item, Resumed)]
        assert isinstance(items[-1], Output)
        return items[-1]

    def ends(self, at: int, do: Callable[[], object] | None = None, kind: type[BaseException] = KilledError) -> None:
        """Compute the cell until it ends before its time."""
        with pytest.raises(kind):
            self.run(at, do)


@pytest.fixture
def trial(cell_of: Any, tiny: xzoo.Backbone, pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trial]:
    """Plan a cell of the tiny network that writes a checkpoint after every step."""
    monkeypatch.setenv(SECONDS, "0")

    def make(freeze: str = "finetune", **recipe: Any) -> Trial:
        prepared, cell = cell_of(tiny, pack, freeze, 1, **{"epochs": EPOCHS, "lr": 0.05, **recipe})
        return Trial(prepared, cell, pack, tmp_path / "checkpoints", monkeypatch)

    return make


CASES: dict[str, dict[str, Any]] = {
    "frozen": {"freeze": "frozen", "augment": "chest-xray"},
    "frozen, views": {"freeze": "frozen", "augment": "chest-xray", "views": 2},
    "finetune": {},
    "finetune, bf16": {"precision": "bf16"},
    "finetune, augmented": {"augment": "chest-xray"},
    "finetune, sgd": {"optimizer": "sgd", "augment": "natural"},
    "finetune, adam": {"optimizer": "adam", "clip": 0.0, "warmup": 1.5},
    "finetune, bce": {"loss": "bce", "class_weights": "balanced"},
    "last:1": {"freeze": "last:1"},
    "last:1, views": {"freeze": "last:1", "augment": "chest-xray", "views": 2},
    "gradual:1": {"freeze": "gradual:1", "precision": "bf16"},
    "lp-ft": {"freeze": "lp-ft", "optimizer": "sgd", "momentum": 0.0},
    "layerwise:0.5": {"freeze": "layerwise:0.5", "keep": "last"},
}


@pytest.mark.parametrize("name", CASES)
def test_a_cell_that_is_killed_again_and_again_becomes_what_it_would_have_become(name: str, trial: Any) -> None:
    one = trial(**CASES[name])
    whole = one.run(folder=one.folder.with_name("other"))
    assert (one.steps, whole.result.resumed) == (EPOCHS * STEPS, 0)
    one.steps = 0
    one.ends(at=5)
    one.ends(at=2)
    resumed = one.run()
    assert same(resumed, whole)
    assert one.steps == EPOCHS * STEPS, "with a checkpoint after every step none is made twice"
    assert resumed.result.resumed == 2
    assert resumed.result.notes[-1] == "resumed from a checkpoint 2 times"
    assert [(len(told.curves), told.step, told.num_steps, told.times) for told in one.told] == [(2, 1, STEPS, 2)]


def test_wherever_it_is_killed_it_goes_on_from_there(trial: Any) -> None:
    one = trial("gradual:1")
    whole = one.run()
    for place in range(1, EPOCHS * STEPS):
        each = dataclasses.replace(one, folder=one.folder / str(place), steps=0)
        each.ends(at=place)
        assert same(each.run(), whole), place
        assert each.steps == EPOCHS * STEPS


def test_a_best_epoch_in_the_past_and_patience_go_with_it(trial: Any) -> None:
    values = {"epochs": 8, "lr": 0.7, "schedule": "constant", "patience": 2}
    one = trial("finetune", **values)
    whole = one.run()
    assert whole.result.best_epoch < whole.result.epochs - 1 < 7, "the case needs patience that runs out"
    for place in range(1, one.steps):
        each = dataclasses.replace(one, folder=one.folder / str(place))
        each.ends(at=place)
        assert same(each.run(), whole), place


def test_of_two_checkpoints_the_older_one_serves_where_the_newer_is_damaged(trial: Any) -> None:
    one = trial()
    whole = one.run()
    one.folder = one.folder / "damaged"
    one.ends(at=7)
    newest = max(one.folder.iterdir(), key=lambda path: int(path.name))
    content = bytearray((newest / "state.safetensors").read_bytes())
    content[-1] ^= 1
    (newest / "state.safetensors").write_bytes(content)
    one.steps = 0
    assert same(one.run(), whole)
    assert one.steps == EPOCHS * STEPS - 6
    assert one.told[-1].messages == (f"checkpoint {newest} is damaged, and was removed",)


def test_where_none_can_be_used_it_begins_anew_and_says_so(trial: Any) -> None:
    one = trial()
    whole = one.run()
    one.folder = one.folder / "damaged"
    one.ends(at=7)
    for path in one.folder.glob("*/manifest.json"):
        path.unlink()
    found = one.run()
    assert same(found, whole)
    assert found.result.resumed == 0
    assert (one.told[-1].times, len(one.told[-1].messages)) == (0, 2)


def test_an_interval_says_how_much_is_made_again(trial: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trial()
    whole = one.run()
    one.folder, one.steps = one.folder / "seldom", 0
    asked = itertools.count(1)
    monkeypatch.setattr(Checkpoints, "is_due", property(lambda self: next(asked) % 4 == 0))
    one.ends(at=7)
    assert same(one.run(), whole)
    assert one.steps == EPOCHS * STEPS + 3


def press(*numbers: int) -> Callable[[], None]:
    """Return what sends this process signals."""

    def do() -> None:
        for number in numbers:
            os.kill(os.getpid(), number)

    return do


def test_ctrl_c_ends_behind_the_step_and_nothing_is_made_twice(trial: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trial()
    whole = one.run()
    monkeypatch.setattr(Checkpoints, "is_due", False)
    one.folder, one.steps = one.folder / "pressed", 0
    one.ends(at=4, do=press(signal.SIGINT), kind=KeyboardInterrupt)
    assert [path.name for path in one.folder.iterdir()] == ["1"]
    assert one.steps == 5
    assert same(one.run(), whole)
    assert one.steps == EPOCHS * STEPS


def test_ctrl_c_twice_ends_at_once(trial: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trial()
    whole = one.run()
    monkeypatch.setattr(Checkpoints, "is_due", False)
    one.folder, one.steps = one.folder / "pressed", 0
    one.ends(at=4, do=press(signal.SIGINT, signal.SIGINT), kind=KeyboardInterrupt)
    assert one.steps == 4
    assert not one.folder.exists()
    assert same(one.run(), whole)


def test_ctrl_c_in_an_evaluation_saves_the_epoch_behind_it(trial: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trial("lp-ft")
    whole = one.run()
    monkeypatch.setattr(Checkpoints, "is_due", False)
    one.folder, one.steps = one.folder / "pressed", 0
    look, count = Bench.predictions, itertools.count()

    def predictions(self: Bench, split: str) -> Any:
        if next(count) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return look(self, split)

    with monkeypatch.context() as patch:
        patch.setattr(Bench, "predictions", predictions)
        with pytest.raises(KeyboardInterrupt):
            one.run()
    assert one.steps == 2 * STEPS
    assert same(one.run(), whole)
    assert one.steps == EPOCHS * STEPS
    assert [(len(told.curves), told.step) for told in one.told] == [(1, STEPS)]


def test_whoever_stops_listening_leaves_a_checkpoint(trial: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trial()
    whole = one.run()
    monkeypatch.setattr(Checkpoints, "is_due", False)
    one.folder, one.steps = one.folder / "left", 0
    items = compute(one.prepared, one.cell, one.pack, Device("cpu", "fp32", 1), positive="bright", checkpoints=one.folder)
    next(items)
    next(items)
    items.close()
    assert same(one.run(), whole)
    assert one.steps == (EPOCHS - 2) * STEPS


def test_an_epoch_that_nobody_has_noted_is_not_taken_for_done(trial: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trial()
    whole = one.run()
    monkeypatch.setattr(Checkpoints, "is_due", False)
    one.folder, add = one.folder / "lost", Progress.add

    def interrupted(self: Any, record: Any, weights: Any) -> None:
        if record.epoch == 1:
            raise KeyboardInterrupt
        add(self, record, weights)

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            one.run()
    assert not one.folder.exists()
    assert same(one.run(), whole)


def test_what_was_another_thread_count_is_told(trial: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trial()
    one.ends(at=4)
    monkeypatch.setattr(
        "xzoo.compare.resuming.surroundings", lambda device: {"torch": "9", "hardware": "abacus", "threads": "64"}
    )
    note = one.run().result.notes[-1]
    assert note.startswith("resumed from a checkpoint 1 time, torch ")
    assert note.endswith("threads 1, then 64")
