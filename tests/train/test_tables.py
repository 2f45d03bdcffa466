"""Features that are not held: the same rows as held ones give, the same standardiser but for last bits, and the same heads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from xzoo.train import rows, standardise, tables
from xzoo.train.heads import HeadTask, train_heads
from xzoo.train.recipe import Recipe
from xzoo.train.tables import Joined, Streamed, Table, held, table_of

VALUES_ND = torch.from_numpy(np.random.default_rng(0).normal(3, 2, (50, 7)).astype(np.float32))
MAPS_N = torch.from_numpy(np.random.default_rng(1).normal(3, 2, (50, 3, 2, 2)).astype(np.float32))


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XZOO_CACHE", str(tmp_path))
    monkeypatch.setattr(tables, "HELD_BYTES", {"cpu": 100})
    monkeypatch.setattr(tables, "_AT_ONCE", 4 * 7 * 8)


def streamed(values: Tensor) -> Streamed:
    kept = rows.kept([values.shape], len(values), lambda: iter([(np.arange(len(values)), values)]))
    found = held(kept, "cpu")
    assert isinstance(found, Streamed)
    return found


def test_few_features_are_held() -> None:
    kept = rows.kept(["few"], 5, lambda: iter([(np.arange(5), VALUES_ND[:5, :5])]))
    found = held(kept, "cpu")
    assert isinstance(found, Tensor)
    assert torch.equal(found, VALUES_ND[:5, :5])


@pytest.mark.parametrize("values", [VALUES_ND, MAPS_N], ids=["ND", "NDHW"])
def test_rows_are_those_of_a_tensor(values: Tensor) -> None:
    found, places = streamed(values), torch.tensor([49, 0, 7, 7])
    assert (found.shape, found.dim(), len(found)) == (tuple(values.shape), values.dim(), 50)
    assert torch.equal(found[places], values[places])
    assert torch.equal(torch.cat(list(found.parts())), values)
    assert torch.equal(torch.cat(list(found.parts(places))), values[places])
    assert len(list(found.parts())) > 1


@pytest.mark.parametrize(
    ("values", "head"), [(VALUES_ND, nn.Linear(7, 3)), (MAPS_N, nn.Conv2d(3, 3, 1))], ids=["linear", "convolution"]
)
def test_mean_and_deviation_in_parts_are_those_of_all(values: Tensor, head: nn.Module) -> None:
    values = values * torch.tensor([1e-14, *[1.0] * (values.shape[1] - 1)]).view(1, -1, *[1] * (values.dim() - 2))
    whole, parted = standardise.fit(values, head), standardise.fit_parts(streamed(values).parts(), head, values.dim())
    torch.testing.assert_close(parted.mean_D, whole.mean_D, rtol=1e-14, atol=0)
    torch.testing.assert_close(parted.inverse_D, whole.inverse_D, rtol=1e-13, atol=0)


def test_a_constant_feature_drops_out_and_a_head_that_cannot_take_the_step_in_gets_none() -> None:
    values = VALUES_ND.clone()
    values[:, 2] = 5
    assert standardise.fit_parts(streamed(values).parts(), nn.Linear(7, 3), 2).inverse_D[2] == 0
    assert standardise.fit_parts(streamed(values).parts(), nn.Linear(7, 3, bias=False), 2) is standardise.IDENTITY


def test_a_table_of_streamed_features_has_the_rows_of_a_held_one() -> None:
    standardiser = standardise.fit(VALUES_ND, nn.Linear(7, 3))
    whole, table, places = (
        table_of(VALUES_ND, standardiser),
        table_of(streamed(VALUES_ND), standardiser),
        torch.tensor([3, 49, 0]),
    )
    assert isinstance(whole, Tensor)
    assert isinstance(table, Table)
    assert torch.equal(whole, torch.cat([standardiser(VALUES_ND), torch.ones(50, 1)], 1))
    assert torch.equal(table[places], whole[places])
    assert torch.equal(torch.cat(list(table.parts(torch.arange(50)))), whole)
    several = Joined([table, Table(streamed(VALUES_ND), standardise.IDENTITY)])
    both = torch.cat([whole, torch.cat([VALUES_ND, torch.ones(50, 1)], 1)])
    assert torch.equal(several.index_select(0, torch.tensor([60, 3, 99, 0])), both[[60, 3, 99, 0]])


def test_heads_learn_from_streamed_features_what_they_learn_from_held_ones() -> None:
    first, second = (standardise.fit(VALUES_ND[part], nn.Linear(7, 3)) for part in (slice(40), slice(10, 50)))
    recipe, labels_N = Recipe(epochs=2, batch_size=8), np.arange(50) % 3

    def trained(values: Tensor | Streamed) -> list[Tensor]:
        own = [table_of(values, standardiser) for standardiser in (first, second)]
        starts = torch.zeros(3, 8)
        tasks = [HeadTask(recipe, seed, starts, table, labels_N, np.arange(40), 3) for seed, table in enumerate(own)]
        return [head.weights_OD for head in list(train_heads(tasks))[-1]]

    for one, other in zip(trained(VALUES_ND), trained(streamed(VALUES_ND)), strict=True):
        assert torch.equal(one, other)
