from __future__ import annotations

import itertools

import pytest

from xzoo.errors import UsageError
from xzoo.zoo.strategies import parse

STAGES = ("stem", "middle", "top")
WORDS = ("frozen", "finetune", "last:1", "last:2", "last:9", "gradual:1", "gradual:2", "lp-ft", "layerwise:0.75", "layerwise:1")


def learning(word: str, num_epochs: int) -> list[str]:
    """Return, by epoch, the initials of the stages that learn."""
    found = [parse(word).rates(STAGES, epoch, num_epochs) for epoch in range(num_epochs)]
    return ["".join(stage[0] for stage in STAGES if rates.get(stage, 0) > 0) for rates in found]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("frozen", ["", "", "", "", ""]),
        ("finetune", ["smt", "smt", "smt", "smt", "smt"]),
        ("last:1", ["t", "t", "t", "t", "t"]),
        ("last:2", ["mt", "mt", "mt", "mt", "mt"]),
        ("last:9", ["smt", "smt", "smt", "smt", "smt"]),
        ("gradual:1", ["", "t", "mt", "smt", "smt"]),
        ("gradual:2", ["", "", "t", "t", "mt"]),
        ("lp-ft", ["", "", "smt", "smt", "smt"]),
        ("layerwise:0.75", ["smt", "smt", "smt", "smt", "smt"]),
    ],
)
def test_who_learns_when(word: str, expected: list[str]) -> None:
    assert learning(word, 5) == expected


def test_a_single_epoch_of_lp_ft_fine_tunes() -> None:
    assert learning("lp-ft", 1) == ["smt"]
    assert learning("lp-ft", 2) == ["", "smt"]


@pytest.mark.parametrize("word", WORDS)
def test_rates_are_shares_of_named_stages_and_a_stage_that_joined_stays(word: str) -> None:
    strategy = parse(word)
    before: set[str] = set()
    for epoch in range(6):
        rates = strategy.rates(STAGES, epoch, 6)
        assert rates == strategy.rates(list(STAGES), epoch, 6)
        assert set(rates) <= set(STAGES)
        assert all(0 <= rate <= 1 for rate in rates.values())
        assert before <= set(rates)
        before = set(rates)


def test_layerwise_rates_fall_by_the_same_factor_from_the_head_down() -> None:
    rates = parse("layerwise:0.5").rates(STAGES, 0, 1)
    assert rates == {"top": 0.5, "middle": 0.25, "stem": 0.125}
    full = [rates[stage] for stage in STAGES] + [1.0]
    assert {later / earlier for earlier, later in itertools.pairwise(full)} == {2.0}


BAD = """last last:0 last:-1 last:x last:1.5 gradual: gradual:0 lp-ft:3 freeze frozen:1 finetune:2 Frozen
layerwise layerwise:0 layerwise:1.1 layerwise:-0.5 layerwise:nan layerwise:x"""


@pytest.mark.parametrize("word", ["", *BAD.split()])
def test_words_that_name_no_strategy_are_told_what_does(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(word)
    assert repr(word) in caught.value.text
    assert "frozen, finetune, last:N, gradual:N, lp-ft, layerwise:D" in caught.value.remedy
