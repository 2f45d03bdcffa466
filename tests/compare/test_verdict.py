from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from xzoo.compare import evidence, standings, verdict
from xzoo.compare.verdict import is_ahead
from xzoo.runs.result import CellResult, Comparison
from xzoo.runs.store import RunFolder
from xzoo.statistics.auroc import influences
from xzoo.statistics.seeds import combine

Right = NDArray[np.bool_]


@dataclass(frozen=True)
class Answered(RunFolder):
    """A run folder whose predictions are given."""

    kept: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)

    def predictions(self, cell: str) -> dict[str, NDArray[np.float64]]:
        return dict(self.kept[cell])


def answers(right_N: Right, split: str = "val", first: int = 0) -> dict[str, NDArray[Any]]:
    """Return predictions of two classes that are right where `right_N` says so, on images from number `first` on."""
    labels_N = np.arange(len(right_N)) % 2
    said_N = np.where(right_N, labels_N, 1 - labels_N)
    index_N = np.arange(first, first + len(right_N))
    return {f"{split}_index": index_N, f"{split}_probabilities": np.eye(2)[said_N] * 0.6 + 0.2, f"{split}_labels": labels_N}


def held(given: Mapping[tuple[str, int], Mapping[str, NDArray[Any]]], split: str = "val", **words: Any) -> tuple[Comparison, ...]:
    """Compare contenders on predictions given by contender and seed; what would settle a pair is asked for by `foresee=True`."""
    cells = [f"{name} {seed}" for name, seed in given]
    results = [
        CellResult(id=cell, contender=name, backbone=name, weights="", freeze="", seed=seed, status="done")
        for cell, (name, seed) in zip(cells, given, strict=True)
    ]
    folder = Answered(Path(), dict(zip(cells, given.values(), strict=True)))
    return verdict.compare(results, folder, split, **{"foresee": False, **words})


def drawn(rng: np.random.Generator, accuracy: float, num_images: int) -> Right:
    return rng.random(num_images) < accuracy


def p_of(right_a: Right, right_b: Right) -> float:
    """Return the exact p as statsmodels has it."""
    table = [[int((x & y).sum()) for y in (right_b, ~right_b)] for x in (right_a, ~right_a)]
    return float(mcnemar(table, exact=True).pvalue)


@pytest.mark.parametrize("seed", range(5))
def test_one_seed_gives_the_exact_mcnemar_p(seed: int) -> None:
    rng = np.random.default_rng(seed)
    right_a, right_b = drawn(rng, 0.9, 80), drawn(rng, 0.75, 80)
    [one] = held({("a", 0): answers(right_a), ("b", 0): answers(right_b)})
    only_a, only_b = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    assert one.p == pytest.approx(p_of(right_a, right_b))
    assert one.p == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue)
    assert one.p_holm == one.p
    assert one.difference.value == pytest.approx(right_a.mean() - right_b.mean())
    assert (one.difference.n, one.split, one.metric) == (80, "val", "accuracy")
    assert one.difference.low is not None
    assert one.difference.high is not None
    assert one.difference.low < one.difference.value < one.difference.high


@pytest.mark.parametrize("num_seeds", [2, 3, 4])
def test_several_seeds_give_the_larger_of_twice_the_median_p_and_that_over_seeds_and_images(num_seeds: int) -> None:
    rng = np.random.default_rng(num_seeds)
    right = {(name, s): drawn(rng, share, 60) for name, share in (("a", 0.9), ("b", 0.75)) for s in range(num_seeds)}
    [one] = held({key: answers(value) for key, value in right.items()})
    differences = np.array([right["a", s].astype(float) - right["b", s] for s in range(num_seeds)])
    twice = min(1.0, 2 * float(np.median([p_of(right["a", s], right["b", s]) for s in range(num_seeds)])))
    over = combine(differences.mean(1), (differences - differences.mean(1)[:, None]) / np.sqrt(60 * 59)).p()
    assert one.p == pytest.approx(max(twice, over))
    assert one.difference.value == pytest.approx(differences.mean())
    assert one.seeds == tuple(range(num_seeds))
    [alike] = held({key: answers(right["a", 0]) for key in right})
    assert (alike.p, alike.difference.value, alike.verdict) == (1.0, 0.0, "cannot tell")


