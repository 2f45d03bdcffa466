from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xzoo
from xzoo.compare import api
from xzoo.compare.experiment import CellEnded, CellStarted, EpochEnded, Event
from xzoo.compare.outcome import Outcome
from xzoo.compare.plan import Plan
from xzoo.data.source import Arrays, arrays
from xzoo.errors import UnavailableError, UsageError
from xzoo.runs.result import CellResult
from xzoo.runs.store import RunFolder
from xzoo.train.device import choose
from xzoo.zoo.spec import RandomStart

QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 8, "precision": "fp32"}
BACKBONE_IN_A_FILE = """
    import xzoo

    def build():
        from torch import nn
        {first}
        return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))

    net = xzoo.Backbone(
        name="{name}", build=build, head=xzoo.ReplaceLinear("4"), stages={{"conv": "0"}}, preprocess=xzoo.Preprocess(size=16)
    )
"""


def written(folder: Path, name: str = "own", first: str = "") -> str:
    """Write a backbone as a user would, and return what names it on the command line."""
    (folder / f"{name}.py").write_text(textwrap.dedent(BACKBONE_IN_A_FILE).format(name=name, first=first))
    return f"{folder / name}.py:net"


def images(num: int = 40, classes: int = 2, channels: tuple[int, ...] = (), **kept: Any) -> Arrays:
    """Return noisy images whose brightness is their class."""
    labels_N = np.arange(num) % classes
    noise = np.random.default_rng(0).integers(0, 60, (num, 16, 16, *channels))
    bright = (150 * labels_N / (classes - 1)).reshape(-1, *[1] * (noise.ndim - 1))
    return arrays((noise + bright).astype(np.uint8), labels_N, **kept)


def followed(plan: Plan, runs: Path) -> list[Event]:
    return list(api.carry_out(plan, runs, choose("cpu", "fp32")))


def counted(events: list[Event]) -> Counter[str]:
    """Count events by what they say."""
    names = {CellStarted: "started", EpochEnded: "epoch"}
    return Counter(
        names.get(type(event)) or ("kept" if isinstance(event, CellEnded) and event.was_kept else "ended") for event in events
    )


def stored(plan: Plan, runs: Path) -> dict[str, dict[str, NDArray[np.float64]]]:
    return {cell.id: api.run_folder(plan, runs).predictions(cell.id) for cell in plan.cells}


def same(one: dict[str, dict[str, NDArray[np.float64]]], other: dict[str, dict[str, NDArray[np.float64]]]) -> bool:
    return one.keys() == other.keys() and all(
        one[cell].keys() == other[cell].keys() and all(np.array_equal(one[cell][name], other[cell][name]) for name in one[cell])
        for cell in one
    )


@pytest.mark.parametrize(
    ("data", "classes"),
    [
        pytest.param(images, 2, id="gray"),
        pytest.param(lambda: images(channels=(3,)), 2, id="colour"),
        pytest.param(lambda: images(60, 3), 3, id="three classes"),
    ],
)
def test_arrays_are_compared(tiny: xzoo.Backbone, tmp_path: Path, data: Callable[[], Arrays], classes: int) -> None:
    found = api.compare([tiny], data(), freeze=["frozen", "finetune"], seeds=2, recipe=QUICK, runs=tmp_path)
    assert isinstance(found, Outcome)
    assert {(cell.freeze, cell.seed, cell.status) for cell in found.cells} == {
        (freeze, seed, "done") for freeze in ("frozen", "finetune") for seed in (0, 1)
    }
    assert all(cell.proof is not None and cell.proof.holds and len(cell.curves) == 2 for cell in found.cells)
    for cell in found.cells:
        kept = RunFolder(Path(found.run)).predictions(cell.id)
        assert kept["val_probabilities"].shape == (len(kept["val_index"]), classes)
        assert kept["val_probabilities"].sum(1) == pytest.approx(1, abs=1e-5)
    assert found.backbones["tiny@random"].latency[0].n > 0


