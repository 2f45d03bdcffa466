from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xzoo.compare import standings
from xzoo.compare.verdict import is_ahead
from xzoo.runs.result import BackboneFacts, Cell, CellResult, Comparison, Contender, Measure, Metrics, Seconds

RULE = {"fractions": (), "pool": False, "seed": None, "train_size": None}


def metrics(accuracy: float, low: float | None = None, high: float | None = None) -> Metrics:
    measure = Measure(accuracy, accuracy - 0.1 if low is None else low, accuracy + 0.1 if high is None else high, 50)
    return Metrics(
        accuracy=measure, recall={"dark": measure, "bright": None}, reasons={"auroc": "no image", "bright": "no image"}
    )


def cell(contender: str, seed: int) -> Cell:
    words: dict[str, Any] = {
        "id": f"{contender}-{seed}",
        "contender": contender,
        "backbone": contender,
        "weights": "random",
        "freeze": "frozen",
    }
    return Cell(**words, seed=seed, recipe={"lr": 0.1}, split=RULE)


def result(contender: str, seed: int, accuracy: float, seconds: float = 1.0, status: str = "done") -> CellResult:
    words: dict[str, Any] = {
        "id": f"{contender}-{seed}",
        "contender": contender,
        "backbone": contender,
        "weights": "random",
        "freeze": "frozen",
    }
    if status == "failed":
        return CellResult(**words, seed=seed, status=status, error={"kind": "cell", "text": "x", "remedy": "y"})
    figures = metrics(accuracy)
    return CellResult(
        **words,
        seed=seed,
        status=status,
        learning_params=7,
        seconds=Seconds(train=seconds),
        train=figures,
        val=figures,
        test=metrics(accuracy / 2),
    )


def row(name: str, accuracy: float = 0.9, gmacs: float | None = 1.0, learning: int = 10, seconds: float = 1.0) -> Contender:
    figure = {"value": accuracy, "low": None, "high": None, "n": 50}
    return Contender(
        id=name,
        backbone=name,
        weights="random",
        freeze="frozen",
        recipe={},
        split="declared",
        seeds=(0,),
        train={},
        val={"accuracy": figure},
        test={"accuracy": None},
        seconds=seconds,
        gmacs=gmacs,
        params=10,
        learning_params=learning,
        rank=None,
        pareto=False,
    )


def verdict(a: str, b: str, difference: float, is_told: bool = True) -> Comparison:
    words: dict[str, Any] = {"a": a, "b": b, "split": "val", "metric": "accuracy", "test": ""}
    words["verdict"] = "ahead" if is_told else "equivalent"
    return Comparison(**words, difference=Measure(difference, None, None, 50), p=0.01, p_holm=0.01, equivalent=not is_told)


def verdicts(rows: Sequence[Contender], margin: float) -> list[Comparison]:
    """Compare every two rows; a difference of more than the margin is told, any other is equivalent."""
    return [
        verdict(a.id, b.id, difference, abs(difference) > margin)
        for a, b in itertools.combinations(rows, 2)
        if (difference := standings.accuracy(a, "val") - standings.accuracy(b, "val")) is not None
    ]


def test_measures_are_means_over_seeds_with_the_sample_deviation() -> None:
    cells = [cell("a", seed) for seed in range(3)]
    values, seconds = [0.7, 0.9, 0.8], [1.0, 2.0, 6.0]
    results = [result("a", seed, values[seed], seconds[seed]) for seed in range(3)]
    [found] = standings.contenders(
        cells, results, {"a@random": BackboneFacts(params=5, params_with_auxiliary=6, gmacs=0.5, size=(8, 8))}
    )
    accuracy = found.val["accuracy"]
    assert accuracy["value"] == pytest.approx(np.mean(values))
    assert accuracy["spread"] == pytest.approx(np.std(values, ddof=1))
    assert (accuracy["low"], accuracy["high"]) == pytest.approx((0.7, 0.9))
    assert (accuracy["n"], accuracy["seeds"]) == (50, 3)
    assert found.test["accuracy"]["value"] == pytest.approx(0.4)
    assert found.val["recall"]["dark"]["value"] == pytest.approx(0.8)
    assert found.val["recall"]["bright"] is None
    assert (found.val["auroc"], found.val["reasons"]["auroc"]) == (None, "no image")
    assert found.seconds == pytest.approx(3.0)
    assert (found.seeds, found.gmacs, found.params, found.learning_params) == ((0, 1, 2), 0.5, 5, 7)


def test_one_seed_has_no_spread() -> None:
    [found] = standings.contenders([cell("a", 4)], [result("a", 4, 0.8)], {})
    assert found.val["accuracy"]["spread"] is None
    assert (found.seeds, found.gmacs) == ((4,), None)