def test_p_is_adjusted_by_holm_over_all_pairs() -> None:
    rng = np.random.default_rng(7)
    right = {(name, 0): drawn(rng, share, 200) for name, share in (("a", 0.95), ("b", 0.9), ("c", 0.88), ("d", 0.8))}
    found = held({key: answers(value) for key, value in right.items()})
    assert [(one.a, one.b) for one in found] == [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
    adjusted = multipletests([p_of(right[one.a, 0], right[one.b, 0]) for one in found], method="holm")[1]
    assert [one.p_holm for one in found] == pytest.approx(adjusted.tolist())
    assert [one.verdict for one in found] == ["ahead" if p < 0.05 else "cannot tell" for p in adjusted]
    assert len({one.verdict for one in found}) == 2


def test_contenders_with_other_images_are_not_compared() -> None:
    right_N = np.ones(20, bool)
    given = {("a", 0): answers(right_N), ("b", 0): answers(~right_N, first=1), ("c", 0): answers(~right_N)}
    assert [(one.a, one.b) for one in held(given)] == [("a", "c")]
    other_seed = {("a", 0): answers(right_N), ("b", 1): answers(~right_N)}
    assert held(other_seed) == ()


def test_only_seeds_with_the_same_images_count() -> None:
    rng = np.random.default_rng(3)
    right_a, right_b = drawn(rng, 0.9, 50), drawn(rng, 0.8, 50)
    given = {("a", 0): answers(right_a), ("b", 0): answers(right_b)}
    given |= {("a", 1): answers(right_a), ("b", 1): answers(~right_b, first=9), ("b", 2): answers(~right_b)}
    assert held(given) == held({key: given[key] for key in [("a", 0), ("b", 0)]})


def test_splits_without_images_and_failed_cells_are_not_compared() -> None:
    none = np.zeros(0, bool)
    assert held({("a", 0): answers(none), ("b", 0): answers(none)}) == ()
    failed = [
        CellResult(id=name, contender=name, backbone=name, weights="", freeze="", seed=0, status="failed") for name in ("a", "b")
    ]
    assert verdict.compare(failed, Answered(Path()), "val") == ()


def test_each_split_is_compared_on_its_own_answers() -> None:
    good, bad = np.ones(30, bool), np.zeros(30, bool)
    given = {("a", 0): answers(good) | answers(bad, "test"), ("b", 0): answers(bad) | answers(good, "test")}
    [on_val], [on_test] = held(given), held(given, "test")
    assert (on_val.difference.value, on_test.difference.value) == (1.0, -1.0)
    assert (on_val.split, on_test.split) == ("val", "test")


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_ahead_has_a_direction_whichever_comes_first(names: tuple[str, str]) -> None:
    right = {"a": np.ones(30, bool), "b": np.arange(30) < 15}
    found = held({(name, 0): answers(right[name]) for name in names})
    assert found[0].verdict == "ahead"
    assert is_ahead(found, "a", "b")
    assert not is_ahead(found, "b", "a")
    assert not is_ahead(found, "a", "c")


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_a_real_difference_on_400_images_is_ahead(num_seeds: int) -> None:
    rng = np.random.default_rng(11)
    shares = {"good": 0.95, "poor": 0.85, "also poor": 0.85}
    found = held({(name, s): answers(drawn(rng, share, 400)) for name, share in shares.items() for s in range(num_seeds)})
    assert is_ahead(found, "good", "poor")
    assert is_ahead(found, "good", "also poor")
    assert next(one for one in found if one.a == "poor").verdict == "cannot tell"


FAMILIES = 300
BOUND = 0.05 + 2.33 * (0.05 * 0.95 / FAMILIES) ** 0.5
"""5% of families and the one-sided 99% binomial error of so many: 0.079. tests/benchmarks/simulations.py draws 2,000."""


def apart(rng: np.random.Generator, names: Sequence[str], seed: int) -> dict[tuple[str, int], dict[str, NDArray[Any]]]:
    """Every contender errs on its own images."""
    return {(name, seed): answers(drawn(rng, 0.8, 100)) for name in names}


def alike(rng: np.random.Generator, names: Sequence[str], seed: int) -> dict[tuple[str, int], dict[str, NDArray[Any]]]:
    """All contenders find the same images hard."""
    ease_N = rng.beta(2, 0.5, 100)
    return {(name, seed): answers(rng.random(100) < ease_N) for name in names}


@pytest.mark.parametrize("draw", [apart, alike])
@pytest.mark.parametrize(("names", "num_seeds"), [("abcd", 1), ("ab", 3), ("abcd", 3)])
def test_equal_contenders_are_told_apart_in_at_most_a_twentieth_of_families(
    draw: Callable[..., Any], names: str, num_seeds: int
) -> None:
    rng = np.random.default_rng(2024)
    false_alarms = 0
    for _ in range(FAMILIES):
        given: dict[tuple[str, int], Any] = {}
        for seed in range(num_seeds):
            given |= draw(rng, names, seed)
        false_alarms += any(one.verdict == "ahead" for one in held(given))
    assert false_alarms / FAMILIES <= BOUND


def test_each_cell_is_ranked_once_however_many_pairs_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []

    def counted(*given: Any) -> Any:
        calls.append(given)
        return influences(*given)

    monkeypatch.setattr(evidence, "influences", counted)
    rng = np.random.default_rng(0)
    assert len(held({(name, seed): answers(drawn(rng, 0.8, 60)) for name in "abcde" for seed in (0, 1)})) == 10
    assert len(calls) == 10


class Counted(list[Comparison]):
    """Comparisons that count how often they are gone through."""

    times = 0

    def __iter__(self) -> Iterator[Comparison]:
        self.times += 1
        return super().__iter__()


def test_ranks_go_through_the_comparisons_once_however_many_contenders_there_are() -> None:
    rng = np.random.default_rng(0)
    pairs = Counted(
        held({(name, 0): answers(drawn(rng, rate, 400)) for name, rate in zip("abcd", (0.95, 0.8, 0.6, 0.3), strict=True)})
    )
    assert standings.ranks("abcd", pairs) == {name: (place, place) for place, name in enumerate("abcd", 1)}
    assert pairs.times == 1
