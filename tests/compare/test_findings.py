from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

import xzoo
from xzoo.compare import findings
from xzoo.compare import plan as plans
from xzoo.compare.plan import Plan, Variation
from xzoo.data.pack import Pack
from xzoo.data.split import SplitRule
from xzoo.evaluate.metrics import measure
from xzoo.runs.result import CellResult, EpochRecord, Finding, Metrics
from xzoo.train.recipe import Recipe
from xzoo.zoo.names import Reference
from xzoo.zoo.spec import Choice, RandomStart, Start

PUBLISHED = xzoo.Backbone(
    name="known",
    build=lambda: pytest.fail("built"),
    head=xzoo.ReplaceLinear("1"),
    stages={"body": "0"},
    weights=[xzoo.Weights("V1", url="http://127.0.0.1:9/known-0123abcd.pth")],
)
SCRATCH = dataclasses.replace(PUBLISHED, name="scratch", weights=())


def plan_of(pack: Pack, backbone: xzoo.Backbone = PUBLISHED, start: Start = RandomStart(0), **asked: Any) -> Plan:  # noqa: B008
    choice = Choice(backbone, start, "python", backbone.name)
    return plans.make([choice], pack, ["frozen"], [0], [Variation(recipe=Recipe(), split=SplitRule())], **asked)


def scored(num_right: int, num_images: int = 100, share: float = 0.5) -> Metrics:
    """Return the metrics of a validation split of which the first `num_right` images are answered right."""
    labels_N = (np.arange(num_images) >= num_images * share).astype(int)
    labels_N = np.random.default_rng(0).permutation(labels_N)
    said_N = np.where(np.arange(num_images) < num_right, labels_N, 1 - labels_N)
    return measure(np.eye(2)[said_N], labels_N, ["dark", "bright"], train_labels_N=labels_N, num_resamples=200)


def result(seed: int = 0, *, val: Metrics | None = None, loss: float = 0.1, accuracy: float = 0.8) -> CellResult:
    """Return a finished cell; without other words nothing is to be found in it."""
    curves = [
        EpochRecord(epoch=0, learning_rate=0.1, train_loss=0.75, train_accuracy=0.5),
        EpochRecord(epoch=1, learning_rate=0.1, train_loss=loss, train_accuracy=accuracy),
    ]
    words = {"id": f"x-{seed}", "contender": "known frozen", "backbone": "known", "weights": "random", "freeze": "frozen"}
    return CellResult(**words, seed=seed, status="done", curves=tuple(curves), val=val or scored(95))  # type: ignore[arg-type]


def found(plan: Plan, *results: CellResult) -> dict[str, Finding]:
    return {one.id: one for one in findings.of_run(plan, results)}


def test_a_good_run_has_no_findings(pack: Pack) -> None:
    assert findings.of_run(plan_of(pack), [result(), result(1)]) == ()


def test_a_contender_that_guesses_in_half_of_its_seeds_is_at_chance(pack: Pack) -> None:
    guess, good = scored(55), scored(95)
    assert findings.guessing([result(0, val=guess), result(1, val=good)]) == ["known frozen"]
    assert findings.guessing([result(0, val=guess), result(1, val=good), result(2, val=good)]) == []
    assert "known frozen" in found(plan_of(pack), result(val=guess))["chance"].text
    assert "chance" not in found(plan_of(pack), result(0, val=guess), result(1, val=good), result(2, val=good))


def test_answering_the_largest_class_is_guessing(pack: Pack) -> None:
    labels_N = (np.arange(100) < 10).astype(int)
    always_N = np.zeros(100, int)
    lazy = measure(np.eye(2)[always_N], labels_N, ["dark", "bright"], train_labels_N=labels_N, num_resamples=200)
    assert lazy.accuracy is not None
    assert lazy.accuracy.value == 0.9
    assert "chance" in found(plan_of(pack), result(val=lazy))


@pytest.mark.parametrize(
    ("num_classes", "loss", "is_found"), [(2, 0.69, True), (2, 0.6, False), (3, 0.69, False), (3, 1.09, True)]
)
def test_a_training_loss_near_ln_k_is_not_learning(pack: Pack, num_classes: int, loss: float, is_found: bool) -> None:
    classes = ("dark", "bright", "other")[:num_classes]
    told = found(plan_of(dataclasses.replace(pack, classes=classes)), result(2, loss=loss))
    assert ("not-learning" in told) == is_found
    if is_found:
        guess = f"guessing gives about ln {num_classes} = {math.log(num_classes):.3f}"
        assert f"seed 2: the training loss ended at {loss:.3f}, where {guess}" in told["not-learning"].text


