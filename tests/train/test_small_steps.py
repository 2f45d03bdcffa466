"""Steps that float32 rounds away are no broken promise; parameters that the optimiser never held are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import xzoo
from xzoo.compare.cell import compute
from xzoo.compare.finishing import Output
from xzoo.errors import ProofError
from xzoo.train.device import choose
from xzoo.train.learner import groups_of

if TYPE_CHECKING:
    from pathlib import Path

    from xzoo.data.pack import Pack

Make = Callable[..., Any]
TINY_STEPS: dict[str, Any] = {"optimizer": "sgd", "lr": 1e-9, "weight_decay": 0.0}


def output(made: Any, pack: Pack) -> Output:
    prepared, cell = made
    *_, last = compute(prepared, cell, pack, choose("cpu", "fp32"))
    assert isinstance(last, Output)
    return last


def test_steps_too_small_for_float32_are_named_and_excused(tiny: xzoo.Backbone, pack: Pack, cell_of: Make) -> None:
    result = output(cell_of(tiny, pack, "finetune", **TINY_STEPS), pack).result
    assert result.proof is not None
    assert result.proof.holds
    assert {"1.weight", "4.weight"} <= set(result.steps_below_resolution)


def test_an_ordinary_step_excuses_nothing(tiny: xzoo.Backbone, pack: Pack, cell_of: Make) -> None:
    assert output(cell_of(tiny, pack, "finetune"), pack).result.steps_below_resolution == ()


def test_what_the_optimiser_never_held_is_not_excused(
    tiny: xzoo.Backbone, pack: Pack, cell_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "xzoo.train.loop.groups_of", lambda *words: [group for group in groups_of(*words) if group[0] == "(head)"]
    )
    with pytest.raises(ProofError, match="should learn did not"):
        output(cell_of(tiny, pack, "finetune", **TINY_STEPS), pack)


def test_damaged_features_are_computed_again(tiny: xzoo.Backbone, pack: Pack, cell_of: Make, own_cache: Path) -> None:
    made = cell_of(tiny, pack, "frozen")
    before = output(made, pack).predictions["test_probabilities"]
    [stored] = own_cache.glob("features/*/rows.bin")
    stored.write_bytes(stored.read_bytes()[:100])
    assert np.array_equal(output(made, pack).predictions["test_probabilities"], before)


def test_patience_counts_from_the_best_epoch_also_where_the_last_is_kept(tiny: xzoo.Backbone, pack: Pack, cell_of: Make) -> None:
    rest = {"epochs": 6, "patience": 2, "lr": 1e-12, "batch_norm_momentum": 1e-9}
    found = [output(cell_of(tiny, pack, "frozen", keep=keep, **rest), pack).result for keep in ("best", "last")]
    assert [result.epochs for result in found] == [3, 3]
    assert [result.best_epoch for result in found] == [0, 2]
