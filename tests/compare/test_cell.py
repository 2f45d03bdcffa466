from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.compare.bench import build, input_of, view_of
from xzoo.compare.cell import compute
from xzoo.compare.finishing import Output
from xzoo.data.batches import Batches
from xzoo.data.pack import Pack, make_pack
from xzoo.data.source import arrays, open_source
from xzoo.errors import PluginError, PreflightError, ProofError
from xzoo.evaluate.predictions import predict
from xzoo.runs.result import EpochRecord
from xzoo.train.device import Device
from xzoo.train.recipe import make as make_recipe

DEVICE = Device("cpu", "fp32", 1)
Computed = tuple[list[EpochRecord], Output]


@pytest.fixture
def computed(cell_of: Any, tiny: xzoo.Backbone, pack: Pack) -> Callable[..., Computed]:
    """Compute a cell of the tiny network, or of another, and return its records and its output."""

    def run(
        freeze: str, seed: int = 0, backbone: Any = None, data: Any = None, watch_test: bool = False, **recipe: Any
    ) -> Computed:
        prepared, cell = cell_of(backbone or tiny, data or pack, freeze, seed, **recipe)
        *records, output = compute(prepared, cell, data or pack, DEVICE, positive="bright", watch_test=watch_test)
        assert isinstance(output, Output)
        return [record for record in records if isinstance(record, EpochRecord)], output

    return run


def same(one: Output, other: Output) -> bool:
    return all(np.array_equal(array, other.predictions[name]) for name, array in one.predictions.items())


def losses(records: list[EpochRecord]) -> list[tuple[float, float | None]]:
    return [(record.train_loss, record.val_loss) for record in records]


@pytest.mark.parametrize("values", [{"freeze": "frozen"}, {"freeze": "finetune"}, {"freeze": "frozen", "augment": "chest-xray"}])
def test_a_cell_computed_twice_is_the_same_whatever_ran_before(
    values: dict[str, Any], computed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for caller in (0, 1):
        monkeypatch.setenv("XZOO_CACHE", str(tmp_path / str(caller)))
        if caller:
            computed("finetune", backbone="convgap@random", seed=7, size=16, epochs=1)
        torch.manual_seed(caller)
        found.append(computed(**values))
    assert same(found[0][1], found[1][1])
    assert losses(found[0][0]) == losses(found[1][0])


@pytest.mark.parametrize("freeze", ["frozen", "finetune"])
def test_a_seed_draws_the_start_and_the_order(freeze: str, computed: Any) -> None:
    (first, one), (second, other) = (computed(freeze, seed=seed) for seed in (0, 1))
    assert not same(one, other)
    assert losses(first) != losses(second)
    # The images are split by the data's own declaration, so the seed leaves them alone.
    assert np.array_equal(one.predictions["test_index"], other.predictions["test_index"])


@pytest.mark.parametrize("freeze", ["frozen", "finetune", "lp-ft"])
@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_weights_that_are_evaluated_are_those_of_the_epoch_to_keep(freeze: str, keep: str, computed: Any) -> None:
    records, output = computed(freeze, epochs=6, lr=0.7, schedule="constant", weight_decay=0.1, keep=keep)
    order = [(-record.val_accuracy, record.val_loss) for record in records]
    best = min(range(6), key=lambda epoch: order[epoch])
    assert best < 5, "the case needs a best epoch that is not the last"
    kept = best if keep == "best" else 5
    assert output.result.best_epoch == kept
    assert output.result.val.loss.value == pytest.approx(records[kept].val_loss, rel=1e-3)
    assert output.result.val.accuracy.value == records[kept].val_accuracy
    assert tuple(records) == output.result.curves


def test_training_ends_when_validation_rests(computed: Any) -> None:
    rests = {"schedule": "step", "step_size": 1, "step_gamma": 1e-9, "epochs": 9}
    records, output = computed("frozen", patience=2, **rests)
    assert (len(records), output.result.epochs, output.result.best_epoch) == (3, 3, 0)
    assert len(computed("frozen", **rests)[0]) == 9


def test_watching_the_test_split_changes_nothing_but_the_curves(computed: Any) -> None:
    (plain, one), (watched, other) = (computed("finetune", watch_test=watch) for watch in (False, True))
    assert [record.test_loss for record in plain] == [None, None]
    assert all(record.test_loss is not None and 0 <= record.test_accuracy <= 1 for record in watched)
    assert watched[other.result.best_epoch].test_loss == pytest.approx(other.result.test.loss.value, rel=1e-4)
    assert same(one, other)


@pytest.mark.parametrize("values", [{"freeze": "frozen"}, {"freeze": "finetune"}, {"freeze": "last:1", "loss": "bce"}])
def test_what_a_cell_learnt_gives_its_predictions_again(
    values: dict[str, Any], computed: Any, cell_of: Any, tiny: xzoo.Backbone, pack: Pack
) -> None:
    _, output = computed(**values)
    prepared, cell = cell_of(tiny, pack, **values)
    recipe = make_recipe(cell.recipe)
    preprocess = input_of(prepared.choice, recipe)
    classifier, _ = build(prepared, 2, recipe, 99, preprocess, DEVICE)
    classifier.restore({name: torch.from_numpy(array.copy()) for name, array in output.learnt.items()})
    classifier.network.eval()
    batches = Batches(view_of(pack, preprocess, recipe), pack.labels_N, output.predictions["test_index"], preprocess, 8)
    found = predict(classifier, batches.ordered(), DEVICE)
    assert found.probabilities_NK.shape == (8, 2)
    assert np.allclose(found.probabilities_NK, output.predictions["test_probabilities"], atol=1e-5)
    assert np.array_equal(found.labels_N, output.predictions["test_labels"])


def test_a_result_says_what_its_predictions_say(computed: Any, pack: Pack) -> None:
    _, output = computed("last:1", epochs=3, lr=0.02)
    result, arrays_by_name = output.result, output.predictions
    assert result.splits == {"train": 24, "val": 8, "test": 8}
    for split, size in result.splits.items():
        probabilities_NK, labels_N = arrays_by_name[f"{split}_probabilities"], arrays_by_name[f"{split}_labels"]
        assert probabilities_NK.shape == (size, 2)
        assert np.allclose(probabilities_NK.sum(1), 1)
        assert np.array_equal(labels_N, pack.labels_N[arrays_by_name[f"{split}_index"]])
        assert getattr(result, split).accuracy.value == (probabilities_NK.argmax(1) == labels_N).mean()
    assert (result.status, result.epochs, result.precision) == ("done", 3, "fp32")
    assert result.learning_params == 4 * 8 * 9 + 8 + 2 * 8 + 8 * 2 + 2
    assert {name.partition(".")[0] for name in output.learnt} == {"3", "4", "9"}


@pytest.mark.parametrize("freeze", ["frozen", "finetune"])
def test_gray_images_give_what_their_repetition_in_rgb_gives(freeze: str, computed: Any, pack: Pack) -> None:
    gray_NHWC = np.stack([pack.image(index) for index in range(len(pack))])
    colour_NHWC = np.repeat(gray_NHWC, 3, axis=3)
    # One image in colour, the last of test, makes a pack of three channels.
    colour_NHWC[-1, 0, 0, 0] ^= 255
    packs = [
        make_pack(open_source(arrays(images, pack.labels_N, splits=pack.splits_N, classes=pack.classes)))
        for images in (gray_NHWC[..., 0], colour_NHWC)
    ]
    assert [one.num_channels for one in packs] == [1, 3]
    (first, gray), (second, colour) = (computed(freeze, data=one) for one in packs)
    assert losses(first) == losses(second)
    assert np.array_equal(gray.predictions["val_probabilities"], colour.predictions["val_probabilities"])
    assert np.array_equal(gray.predictions["test_probabilities"][:-1], colour.predictions["test_probabilities"][:-1])


def test_the_data_is_learnt_and_a_single_logit_does_as_well(computed: Any) -> None:
    for values in ({"freeze": "finetune"}, {"freeze": "frozen"}, {"freeze": "finetune", "loss": "bce"}):
        _, output = computed(**values, epochs=8, lr=0.03)
        assert output.result.test.accuracy.value == 1.0
        assert output.result.test.auroc.value == 1.0


def test_a_size_below_the_declared_least_is_refused_with_the_limit(computed: Any) -> None:
    for name, size, text in (
        ("alexnet@random", 32, "alexnet takes sizes from 63 pixels, not 32"),
        ("mlp", 64, "mlp takes only 256x256 pixels, not 64"),
    ):
        with pytest.raises(PreflightError) as caught:
            computed("frozen", backbone=name, size=size)
        assert caught.value.text == text
        assert "size=" in caught.value.remedy


def test_a_size_that_turns_out_too_small_is_told_with_the_networks_own(computed: Any) -> None:
    with pytest.raises(PluginError) as caught:
        computed("finetune", size=3)
    assert caught.value.text.startswith("tiny does not take one image of 3x3x3: ")
    assert "its own is 16" in caught.value.remedy


class Counting(nn.Module):
    """Counts its calls in a buffer, in both modes or in eval mode alone: no gradient tells."""

    def __init__(self, in_eval_alone: bool) -> None:
        super().__init__()
        self.body, self.in_eval_alone = nn.Conv2d(3, 4, 3), in_eval_alone
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, images_BCHW: Tensor) -> Tensor:
        if not self.in_eval_alone or len(images_BCHW) > 7:
            self.get_buffer("calls").add_(1)
        x: Tensor = self.body(images_BCHW)
        return x


