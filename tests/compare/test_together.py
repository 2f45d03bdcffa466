"""Frozen cells computed together say what each says alone, and what the loop says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.compare import learning, together
from xzoo.compare.cell import compute
from xzoo.compare.finishing import Output
from xzoo.compare.learning import Asked
from xzoo.compare.resuming import Resumed
from xzoo.compare.together import Begun, compute_together, groups
from xzoo.data.pack import Pack
from xzoo.errors import CellError, PreflightError, ProofError
from xzoo.runs.result import Cell, EpochRecord
from xzoo.train.device import Device

DEVICE = Device("cpu", "fp32", 1)
Found = dict[str, tuple[list[EpochRecord], Output | Exception]]


@pytest.fixture
def cells(cell_of: Any, tiny: xzoo.Backbone, pack: Pack) -> Callable[..., tuple[Any, list[Cell]]]:
    """Plan frozen cells of the tiny network that differ by seed and recipe."""

    def make(*recipes: dict[str, Any], seeds: tuple[int, ...] = (0,), backbone: Any = None) -> tuple[Any, list[Cell]]:
        prepared, _ = cell_of(backbone or tiny, pack, "frozen")
        return prepared, [
            cell_of(tiny, pack, "frozen", seed, ready=prepared, **{"lr": 0.05, **one})[1] for one in recipes for seed in seeds
        ]

    return make


def found(prepared: Any, asked: list[Cell], pack: Pack, **wanted: Any) -> Found:
    items = compute_together(prepared, asked, pack, DEVICE, Asked("bright", **wanted))
    assert items is not None
    results: Found = {}
    records: list[EpochRecord] = []
    for cell, item in items:
        assert not isinstance(item, Begun | Resumed)
        if isinstance(item, EpochRecord):
            records.append(item)
        else:
            results[cell.id], records = (records, item), []
    return results


def output(result: tuple[list[EpochRecord], Output | Exception]) -> Output:
    assert isinstance(result[1], Output), result[1]
    return result[1]


RECIPES: tuple[dict[str, Any], ...] = (
    {"epochs": 4},
    {"epochs": 4, "lr": 0.3, "keep": "last", "schedule": "constant"},
    {"epochs": 9, "lr": 0.7, "patience": 1, "schedule": "constant"},
    {"epochs": 4, "optimizer": "sgd", "class_weights": "balanced", "label_smoothing": 0.1, "warmup": 1.0},
)


def test_a_cell_says_the_same_to_the_last_bit_in_any_company(cells: Any, pack: Pack) -> None:
    prepared, asked = cells(*RECIPES[:3], seeds=(0, 1))
    of_all = found(prepared, asked, pack)
    for company in ([asked[0]], [asked[4], asked[1]], asked[::-1]):
        for name, result in found(prepared, company, pack).items():
            for kind, array in output(result).predictions.items():
                assert np.array_equal(array, output(of_all[name]).predictions[kind])
            losses = [[(one.train_loss, one.val_loss) for one in records] for records in (result[0], of_all[name][0])]
            assert losses[0] == losses[1]


def test_a_cell_says_what_the_loop_says(cells: Any, pack: Pack) -> None:
    prepared, asked = cells(*RECIPES, seeds=(0, 1))
    for cell, result in zip(asked, found(prepared, asked, pack, watch_test=True).values(), strict=True):
        *records, looped = compute(prepared, cell, pack, DEVICE, positive="bright", watch_test=True)
        ours = output(result)
        assert isinstance(looped, Output)
        for kind, array in looped.predictions.items():
            np.testing.assert_allclose(ours.predictions[kind], array, atol=1e-4, err_msg=f"{cell.contender} {kind}")
        for name, tensor in looped.learnt.items():
            np.testing.assert_allclose(ours.learnt[name], tensor, atol=1e-4)
        for a, b in zip(result[0], records, strict=True):
            assert isinstance(b, EpochRecord)
            told = ("epoch", "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss")
            assert [getattr(a, name) for name in told] == pytest.approx([getattr(b, name) for name in told], abs=1e-4)
        assert (ours.result.best_epoch, ours.result.epochs) == (looped.result.best_epoch, looped.result.epochs)
        assert ours.result.fit["verdict"] == looped.result.fit["verdict"]
        assert (ours.result.proof, ours.result.learning_params) == (looped.result.proof, looped.result.learning_params)
        assert ours.result.heads > 1


def test_memory_for_a_few_heads_changes_no_figure(cells: Any, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, asked = cells(*RECIPES[:2], seeds=(0, 1, 2))
    at_once = found(prepared, asked, pack)
    monkeypatch.setattr(together, "MOST_BYTES", 1)
    in_turns = found(prepared, asked, pack)
    assert [output(in_turns[cell.id]).result.heads for cell in asked] == [1] * 6
    for cell in asked:
        for kind, array in output(at_once[cell.id]).predictions.items():
            assert np.array_equal(array, output(in_turns[cell.id]).predictions[kind])


def test_a_cell_that_diverges_fails_alone(cells: Any, pack: Pack) -> None:
    wild = {"epochs": 9, "lr": 1e3, "optimizer": "sgd", "clip": 0.0, "momentum": 0.99, "weight_decay": 1e3}
    prepared, asked = cells(wild, {"epochs": 9, "optimizer": "sgd"})
    failed, fine = (found(prepared, asked, pack)[cell.id][1] for cell in asked)
    assert isinstance(failed, CellError)
    assert "the head's loss or its gradients are not finite (a batch of 8: " in failed.text
    assert isinstance(fine, Output)


def test_a_body_that_moved_is_told_by_every_cell(cells: Any, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, asked = cells(*RECIPES[:1], seeds=(0, 1))
    train = learning.train_all

    def meddling(heads: Any, asked: Asked, keeping: Any) -> None:
        heads[0].bench.classifier.network.get_buffer("1.running_mean").add_(1e-3)
        train(heads, asked, keeping)

    monkeypatch.setattr(together, "train_all", meddling)
    for _, error in found(prepared, asked, pack).values():
        assert isinstance(error, ProofError)
        assert "1 frozen tensors moved (1.running_mean)" in error.text


def test_a_head_that_did_not_move_is_told(cells: Any, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, asked = cells(*RECIPES[:1])
    note = learning._note

    def idle(head: Any, epoch: int, after: Any, *rest: Any) -> None:
        kept = after.weights_OD.clone()
        kept[:, :-1] = head.task.start_OD[:, :-1]
        note(head, epoch, type(after)(kept, after.loss, after.accuracy, after.learning_rate, after.resting), *rest)

    monkeypatch.setattr(learning, "_note", idle)
    [(_, error)] = found(prepared, asked, pack).values()
    assert isinstance(error, ProofError)
    assert "9.weight" in error.text


def test_cells_are_grouped_by_what_their_heads_learn_from(cells: Any, cell_of: Any, tiny: Any, pack: Pack) -> None:
    prepared, asked = cells({}, {"lr": 0.1}, {"size": 17}, {"loss": "bce"}, {"augment": "natural"}, seeds=(0, 1))
    asked.append(cell_of(tiny, pack, "finetune", ready=prepared)[1])
    assert [[asked.index(cell) for cell in group] for group in groups(asked)] == [[0, 1, 2, 3], [4, 5], [6, 7]]


def test_a_head_that_is_not_linear_is_left_to_the_loop(cells: Any, pack: Pack, tiny: xzoo.Backbone) -> None:
    class Scaled(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:  # noqa: A002
            return super().forward(input) * 2

    def make(old: Any, num_outputs: int) -> nn.Module:
        return Scaled(old.in_features, num_outputs)

    odd = xzoo.Backbone(
        name="odd",
        build=tiny.build,
        head=xzoo.ReplaceHead("9", make=make),
        stages=tiny.stages,
        preprocess=tiny.preprocess,
    )
    prepared, asked = cells({}, backbone=odd)
    assert compute_together(prepared, asked, pack, DEVICE, Asked()) is None
    assert torch.is_grad_enabled()


def test_the_solvers_head_is_the_best_of_its_path_on_validation(cells: Any, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, asked = cells({"head": "solver"}, {"head": "solver", "loss": "bce"}, seeds=(0, 1))
    for group in groups(asked):
        for records, result in found(prepared, group, pack).values():
            solved = output((records, result)).result
            assert len(records) == solved.epochs == 1
            assert solved.val is not None
            assert solved.val.accuracy is not None
            assert records[0].val_accuracy == solved.val.accuracy.value == 1.0
            *_, note = solved.notes
            assert note.startswith("solver: inverse penalty ")
    # Seeds differ in their start and order alone, which a closed solution does not know.
    first, second = (output(result).predictions["test_probabilities"] for result in found(prepared, asked[:2], pack).values())
    np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.parametrize(("freeze", "augment"), [("finetune", "none"), ("frozen", "natural")])
def test_the_solver_is_refused_where_it_cannot_solve(
    cell_of: Any, tiny: xzoo.Backbone, pack: Pack, freeze: str, augment: str
) -> None:
    prepared, cell = cell_of(tiny, pack, freeze, head="solver", augment=augment)
    assert groups([cell]) == []
    with pytest.raises(PreflightError, match="head=solver cannot find the head"):
        next(iter(compute(prepared, cell, pack, DEVICE)))
