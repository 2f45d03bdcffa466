"""Runs as TensorBoard and MLflow read them: each tool's own reader finds what the run says."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import xzoo
from xzoo.compare.tracking import export_run
from xzoo.errors import UnavailableError, UsageError
from xzoo.runs.result import CellResult
from xzoo.runs.store import RunFolder

DATA = "phantom:train=16,val=8,test=8,size=32"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny: xzoo.Backbone) -> RunFolder:
    """Two cells of three epochs."""
    runs = tmp_path_factory.mktemp("runs")
    outcome = xzoo.compare([tiny], DATA, freeze=["frozen"], seeds=2, recipe={"epochs": 3, "lr": 0.01}, runs=runs, latency=False)
    return RunFolder(Path(outcome.run))


def cells(run: RunFolder) -> list[CellResult]:
    found = [run.cell(path.name) for path in sorted((run.path / "cells").iterdir())]
    return [one for one in found if one is not None]


needs_tensorboard = pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed")
needs_mlflow = pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed")


@needs_tensorboard
def test_tensorboard_reads_curves_figures_and_recipe(run: RunFolder, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):  # a second time takes the place of the first
        made = export_run(run, "tensorboard", tmp_path / "board")
    assert (made.cells, made.open) == (2, f"tensorboard --logdir {tmp_path / 'board'}")
    for cell in cells(run):
        [file] = (tmp_path / "board" / made.run / cell.id).iterdir()
        events = EventAccumulator(str(file)).Reload()
        curve = [(one.step, one.value) for one in events.Scalars("curve/val_loss")]
        assert curve == [(one.epoch, pytest.approx(one.val_loss)) for one in cell.curves]
        assert cell.val is not None
        assert cell.val.accuracy is not None
        assert events.Scalars("final/val/accuracy")[0].value == pytest.approx(cell.val.accuracy.value)
        assert "_hparams_/session_start_info" in events.PluginTagToContent("hparams")


def test_what_somebody_put_beside_it_stays(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / run.path.name).mkdir()
    (tmp_path / run.path.name / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        export_run(run, "tensorboard", tmp_path)
    assert (tmp_path / run.path.name / "notes.txt").read_text() == "mine"


@needs_mlflow
def test_mlflow_reads_curves_figures_and_recipe(run: RunFolder, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.tracking import MlflowClient

        for _ in range(2):  # a second time adds nothing
            made = export_run(run, "mlflow", tmp_path / "flow")
        client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'flow' / 'mlflow.db'}")
        experiment = client.get_experiment_by_name(f"xzoo {made.run}")
        found = {one.data.tags["xzoo.cell"]: one for one in client.search_runs([experiment.experiment_id])}
        assert found.keys() == {cell.id for cell in cells(run)}
        for cell in cells(run):
            one: Any = found[cell.id]
            assert (one.info.status, one.data.params["lr"], one.data.params["seed"]) == ("FINISHED", "0.01", str(cell.seed))
            curve = client.get_metric_history(one.info.run_id, "curve/val_loss")
            assert [(each.step, each.value) for each in curve] == [(each.epoch, each.val_loss) for each in cell.curves]


@pytest.mark.parametrize(("to", "module"), [("tensorboard", "torch.utils.tensorboard.summary"), ("mlflow", "mlflow.entities")])
def test_without_the_extra_it_is_named(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UnavailableError) as caught:
        export_run(run, to, tmp_path / "out")
    assert caught.value.remedy == f"pip install 'xzoo[{to}]'"
    assert not (tmp_path / "out").exists()


def test_a_run_without_a_finished_cell_has_nothing_to_export(tmp_path: Path, run: RunFolder) -> None:
    empty = RunFolder(tmp_path / "empty")
    empty.write_plan(run.plan())
    with pytest.raises(UsageError, match="has no finished cell"):
        export_run(empty, "tensorboard", tmp_path / "out")
    with pytest.raises(UsageError, match="no tool"):
        export_run(run, "wandb", tmp_path / "out")