@pytest.mark.parametrize(
    ("in_eval_alone", "when"), [(False, "after the first step of epoch 1"), (True, "at the end of the cell")]
)
def test_a_frozen_buffer_that_moves_fails_the_cell(in_eval_alone: bool, when: str, tiny: xzoo.Backbone, computed: Any) -> None:
    def net() -> nn.Module:
        tail = [nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)]
        return nn.Sequential(Counting(in_eval_alone), *tail)

    counting = dataclasses.replace(tiny, build=net, head=xzoo.ReplaceLinear("4"), stages={"stem": "0", "block": "1"})
    with pytest.raises(ProofError) as caught:
        # Seven in a training batch, eight in validation: the second network counts only where it is evaluated. Augmented images
        # leave nothing to reuse, so the frozen stage sees every batch.
        computed("last:1", backbone=counting, batch_size=7, augment="natural")
    assert caught.value.text == f"{when}: 1 frozen tensors moved (0.calls)"


def test_a_defect_of_a_later_phase_is_found_before_the_first_epoch(cell_of: Any, tiny: xzoo.Backbone, pack: Pack) -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = tiny.build()

        def forward(self, images_BCHW: Tensor) -> Tensor:
            x: Tensor = self.net[3:](self.net[:3](images_BCHW).detach())  # type: ignore[index]
            return x

    stages = {"stem": ("net.0", "net.1"), "block": ("net.3", "net.4")}
    cut = dataclasses.replace(tiny, build=Cut, head=xzoo.ReplaceLinear("net.9"), stages=stages)
    prepared, cell = cell_of(cut, pack, "gradual:1", epochs=3)
    with pytest.raises(PreflightError, match="stage 'stem' should learn and gets no gradient"):
        next(compute(prepared, cell, pack, DEVICE))
