"""A run as other tools keep it, a folder for TensorBoard or a database for MLflow: each cell with curves, figures and recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from xzoo import durable
from xzoo.compare.history import read_cells
from xzoo.errors import UnavailableError, UsageError
from xzoo.runs.result import Cell, CellResult, Measure
from xzoo.runs.store import PLAN, RunFolder

SCHEMA = "xzoo.runs.export/1"
_TAG = "xzoo.cell"
_MOST = 10_000
_CURVES = ("learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy")
_FIGURES = (
    *("loss", "accuracy", "balanced_accuracy", "auroc", "sensitivity", "specificity", "f1", "mcc", "brier", "ece"),
    *("calibration_slope", "calibration_intercept"),
)


@dataclass(frozen=True)
class Tracked:
    """What was written: of which run, for which tool, where, and how many finished cells. Fields of `xzoo.runs.export/1`.

    `open` is the command that shows it.
    """

    run: str
    to: str
    path: str
    cells: int
    open: str
    schema: str = SCHEMA


@dataclass(frozen=True)
class _Told:
    """A cell as both tools take it: its words, and numbers by name, once or by epoch."""

    cell: Cell
    params: Mapping[str, str | int | float]
    figures: Mapping[str, float]
    curves: Mapping[str, tuple[tuple[int, float], ...]]


def export_run(folder: RunFolder, to: str, path: str | Path) -> Tracked:
    """Write the finished cells of a run below `path` for `tensorboard` or `mlflow`; what stands there of other runs stays.

    Of the run itself TensorBoard's part is written anew, and MLflow's gets the cells that it lacks. Raises UsageError where no
    cell is finished or something else stands in the way, UnavailableError without the extra, StorageError.
    """
    if to not in WRITERS:
        raise UsageError(f"{to!r} is no tool that runs are exported to", f"use one of {', '.join(WRITERS)}")
    told = list(_all(folder))
    if not told:
        raise UsageError(f"{folder.path} has no finished cell", "give its command again: what is missing is computed")
    name, when = folder.path.resolve().name, (folder.path / PLAN).stat().st_mtime
    goal = Path(path).expanduser()
    try:
        shown = WRITERS[to](goal, name, when, told)
    except ImportError as error:
        raise UnavailableError(f"{to} is not installed: {error}", f"pip install 'xzoo[{to}]'") from error
    return Tracked(name, to, str(goal), len(told), shown)


def _all(folder: RunFolder) -> Iterator[_Told]:
    for cell in read_cells(folder):
        result = folder.cell(cell.id)
        if result is not None and result.status == "done":
            yield _Told(cell, _params(cell, result), _figures(result), _curves(result))


def _params(cell: Cell, result: CellResult) -> dict[str, str | int | float]:
    own = {
        "contender": cell.contender,
        "backbone": cell.backbone,
        "weights": cell.weights,
        "freeze": cell.freeze,
        "seed": cell.seed,
    }
    known = {"precision_used": result.precision, "engine_used": result.engine, "learning_params": result.learning_params or 0}
    return {**own, **cell.recipe, **{f"split_{key}": str(value) for key, value in cell.split.items()}, **known}


def _figures(result: CellResult) -> dict[str, float]:
    found: dict[str, float] = {}
    for split in ("train", "val", "test"):
        metrics = getattr(result, split)
        for name in _FIGURES:
            measure: Measure | None = getattr(metrics, name) if metrics is not None else None
            if measure is not None:
                ends = {"low": measure.low, "high": measure.high}
                found[f"{split}/{name}"] = measure.value
                found |= {f"{split}/{name}_{end}": value for end, value in ends.items() if value is not None}
    if result.seconds is not None:
        found |= {f"seconds/{part}": value for part, value in asdict(result.seconds).items() if isinstance(value, int | float)}
    return found


def _curves(result: CellResult) -> dict[str, tuple[tuple[int, float], ...]]:
    curves = {name: tuple((one.epoch, getattr(one, name)) for one in result.curves) for name in _CURVES}
    return {f"curve/{name}": values for name, values in curves.items() if values and values[0][1] is not None}


def _to_tensorboard(goal: Path, run: str, when: float, told: list[_Told]) -> str:
    """Put a folder `goal/RUN/CELL` with one file of events in place for each cell, and return the command that shows them."""
    if not durable.may_replace(goal / run, like="*/events.out.tfevents.*"):
        raise UsageError(f"{goal / run} holds something else than this run", "name another folder")
    from torch.utils.tensorboard.summary import hparams, scalar
    from torch.utils.tensorboard.writer import FileWriter

    with durable.new_folder(goal / run) as folder:
        for one in told:
            writer = FileWriter(str(folder / one.cell.id))
            for name, values in one.curves.items():
                for epoch, value in values:
                    writer.add_summary(scalar(name, value), epoch, walltime=when)  # type: ignore[no-untyped-call]
            figures = {f"final/{name}": value for name, value in one.figures.items()}
            for name, value in figures.items():
                writer.add_summary(scalar(name, value), 0, walltime=when)  # type: ignore[no-untyped-call]
            for summary in hparams(dict(one.params), figures):  # type: ignore[no-untyped-call]
                writer.add_summary(summary, walltime=when)
            writer.close()
    return f"tensorboard --logdir {goal}"


def _to_mlflow(goal: Path, run: str, when: float, told: list[_Told]) -> str:
    """Add an experiment with a run for each cell to the database in `goal`, and return the command that shows it."""
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    durable.make_folder(goal)
    address = f"sqlite:///{(goal / 'mlflow.db').absolute()}"
    client = MlflowClient(tracking_uri=address)
    name, at = f"xzoo {run}", int(when * 1000)
    known = client.get_experiment_by_name(name)
    experiment = (
        known.experiment_id if known else client.create_experiment(name, artifact_location=str(goal.absolute() / "artifacts"))
    )
    # A finished cell is never computed again, so one that is there stays, with what somebody noted beside it.
    there = {
        one.data.tags.get(_TAG) for one in client.search_runs([experiment], "attributes.status = 'FINISHED'", max_results=_MOST)
    }
    for one in told:
        if one.cell.id in there:
            continue
        made = client.create_run(experiment, start_time=at, run_name=f"{one.cell.contender}, seed {one.cell.seed}")
        metrics = [Metric(key, value, at, 0) for key, value in one.figures.items()]
        metrics += [Metric(key, value, at, epoch) for key, values in one.curves.items() for epoch, value in values]
        params = [Param(key, str(value)) for key, value in one.params.items()]
        client.log_batch(made.info.run_id, metrics=metrics, params=params, tags=[RunTag(_TAG, one.cell.id)])
        client.set_terminated(made.info.run_id, end_time=at)
    return f"mlflow ui --backend-store-uri {address}"


WRITERS: Mapping[str, Callable[[Path, str, float, list[_Told]], str]] = {"tensorboard": _to_tensorboard, "mlflow": _to_mlflow}
"""What writes for each tool."""
