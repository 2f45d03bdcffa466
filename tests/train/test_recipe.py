from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR, StepLR

from xzoo.errors import UsageError
from xzoo.train.recipe import Recipe, changed, make, read

STEPS = 3
BOUNDS = {
    "epochs": (1, 100_000, 0, 100_001),
    "batch_size": (2, 65_536, 1, 65_537),
    "lr": (1e-12, 1e3, 0.0, 1001.0),
    "momentum": (0.0, 0.9999, -0.1, 1.0),
    "weight_decay": (0.0, 1e3, -1e-9, 1001.0),
    "warmup": (0.0, 1e5, -1.0, 1e6),
    "step_size": (1, 100_000, 0, 100_001),
    "step_gamma": (1e-9, 1.0, 0.0, 1.1),
    "label_smoothing": (0.0, 0.999, -0.1, 1.0),
    "clip": (0.0, 1e9, -1.0, 1e10),
    "patience": (0, 100_000, -1, 100_001),
    "batch_norm_momentum": (0.0, 1.0, -0.1, 1.1),
    "views": (0, 100_000, -1, 100_001),
    "size": (0, 4096, -1, 4097),
}
WORDS = {
    "optimizer": ("adamw", "adam", "sgd"),
    "schedule": ("cosine", "step", "constant"),
    "loss": ("cross-entropy", "bce"),
    "class_weights": ("none", "balanced"),
    "crop": ("none", "centre"),
    "precision": ("auto", "bf16", "fp32"),
    "keep": ("best", "last"),
    "head": ("loop", "solver"),
    "engine": ("auto", "eager", "inductor", "openvino", "onnxruntime", "cudagraph"),
    "augment": ("none", "chest-xray", "natural"),
    "shuffle": ("auto", "full", "blocks"),
}


def test_every_value_has_bounds_or_words() -> None:
    assert {field.name for field in dataclasses.fields(Recipe)} == {*BOUNDS, *WORDS}


@pytest.mark.parametrize("name", BOUNDS)
def test_numbers_have_bounds_that_are_told(name: str) -> None:
    low, high, below, above = BOUNDS[name]
    assert [getattr(make({name: value}), name) for value in (low, high)] == [low, high]
    for value in (below, above):
        with pytest.raises(UsageError) as caught:
            make({name: value})
        assert f"{name}={value}" in caught.value.text
        assert name in caught.value.remedy


@pytest.mark.parametrize("name", [name for name, bounds in BOUNDS.items() if isinstance(bounds[0], float)])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "a lot", ""])
def test_what_is_no_finite_number_is_refused(name: str, value: str) -> None:
    with pytest.raises(UsageError):
        make({name: value})


@pytest.mark.parametrize("name", WORDS)
def test_words_are_those_that_are_known(name: str) -> None:
    assert [getattr(make({name: word}), name) for word in WORDS[name]] == list(WORDS[name])
    with pytest.raises(UsageError):
        make({name: "bogus"})


def test_values_may_come_as_words_and_keep_their_type() -> None:
    recipe = make({"epochs": "3", "lr": "3e-4", "clip": 1, "loss": "bce"})
    assert (recipe.epochs, recipe.lr, recipe.clip, recipe.loss) == (3, 3e-4, 1.0, "bce")
    assert changed(recipe, epochs="5") == dataclasses.replace(recipe, epochs=5)
    with pytest.raises(UsageError):
        make({"epochs": "2.5"})


def test_a_key_with_a_slip_is_answered_with_the_right_one() -> None:
    with pytest.raises(UsageError) as caught:
        make({"weight_deacy": 0.1})
    assert caught.value.text == "recipe has no value 'weight_deacy'"
    assert caught.value.remedy == "did you mean 'weight_decay'?"
    with pytest.raises(UsageError, match="known values: augment, batch_norm_momentum, batch_size"):
        make({"zzz": 1})


def torch_rates(recipe: Recipe) -> list[float]:
    """Return what torch's own schedulers give, one rate per step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=recipe.lr)
    total, warm = recipe.epochs * STEPS, round(recipe.warmup * STEPS)
    after: LRScheduler
    if recipe.schedule == "cosine":
        after = CosineAnnealingLR(optimizer, T_max=total - warm)
    else:
        gamma = recipe.step_gamma if recipe.schedule == "step" else 1.0
        after = StepLR(optimizer, recipe.step_size * STEPS, gamma)
    rising = [LinearLR(optimizer, 1 / (warm + 1), total_iters=warm)] if warm else []
    scheduler: LRScheduler = SequentialLR(optimizer, [*rising, after], [warm]) if warm else after
    rates = []
    for _ in range(total):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("warmup", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")
def test_rates_are_those_of_torchs_schedulers(schedule: str, warmup: float) -> None:
    recipe = make({"epochs": 7, "lr": 0.02, "schedule": schedule, "warmup": warmup})
    assert [recipe.rate(step, STEPS) for step in range(7 * STEPS)] == pytest.approx(torch_rates(recipe), rel=1e-9)


def test_steps_are_counted_in_epochs_from_the_first() -> None:
    recipe = make({"epochs": 7, "lr": 0.02, "schedule": "step", "step_size": 2, "step_gamma": 0.3})
    assert [recipe.rate(step, STEPS) for step in range(7 * STEPS)] == pytest.approx(torch_rates(recipe), rel=1e-9)


def test_no_step_is_taken_at_rate_zero() -> None:
    for schedule, warmup in itertools.product(("cosine", "step", "constant"), (0.0, 0.5, 1.0, 50.0)):
        recipe = make({"epochs": 2, "schedule": schedule, "warmup": warmup})
        assert all(0 < recipe.rate(step, STEPS) <= recipe.lr for step in range(2 * STEPS))


def test_a_recipe_file_is_toml_with_or_without_a_table(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    for head in ("", "[recipe]\n"):
        path.write_text(f'{head}epochs = 3\nlr = 0.01\nschedule = "step"\n')
        assert make(read(str(path))) == Recipe(epochs=3, lr=0.01, schedule="step")


@pytest.mark.parametrize("content", [b"epochs : 3", b"\xff\xfe", b"recipe = 3"])
def test_a_file_that_is_no_recipe_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    for wrong in (path, tmp_path / "absent.toml", tmp_path):
        with pytest.raises(UsageError) as caught:
            read(str(wrong))
        assert str(wrong) in caught.value.text
        assert caught.value.remedy