def test_learning_that_validation_does_not_show_is_found(pack: Pack) -> None:
    told = found(plan_of(pack), result(1, val=scored(50), accuracy=0.99, loss=0.02))
    assert "seed 1: training accuracy reached 0.99 while validation stays at chance" in told["validation-at-chance"].text
    assert "batch_norm_momentum" in told["validation-at-chance"].remedy
    assert "validation-at-chance" not in found(plan_of(pack), result(val=scored(50), accuracy=0.6))
    assert "validation-at-chance" not in found(plan_of(pack), result(val=scored(95), accuracy=0.99))


def test_random_weights_in_place_of_published_ones_are_told_on_the_demo_alone(pack: Pack) -> None:
    told = found(plan_of(pack, is_demo=True), result())
    assert "known@random" in told["random-weights"].text
    assert told["random-weights"].severity == "warning"
    others = [
        plan_of(pack),
        plan_of(pack, SCRATCH, is_demo=True),
        plan_of(pack, start=PUBLISHED.weights[0], is_demo=True),
    ]
    assert all("random-weights" not in found(plan, result()) for plan in others)


@pytest.mark.parametrize(("written", "is_found"), [("random", False), ("random:0", False), ("V1", True), ("", True)])
def test_random_weights_that_were_asked_for_are_no_finding(pack: Pack, written: str, is_found: bool) -> None:
    named = Choice(PUBLISHED, RandomStart(0), "x 1.0", "known", Reference(name="known", weights=written))
    plan = plans.make([named], pack, ["frozen"], [0], [Variation(recipe=Recipe(), split=SplitRule())], is_demo=True)
    assert ("random-weights" in found(plan, result())) == is_found


def test_a_watched_test_split_is_told(pack: Pack) -> None:
    assert found(plan_of(pack, watch_test=True), result())["test-watched"].severity == "warning"


def test_a_failed_cell_is_told_with_its_remedy(pack: Pack) -> None:
    error = {"kind": "cell", "text": "the loss became nan", "remedy": "lower lr"}
    failed = dataclasses.replace(result(3), status="failed", error=error, curves=(), val=None)
    told = found(plan_of(pack), failed)
    assert set(told) == {"failed"}
    assert told["failed"] == Finding("failed", "error", "known frozen, seed 3: the loss became nan", "lower lr")


@pytest.mark.parametrize(
    ("contender", "environment", "is_found"),
    [
        ("known frozen", {"device": "cpu", "precision": "bf16", "threads": 2}, False),
        ("other frozen", {"device": "cpu", "precision": "fp32", "threads": 2}, False),
        ("known frozen", {"device": "cpu", "precision": "fp32", "threads": 2}, True),
        ("other frozen", {"device": "cpu", "precision": "bf16", "threads": 1}, True),
        ("other frozen", {"device": "cuda", "precision": "bf16", "threads": 2}, True),
    ],
)
def test_cells_of_several_machines_are_told_and_networks_of_several_precisions_are_not(
    pack: Pack, contender: str, environment: dict[str, Any], is_found: bool
) -> None:
    first = dataclasses.replace(result(), environment={"device": "cpu", "precision": "bf16", "threads": 2})
    other = dataclasses.replace(result(1), contender=contender, environment=environment)
    assert ("mixed-environments" in found(plan_of(pack), first, other)) == is_found


def test_the_gravest_comes_first_and_what_the_data_says_is_kept(pack: Pack) -> None:
    repaired = dataclasses.replace(pack, repairs=(Finding("bit-depth", "info", "scaled"),))
    error = {"kind": "cell", "text": "x", "remedy": "y"}
    failed = dataclasses.replace(result(1), status="failed", error=error, curves=(), val=None)
    told = findings.of_run(plan_of(repaired, watch_test=True), [result(val=scored(50)), failed])
    assert [one.id for one in told] == ["failed", "chance", "test-watched", "bit-depth"]
    assert all(one.remedy for one in told if one.severity != "info")