def test_an_interval_that_one_seed_lacks_is_not_made_up() -> None:
    [one, other] = [result("a", seed, 0.8) for seed in range(2)]
    bare = dataclasses.replace(other, val=Metrics(accuracy=Measure(0.6, None, None, 50)))
    [found] = standings.contenders([cell("a", 0), cell("a", 1)], [one, bare], {})
    assert (found.val["accuracy"]["low"], found.val["accuracy"]["high"]) == (None, None)
    assert found.val["accuracy"]["value"] == pytest.approx(0.7)


def test_only_finished_cells_count() -> None:
    cells = [cell("a", 0), cell("a", 1), cell("b", 0), cell("b", 1)]
    results = [result("a", 0, 0.8), result("a", 1, 0.1, status="failed"), result("b", 0, 0.1, status="failed")]
    [found] = standings.contenders(cells, results, {})
    assert (found.id, found.seeds, found.val["accuracy"]["value"]) == ("a", (0,), 0.8)


def test_contenders_that_cannot_be_told_apart_share_a_rank() -> None:
    rows = [row("worst", 0.5), row("good", 0.88), row("best", 0.9)]
    ranked = standings.rank(rows, verdicts(rows, 0.05))
    assert [(one.id, one.rank) for one in ranked] == [("best", 1), ("good", 1), ("worst", 3)]


def test_contenders_that_were_not_compared_share_a_rank() -> None:
    assert [(one.id, one.rank) for one in standings.rank([row("a", 0.5), row("b", 0.9)], [])] == [("b", 1), ("a", 1)]


FIGURES = st.tuples(st.sampled_from([0.5, 0.8, 0.9, 0.95]), st.sampled_from([0.1, 1.0, 5.0]), st.sampled_from([1, 2]))


@given(st.lists(FIGURES, min_size=1, max_size=7))
def test_the_front_holds_what_nothing_dominates(figures: list[tuple[float, float, int]]) -> None:
    rows = [row(str(place), accuracy, gmacs, learning=learning) for place, (accuracy, gmacs, learning) in enumerate(figures)]
    ranked = standings.rank(rows, [])
    scores = {one.id: np.array([one.val["accuracy"]["value"], -(one.gmacs or 0), -(one.learning_params or 0)]) for one in ranked}

    def beats(a: str, b: str) -> bool:
        return bool((scores[a] >= scores[b]).all() and (scores[a] > scores[b]).any())

    front = {one.id for one in ranked if one.pareto}
    assert front
    assert not any(beats(a, b) for a in scores for b in front)
    assert all(any(beats(a, b) for a in front) for b in scores.keys() - front)


@given(st.lists(FIGURES, min_size=1, max_size=7), st.sampled_from([0.0, 0.06, 0.2]), st.data())
def test_the_cheapest_that_is_equivalent_to_the_best_is_recommended(
    figures: list[tuple[float, float, int]], margin: float, data: st.DataObject
) -> None:
    rows = [row(str(place), accuracy, gmacs, learning=learning) for place, (accuracy, gmacs, learning) in enumerate(figures)]
    guessing = data.draw(st.sets(st.sampled_from([one.id for one in rows])))
    comparisons = verdicts(rows, margin)
    found = standings.recommend(standings.rank(rows, comparisons), comparisons, sorted(guessing))
    able = [one for one in rows if one.id not in guessing]
    if not able:
        assert found is None
        return
    assert found is not None
    chosen = next(one for one in able if one.id == found.contender)
    top = max(standings.accuracy(one, "val") for one in able)
    equals = [one for one in able if top - standings.accuracy(one, "val") <= margin]
    assert chosen in equals
    costs = [(one.gmacs, one.learning_params, -standings.accuracy(one, "val")) for one in equals]
    assert (chosen.gmacs, chosen.learning_params, -standings.accuracy(chosen, "val")) == min(costs)
    assert f"{standings.accuracy(chosen, 'val'):.3f}" in found.reason


def test_cost_is_gmacs_then_learning_parameters_and_of_equal_cost_the_better_is_chosen_whatever_its_time() -> None:
    rows = [row("quick", 0.9, gmacs=1, learning=5, seconds=2), row("better", 0.95, gmacs=1, learning=5, seconds=9)]
    rows += [row("learns more", 0.96, gmacs=1, learning=6, seconds=1), row("larger", 0.97, gmacs=2, learning=1, seconds=1)]
    for order in itertools.permutations(rows):
        found = standings.recommend(order, verdicts(order, 0.1), [])
        assert found is not None
        assert found.contender == "better"


def test_a_cheap_contender_that_was_never_compared_with_the_best_is_not_recommended() -> None:
    rows = [row("best", 0.9, gmacs=5), row("cheap", 0.6, gmacs=1)]
    found = standings.recommend(rows, [], [])
    assert found is not None
    assert found.contender == "best"