def test_the_images_of_a_patient_stay_in_one_split(tiny: xzoo.Backbone, tmp_path: Path) -> None:
    patients = np.array([f"patient {place // 4}" for place in range(80)])
    found = api.compare([tiny], images(80, groups=patients), freeze=["frozen"], seeds=3, recipe=QUICK, runs=tmp_path)
    for cell in found.cells:
        kept = RunFolder(Path(found.run)).predictions(cell.id)
        parts = [set(patients[kept[f"{split}_index"].astype(int)]) for split in ("train", "val", "test")]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 20


def test_a_backbone_in_a_file_and_one_in_python_are_compared(tiny: xzoo.Backbone, tmp_path: Path) -> None:
    found = api.compare([written(tmp_path), tiny], images(), freeze=["frozen"], seeds=1, recipe=QUICK, runs=tmp_path)
    assert [cell.contender for cell in found.cells] == ["own@random frozen", "tiny@random frozen"]
    assert found.failed == []


def test_calling_again_computes_nothing(tiny: xzoo.Backbone, tmp_path: Path) -> None:
    plan = api.make_plan([tiny], images(), freeze=["frozen", "finetune"], seeds=2, recipe=QUICK)
    assert counted(followed(plan, tmp_path)) == {"started": 4, "epoch": 8, "ended": 4}
    before = stored(plan, tmp_path)
    again = api.make_plan([tiny], images(), freeze=["finetune", "frozen"], seeds=[1, 0], recipe=QUICK)
    assert again.pack.num_decoded == 0
    assert counted(followed(again, tmp_path)) == {"kept": 4}
    assert same(stored(again, tmp_path), before)


def test_the_outcome_is_the_same_when_called_again(tiny: xzoo.Backbone, tmp_path: Path) -> None:
    one, other = (api.compare([tiny], images(), freeze=["frozen"], seeds=2, recipe=QUICK, runs=tmp_path) for _ in range(2))
    assert one == other


