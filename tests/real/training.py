"""Running xzoo on a planted data set: the plan, the cell, the moved threshold, and how many epochs are right.

N = images, K = classes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrating import USUAL, World, backbone
from planting import Data
from xzoo.compare import api
from xzoo.compare.probabilities import Answers, judge
from xzoo.data.phantom import CLASSES
from xzoo.evaluate.metrics import measure
from xzoo.runs.result import CellResult
from xzoo.runs.store import RunFolder
from xzoo.train.device import choose

TOO_LONG = 10
RECIPE: Mapping[str, Any] = {"lr": 1e-3, "schedule": "constant", "keep": "last"}
"""A constant rate, and the network as it is after the last epoch: so that ten times as many epochs are nothing but that."""
LONGEST = {"frozen": 60, "finetune": 8}
PILOTS = 3


def train(data: Data, side: int, freeze: str, epochs: int, seed: int, runs: Path, moved: float = 0.0) -> RunFolder:
    """Run `xzoo compare` with one contender and one seed, and move its threshold on test by so many logits.

    Raises RuntimeError where the cell failed.
    """
    recipe = {**RECIPE, "epochs": epochs}
    made = api.make_plan([backbone(side)], data.given(), freeze=[freeze], seeds=[seed], recipe=recipe, latency=False, keep="all")
    device = choose()
    for _ in api.carry_out(made, runs, device):
        pass
    folder = api.run_folder(made, runs)
    cell = made.cells[0].id
    if (found := folder.cell(cell)) is None or found.status != "done":
        raise RuntimeError(f"{cell}: {found and found.error}")
    if moved:
        move_threshold(folder, cell, moved, data, made.positive)
    api.outcome_of(made, runs, device)
    return folder


def move_threshold(folder: RunFolder, cell: str, by: float, data: Data, positive: str | None) -> None:
    """Add to the logit of the second class's stored test probabilities, measure test anew, and leave the cell whole."""
    stored, result = folder.predictions(cell), folder.cell(cell)
    assert result is not None
    stored["test_probabilities"] = moved_by(stored["test_probabilities"], by)
    folder.drop_cell(cell)
    folder.write_cell(measured_anew(result, stored, data, positive), stored)


def moved_by(chances_NK: NDArray[np.float64], by: float) -> NDArray[np.float64]:
    """Return probabilities (N,2) with `by` added to the logit of the second class; 0 and 1 stay what they are."""
    odds_N2 = chances_NK.astype(np.float64) * np.array([1.0, np.exp(by)])
    return np.asarray(odds_N2 / odds_N2.sum(1, keepdims=True), chances_NK.dtype)


def measured_anew(result: CellResult, stored: Mapping[str, NDArray[Any]], data: Data, positive: str | None) -> CellResult:
    """Return the result with test's figures, and what is said of the probabilities, as they follow from what is stored."""
    groups_N = np.array([name or f"alone {n}" for n, name in enumerate(data.groups_N)])
    told = [groups_N[stored[f"{split}_index"]] if any(data.groups_N) else None for split in ("val", "test")]
    val, test = (
        Answers(stored[f"{split}_probabilities"], stored[f"{split}_labels"], groups)
        for split, groups in zip(("val", "test"), told, strict=True)
    )
    found = measure(
        test.chances_NK,
        test.labels_N,
        CLASSES,
        positive,
        train_labels_N=stored["train_labels"],
        groups_N=test.groups_N,
        seed=result.seed,
    )
    return replace(result, test=found, **judge(val, test, CLASSES, positive, seed=result.seed))


@dataclass(frozen=True)
class Timed:
    """The number of epochs of the lowest validation loss, the mean of several data sets, and what ten times as many do to it.

    `rises` are the test losses in nats after ten times as many, less those after the right number, one for each data set;
    `errors` their standard errors over images.
    """

    world: str
    freeze: str
    epochs: int
    rises: tuple[float, ...]
    errors: tuple[float, ...]


def timed(world: World, freeze: str, seed: int, runs: Path) -> Timed:
    """Find the right number of epochs, and look on test, which chose nothing, whether ten times as many do harm."""
    curves = []
    drawn = [world.draw(seed + number, USUAL[world.name]) for number in range(PILOTS)]
    for number, data in enumerate(drawn):
        result, _ = trained(train(data, world.side, freeze, LONGEST[freeze], number, runs))
        curves.append([record.val_loss for record in result.curves])
    right = int(np.mean(np.array(curves, float), axis=0).argmin()) + 1
    rises, errors = [], []
    for number, data in enumerate(drawn if freeze == "frozen" else drawn[:1]):
        both = [losses(train(data, world.side, freeze, length, number, runs)) for length in (right, TOO_LONG * right)]
        rises.append(float((both[1] - both[0]).mean()))
        errors.append(float((both[1] - both[0]).std() / np.sqrt(len(both[0]))))
    return Timed(world.name, freeze, right, tuple(rises), tuple(errors))


def trained(folder: RunFolder) -> tuple[CellResult, dict[str, NDArray[Any]]]:
    """Return the result and the predictions of a run of one cell."""
    [cell] = folder.plan()["cells"]
    result = folder.cell(cell["id"])
    assert result is not None
    return result, folder.predictions(cell["id"])


def spread_of(stored: Mapping[str, NDArray[Any]]) -> float:
    """Return the deviation of test's logits within classes; probabilities of 0 and 1 count as logits of 16."""
    chance_N, labels_N = stored["test_probabilities"][:, 1].astype(np.float64), stored["test_labels"]
    with np.errstate(divide="ignore"):
        logits_N = np.clip(np.log(chance_N) - np.log1p(-chance_N), -16, 16)
    return float(np.sqrt(np.mean([logits_N[labels_N == label].var() for label in np.unique(labels_N)])))


def losses(folder: RunFolder) -> NDArray[np.float64]:
    """Return the loss of each test image in nats, at most 16."""
    _, stored = trained(folder)
    right_N = stored["test_probabilities"][np.arange(len(stored["test_labels"])), stored["test_labels"]]
    return np.asarray(-np.log(np.maximum(right_N.astype(np.float64), np.exp(-16))))