def test_a_cost_that_is_not_known_is_not_taken_for_free() -> None:
    rows = [row("known", 0.9, gmacs=5.0), row("unknown", 0.9, gmacs=None)]
    found = standings.recommend(rows, verdicts(rows, 0.1), [])
    assert found is not None
    assert found.contender == "known"
    assert [one.pareto for one in standings.rank(rows, [])] == [True, False]


def test_the_reason_tells_the_best_from_its_equals() -> None:
    rows = [row("best", 0.95, gmacs=2), row("equal", 0.93, gmacs=1), row("poor", 0.5, gmacs=0.1)]
    found = standings.recommend(rows, verdicts(rows, 0.1), [])
    assert found is not None
    assert found.contender == "equal"
    assert found.reason == "validation accuracy 0.930; cheaper, and equivalent within 0.02 to the best (best, 0.950)"
    assert (found.equivalent_to, found.margin) == ("best", 0.02)
    alone = standings.recommend(rows, verdicts(rows, 0.01), [])
    assert alone is not None
    assert (alone.contender, alone.reason) == ("best", "validation accuracy 0.950, the best of 3")
    assert is_ahead(verdicts(rows, 0.01), "best", "equal")


def test_that_two_cannot_be_told_apart_is_no_equivalence() -> None:
    rows = [row("best", 0.95, gmacs=2), row("cheap", 0.93, gmacs=1)]
    open_pair = dataclasses.replace(verdict("best", "cheap", 0.02, is_told=False), verdict="cannot tell", equivalent=False)
    found = standings.recommend(rows, [open_pair], [])
    assert found is not None
    assert found.contender == "best"
    assert found.reason.endswith("; cheap, which is cheaper, cannot be told from it, and nothing shows that they are within 0.02")


def test_a_contender_that_is_ahead_by_less_than_the_margin_gives_way_to_a_cheaper_one() -> None:
    rows = [row("best", 0.95, gmacs=2), row("cheap", 0.945, gmacs=1)]
    both = dataclasses.replace(verdict("best", "cheap", 0.005), equivalent=True)
    found = standings.recommend(rows, [both], [])
    assert found is not None
    assert (found.contender, found.equivalent_to) == ("cheap", "best")


def test_of_equally_accurate_contenders_the_cheapest_is_the_best() -> None:
    rows = [row("large", 1.0, gmacs=2), row("small", 1.0, gmacs=1), row("tiny", 0.9, gmacs=0.1)]
    found = standings.recommend(rows, [], [])
    assert found is not None
    assert found.contender == "small"


def test_a_rank_comes_with_its_worst() -> None:
    rows = [row("a", 0.95), row("b", 0.9), row("c", 0.5)]
    told = [verdict("a", "c", 0.45), verdict("b", "c", 0.4), verdict("a", "b", 0.05, is_told=False)]
    assert [(one.id, one.rank, one.worst_rank) for one in standings.rank(rows, told)] == [("a", 1, 2), ("b", 1, 2), ("c", 3, 3)]
    assert [(one.rank, one.worst_rank) for one in standings.rank(rows, [])] == [(1, 3)] * 3


def timed(name: str, accuracy: float, latency_ms: float | None, seconds: float, params: int) -> Contender:
    return dataclasses.replace(row(name, accuracy, seconds=seconds), latency_ms=latency_ms, params=params)


def test_the_measured_front_weighs_accuracy_latency_training_time_and_parameters() -> None:
    rows = [
        timed("good", 0.95, 5, 10, 100),
        timed("quick", 0.9, 2, 10, 100),
        timed("quickly trained", 0.9, 5, 3, 100),
        timed("small", 0.9, 5, 10, 20),
        timed("beaten", 0.9, 5, 10, 100),
        timed("unknown", 0.9, None, 10, 100),
    ]
    on_front = {one.id for one in standings.rank(rows, []) if one.front}
    assert on_front == {"good", "quick", "quickly trained", "small"}


def test_times_that_differ_by_less_than_a_tenth_beat_nobody() -> None:
    rows = [timed("a", 0.9, 5.0, 10.0, 100), timed("b", 0.9, 5.3, 10.5, 100), timed("c", 0.9, 5.6, 10.5, 100)]
    assert {one.id for one in standings.rank(rows, []) if one.front} == {"a", "b"}


def test_what_images_and_seeds_leave_open_together_stands_beside_what_images_do() -> None:
    results = [result("a", seed, accuracy) for seed, accuracy in enumerate((0.7, 0.9, 0.8))]
    [found] = standings.contenders([cell("a", seed) for seed in range(3)], results, {})
    measured = found.val["accuracy"]
    assert measured["combined_low"] < measured["low"] < measured["high"] < measured["combined_high"]
    assert 0 <= measured["combined_low"] <= measured["combined_high"] <= 1
    [alone] = standings.contenders([cell("a", 0)], results[:1], {})
    assert (alone.val["accuracy"]["combined_low"], alone.val["accuracy"]["combined_high"]) == (None, None)
