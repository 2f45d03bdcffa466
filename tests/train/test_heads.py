"""Heads trained together: each as torch trains it alone, and the same to the last bit in whatever company."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from xzoo.data.batches import chunks
from xzoo.data.order import shuffled
from xzoo.train.heads import HeadEpoch, HeadTask, train_heads
from xzoo.train.objective import num_outputs, objective
from xzoo.train.recipe import Recipe

# N = images, D = features and a constant 1, O = outputs, K = classes

NUM_IMAGES, NUM_FEATURES = 75, 33
RECIPES = (
    Recipe(epochs=3, lr=0.01),
    Recipe(epochs=3, lr=0.01, optimizer="adam", weight_decay=0.1, label_smoothing=0.2, schedule="step", step_size=1),
    Recipe(epochs=3, lr=0.1, optimizer="sgd", weight_decay=0.01, clip=0.05, class_weights="balanced", schedule="constant"),
    Recipe(epochs=3, lr=0.05, clip=0.0, class_weights="balanced", label_smoothing=0.1, warmup=1.5),
)


@pytest.fixture
def inputs_ND() -> Tensor:  # noqa: N802 - a shape suffix
    generator = torch.Generator().manual_seed(0)
    features_ND = torch.randn(NUM_IMAGES, NUM_FEATURES, generator=generator)
    return torch.cat([features_ND, torch.ones(NUM_IMAGES, 1)], 1)


def task(inputs_ND: Tensor, recipe: Recipe = RECIPES[0], seed: int = 0, num_classes: int = 3) -> HeadTask:
    labels_N = ((inputs_ND[:, 0] > -0.3).long() + (inputs_ND[:, 1] > 0.6).long()).clamp(max=num_classes - 1)
    generator = torch.Generator().manual_seed(seed)
    start_OD = torch.randn(num_outputs(recipe, num_classes), inputs_ND.shape[1], generator=generator) / 6
    train_N = np.sort(np.random.default_rng(seed).permutation(NUM_IMAGES)[:61])
    return HeadTask(recipe, seed, start_OD, inputs_ND, labels_N.numpy(), train_N, num_classes)


def alone(one: HeadTask) -> Iterator[tuple[nn.Linear, float, float]]:
    """Train a head with autograd and torch's own optimisers; yield it, its mean loss and its accuracy after each epoch."""
    recipe, kinds = one.recipe, {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    head = nn.Linear(one.start_OD.shape[1] - 1, len(one.start_OD))
    with torch.no_grad():
        head.weight.copy_(one.start_OD[:, :-1])
        head.bias.copy_(one.start_OD[:, -1])
    compute = objective(recipe, one.labels_N[one.train_N], one.num_classes, "cpu")
    settings: dict[str, Any] = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(head.parameters(), momentum=recipe.momentum, **settings)
    else:
        optimizer = kinds[recipe.optimizer](head.parameters(), **settings)
    for epoch in range(recipe.epochs):
        batches = chunks(shuffled(one.train_N, one.seed, epoch), recipe.batch_size)
        loss_sum, right = 0.0, 0
        for step, places_B in enumerate(batches):
            optimizer.param_groups[0]["lr"] = recipe.rate(epoch * len(batches) + step, len(batches))
            logits_BO = head(one.inputs_ND[torch.from_numpy(places_B)][:, :-1])
            labels_B = torch.from_numpy(one.labels_N[places_B])
            loss = compute(logits_BO, labels_B)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            if recipe.clip:
                nn.utils.clip_grad_norm_(head.parameters(), recipe.clip)
            optimizer.step()
            loss_sum += loss.item() * len(labels_B)
            said_B = (logits_BO[:, 0] > 0).long() if logits_BO.shape[1] == 1 else logits_BO.argmax(1)
            right += int((said_B == labels_B).sum())
        yield head, loss_sum / len(one.train_N), right / len(one.train_N)


@pytest.mark.parametrize("loss", ["cross-entropy", "bce"])
@pytest.mark.parametrize("recipe", RECIPES, ids=["adamw", "adam", "sgd", "warm-up"])
def test_a_head_learns_what_torch_teaches_it(inputs_ND: Tensor, recipe: Recipe, loss: Any) -> None:
    one = task(inputs_ND, replace(recipe, loss=loss), num_classes=2 if loss == "bce" else 3)
    epochs = 0
    for [ours], (head, mean_loss, accuracy) in zip(train_heads([one]), alone(one), strict=True):
        found, expected = (
            part.sigmoid() if loss == "bce" else part.softmax(1)
            for part in (inputs_ND @ ours.weights_OD.T, head(inputs_ND[:, :-1]).detach())
        )
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        assert ours.loss == pytest.approx(mean_loss, abs=1e-5)
        assert ours.accuracy == pytest.approx(accuracy)
        epochs += 1
    assert epochs == recipe.epochs


def trained(tasks: list[HeadTask]) -> list[HeadEpoch]:
    return list(train_heads(tasks))[-1]


@pytest.mark.parametrize(("loss", "num_classes"), [("bce", 2), *(("cross-entropy", count) for count in (2, 3, 14))])
@pytest.mark.parametrize("num_features", [33, 512, 1000, 4097])
def test_a_head_is_the_same_to_the_last_bit_in_any_company(num_features: int, loss: Any, num_classes: int) -> None:
    inputs_ND = torch.randn(NUM_IMAGES, num_features, generator=torch.Generator().manual_seed(1))
    others_ND = inputs_ND.flip(0).contiguous()
    recipes = [Recipe(epochs=2, loss=loss, lr=0.003 * (1 + seed)) for seed in range(13)]
    tasks = [task((inputs_ND, others_ND)[seed % 2], recipe, seed, num_classes) for seed, recipe in enumerate(recipes)]
    together = trained(tasks)
    for company in ([0], [12], [3, 7], [7, 3, 0], list(range(8)), list(reversed(range(13)))):
        for place, found in zip(company, trained([tasks[one] for one in company]), strict=True):
            assert torch.equal(found.weights_OD, together[place].weights_OD)
            assert found.loss == together[place].loss


@pytest.mark.parametrize("count", [1, 3])
def test_products_are_laid_out_as_their_last_bits_need_it(inputs_ND: Tensor, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Which of these a processor's last bits depend on is its own matter: with one of them missing the test above fails on some.
    bmm, num_matrices = torch.bmm, set()
    starts: list[int] = []

    def watched(left: Tensor, right: Tensor) -> Tensor:
        num_matrices.add(len(left))
        wide = [one for one in (left, right) if inputs_ND.shape[1] <= max(one.shape[1:])]
        starts.extend(matrix.data_ptr() % 64 for one in wide for matrix in one)
        return bmm(left, right)

    monkeypatch.setattr(torch, "bmm", watched)
    heads = trained([task(inputs_ND, seed=seed) for seed in range(count)])
    assert num_matrices == {max(2, count)}
    assert len(starts) == 3 * 2 * 3 * max(2, count)  # epochs, steps, tables and weights in both products
    assert set(starts) == {0}
    assert {head.weights_OD.data_ptr() % 64 for head in heads} == {0}
    assert {head.weights_OD.shape[1] for head in heads} == {inputs_ND.shape[1]}


def test_the_number_of_threads_changes_nothing_and_is_left_as_it_was(inputs_ND: Tensor) -> None:
    tasks = [task(inputs_ND, seed=seed) for seed in range(5)]
    before = torch.get_num_threads()
    try:
        found = []
        for num_threads in (1, 2):
            torch.set_num_threads(num_threads)
            for heads in train_heads(tasks):
                assert torch.get_num_threads() == num_threads
                last = heads
            found.append(last)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a.weights_OD, b.weights_OD) for a, b in zip(*found, strict=True))


def test_a_head_that_diverges_harms_no_other(inputs_ND: Tensor) -> None:
    wild = task(inputs_ND, Recipe(epochs=9, lr=1e3, optimizer="sgd", clip=0.0, momentum=0.99, weight_decay=1e3))
    calm = task(inputs_ND, Recipe(epochs=9, lr=0.1, optimizer="sgd"), seed=1)
    found = trained([wild, calm])
    assert found[0].ended is not None
    assert torch.isfinite(found[0].weights_OD).all()
    assert torch.equal(found[1].weights_OD, trained([calm])[0].weights_OD)


def test_a_step_too_small_for_a_float32_is_told(inputs_ND: Tensor) -> None:
    small = task(inputs_ND, Recipe(epochs=1, lr=1e-12, weight_decay=0))
    assert trained([small])[0].resting == (True, True)
    assert trained([task(inputs_ND)])[0].resting == (False, False)


def test_heads_of_different_kinds_are_refused(inputs_ND: Tensor) -> None:
    with pytest.raises(ValueError, match="different kinds"):
        next(train_heads([task(inputs_ND), task(inputs_ND, Recipe(epochs=4))]))