def test_a_backbone_that_fails_costs_only_its_own_cells_and_is_tried_again(
    tiny: xzoo.Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = written(tmp_path, "bad", "import os; assert 'BREAK_THE_BUILD' not in os.environ, 'no such layer'")
    plan = api.make_plan([bad, tiny], images(), freeze=["frozen"], seeds=2, recipe=QUICK)
    monkeypatch.setenv("BREAK_THE_BUILD", "1")
    assert counted(followed(plan, tmp_path)) == {"started": 4, "epoch": 4, "ended": 4}
    found = api.outcome_of(plan, tmp_path, choose("cpu", "fp32"))
    assert [cell.contender for cell in found.failed] == ["bad@random frozen"] * 2
    assert all(cell.error is not None and "no such layer" in cell.error["text"] for cell in found.failed)
    assert [row.id for row in found.contenders] == ["tiny@random frozen"]
    assert "failed" in {one.id for one in found.findings}
    monkeypatch.delenv("BREAK_THE_BUILD")
    assert counted(followed(plan, tmp_path)) == {"kept": 2, "started": 2, "epoch": 4, "ended": 2}
    assert api.outcome_of(plan, tmp_path, choose("cpu", "fp32")).failed == []


def test_a_backbone_whose_file_has_changed_is_computed_anew(tmp_path: Path) -> None:
    plans = []
    for first in ("", "from torch import manual_seed; manual_seed(1)"):
        plans.append(api.make_plan([written(tmp_path, "own", first)], images(), freeze=["frozen"], seeds=1, recipe=QUICK))
    assert {cell.id for cell in plans[0].cells}.isdisjoint({cell.id for cell in plans[1].cells})


def delete(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def truncate(name: str) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return cut


HARMS: dict[str, Callable[[Path], None]] = {
    "deleted": delete,
    "cut predictions": truncate("predictions.npz"),
    "cut result": truncate("result.json"),
    "cut manifest": truncate("manifest.json"),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
}


@pytest.mark.parametrize("freeze", ["frozen", "finetune"])
@pytest.mark.parametrize("harm", HARMS)
def test_cells_that_are_gone_or_damaged_are_computed_again(tiny: xzoo.Backbone, tmp_path: Path, harm: str, freeze: str) -> None:
    plan = api.make_plan([tiny], images(), freeze=[freeze], seeds=3, recipe=QUICK)
    followed(plan, tmp_path)
    before = stored(plan, tmp_path)
    for cell in plan.cells[:2]:
        HARMS[harm](api.run_folder(plan, tmp_path).path / "cells" / cell.id)
    assert counted(followed(plan, tmp_path)) == {"kept": 1, "started": 2, "epoch": 4, "ended": 2}
    assert same(stored(plan, tmp_path), before)


@pytest.mark.parametrize(("keep", "frozen", "tuned"), [("best", 3, 1), ("all", 3, 3), ("none", 0, 0)])
def test_of_fine_tuned_contenders_the_best_seed_by_validation_keeps_its_tensors(
    tiny: xzoo.Backbone, tmp_path: Path, keep: str, frozen: int, tuned: int
) -> None:
    found = api.compare(
        [tiny], images(), freeze=["frozen", "finetune"], seeds=3, recipe={**QUICK, "lr": 0.01}, keep=keep, runs=tmp_path
    )
    folder = RunFolder(Path(found.run))
    kept = [cell for cell in found.cells if folder.learnt(cell.id).exists()]
    assert Counter(cell.freeze for cell in kept) == Counter(frozen=frozen, finetune=tuned)
    if keep == "best":
        [best] = [cell for cell in kept if cell.freeze == "finetune"]
        assert accuracy_of(best) == max(accuracy_of(cell) for cell in found.cells if cell.freeze == "finetune")


def accuracy_of(cell: CellResult) -> float:
    assert cell.val is not None
    assert cell.val.accuracy is not None
    return cell.val.accuracy.value


def unreachable(tiny: xzoo.Backbone) -> xzoo.Backbone:
    weights = xzoo.Weights("V1", url="http://127.0.0.1:9/tiny-0123abcd.pth", preprocess=tiny.preprocess)
    return replace(tiny, name="published", weights=[weights])


def test_missing_weights_on_real_data_are_told_before_any_work(
    tiny: xzoo.Backbone, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with pytest.raises(UnavailableError) as caught:
        api.compare([tiny, unreachable(tiny)], images(), recipe=QUICK, runs=tmp_path / "runs")
    assert "published@V1" in caught.value.text
    assert all(way in caught.value.remedy for way in ("weights fetch", "published@/path", "published@random"))
    assert not (tmp_path / "runs").exists()
    assert not own_cache.exists()


def test_the_demo_alone_starts_from_random_weights_where_none_can_be_had(
    tiny: xzoo.Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(api, "DEMO", "phantom:train=4,val=2,test=2,size=32")
    plan = api.make_plan([unreachable(tiny)])
    assert [(choice.start, choice.label) for choice in plan.choices.values()] == [(RandomStart(0), "published@random")]
    assert plan.is_demo


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"backbones": []}, "no backbone is named"),
        ({"keep": "some"}, "keep 'some'"),
        ({"recipe": {"epoch": 3}}, "no value 'epoch'"),
        ({"freeze": ["thawed"]}, "'thawed'"),
        ({"split": "0.9,0.9"}, "0.9"),
        ({"positive": "ill"}, "'ill'"),
        pytest.param({"seeds": 0}, "seed"),
        pytest.param({"seeds": []}, "seed"),
    ],
)
def test_words_that_cannot_be_used_are_refused(tiny: xzoo.Backbone, tmp_path: Path, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        api.compare(**{"backbones": [tiny], "data": images(), "runs": tmp_path, **asked})
    assert said in caught.value.text
    assert list(tmp_path.iterdir()) == []
