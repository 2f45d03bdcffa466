import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xzoo.data.split import Split, SplitRule, describe, draw, first_line, parse
from xzoo.errors import DataError, UsageError, XzooError

LABELS = np.repeat([0, 1, 2], [100, 60, 20])
NO_SPLITS: tuple[str | None, ...] = (None,) * len(LABELS)
NO_GROUPS = NO_SPLITS
# Every class in order: 0.6 train, 0.1 val, 0.3 test.
DECLARED = tuple(np.tile(["train"] * 6 + ["val"] + ["test"] * 3, 18).tolist())
WITHOUT_VAL = tuple("train" if split == "val" else split for split in DECLARED)


def drawn(rule: str | SplitRule = "", seed: int = 0, splits: tuple[str | None, ...] = NO_SPLITS) -> Split:
    return draw(LABELS, splits, NO_GROUPS, parse(rule) if isinstance(rule, str) else rule, seed)


def sizes(split: Split) -> tuple[int, int, int]:
    return len(split.train), len(split.val), len(split.test)


def covers_once(split: Split, count: int) -> bool:
    return sorted([*split.train, *split.val, *split.test]) == list(range(count))


def test_by_default_a_fifth_is_test_and_a_fifth_of_the_rest_validation() -> None:
    split = drawn()
    assert sizes(split) == (115, 29, 36)
    assert covers_once(split, 180)
    assert Counter(LABELS[split.test]) == {0: 20, 1: 12, 2: 4}


def test_the_test_split_is_the_same_for_every_seed_and_validation_is_not() -> None:
    first, second = drawn(seed=0), drawn(seed=1)
    assert np.array_equal(first.test, second.test)
    assert not np.array_equal(first.val, second.val)
    assert np.array_equal(first.val, drawn(seed=0).val)


def test_a_seed_in_the_rule_goes_before_the_cells_own() -> None:
    fixed = [drawn(SplitRule(seed=7), seed=seed).val.tolist() for seed in (0, 1)]
    assert fixed[0] == fixed[1] == drawn(seed=7).val.tolist()


def test_declared_splits_are_kept_and_a_missing_validation_is_drawn_from_train() -> None:
    kept = drawn(splits=DECLARED)
    assert [DECLARED[place] for place in kept.val] == ["val"] * 18
    assert set(kept.origin.values()) == {"yours"}
    assert first_line(kept) == "train 108, val 18, test 54 (yours)"
    split = drawn(splits=WITHOUT_VAL, seed=3)
    assert {WITHOUT_VAL[place] for place in [*split.train, *split.val]} == {"train"}
    assert first_line(split) == "train 101, val 25 (drawn, seed 3), test 54 (yours)"


def test_two_shares_redraw_train_and_validation_and_leave_the_test_alone() -> None:
    split = drawn("0.7,0.3", splits=DECLARED)
    assert sizes(split) == (88, 38, 54)
    assert split.test.tolist() == drawn(splits=DECLARED).test.tolist()
    assert sizes(drawn("0.5/0.5")) == (72, 72, 36)


def test_three_shares_draw_the_test_too_and_never_redraw_a_declared_one() -> None:
    assert sizes(drawn("0.6,0.2,0.2")) == (108, 36, 36)
    assert np.array_equal(drawn("0.6,0.2,0.2", seed=1).test, drawn("0.6,0.2,0.2", seed=2).test)
    with pytest.raises(UsageError, match="never redrawn") as caught:
        drawn("0.6,0.2,0.2", splits=DECLARED)
    assert "pool" in caught.value.remedy


def test_pooling_redraws_everything_with_the_same_sizes_and_the_cells_seed() -> None:
    pooled = drawn("pool", seed=1, splits=DECLARED)
    assert sizes(pooled) == (108, 18, 54)
    assert covers_once(pooled, 180)
    assert len({DECLARED[place] for place in pooled.test}) == 3
    assert not np.array_equal(pooled.test, drawn("pool", seed=2, splits=DECLARED).test)
    assert sizes(drawn("pool:0.6,0.2,0.2", splits=DECLARED)) == (108, 36, 36)
    assert first_line(pooled) == "train 108, val 18, test 54 (pooled, drawn, seed 1)"


def test_smaller_training_sets_lie_within_larger_ones_and_keep_the_classes_shares() -> None:
    subsets = [drawn(SplitRule(train_size=size)) for size in (3, 23, 60, 115)]
    for smaller, larger in itertools.pairwise(subsets):
        assert set(smaller.train) < set(larger.train)
        assert np.array_equal(smaller.val, larger.val)
    assert Counter(LABELS[subsets[0].train]) == {0: 1, 1: 1, 2: 1}
    shares = np.bincount(LABELS[subsets[2].train]) / 60
    assert np.abs(shares - np.array([100, 60, 20]) / 180).max() < 0.03
    assert subsets[1].origin["train"] == "23 of 115, drawn, seed 0"


@settings(deadline=None, max_examples=60)
@given(
    group_sizes=st.lists(st.integers(1, 6), min_size=20, max_size=50),
    seed=st.integers(0, 3),
    rule=st.sampled_from(["", "0.5,0.5", "0.6,0.2,0.2", "pool"]),
    mixed=st.booleans(),
)
def test_no_patient_lies_on_two_sides_and_every_class_on_all(group_sizes: list[int], seed: int, rule: str, mixed: bool) -> None:
    groups = tuple(np.repeat([f"p{number}" for number in range(len(group_sizes))], group_sizes).tolist())
    labels = np.arange(len(groups)) % 2 if mixed else np.repeat(np.arange(len(group_sizes)) % 2, group_sizes)
    split = draw(labels, (None,) * len(labels), groups, parse(rule), seed)
    assert covers_once(split, len(labels))
    sides = [{groups[place] for place in part} for part in (split.train, split.val, split.test)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert all(set(labels[part]) == {0, 1} for part in (split.train, split.val, split.test))


def test_images_without_a_group_are_drawn_one_by_one() -> None:
    groups = tuple("p1" if place < 10 else None for place in range(180))
    split = draw(LABELS, NO_SPLITS, groups, SplitRule(), 0)
    assert len({name for name in ("train", "val", "test") if set(range(10)) & set(getattr(split, name))}) == 1
    assert abs(len(split.test) - 36) <= 3


def test_groups_are_drawn_near_the_share_asked_for_and_change_with_the_seed() -> None:
    sizes_G = np.random.default_rng(0).integers(1, 9, 150)
    groups = tuple(np.repeat([f"p{number}" for number in range(150)], sizes_G).tolist())
    labels = np.repeat(np.arange(150) % 2, sizes_G)
    splits = [draw(labels, (None,) * len(labels), groups, SplitRule(), seed) for seed in (0, 1)]
    for label in (0, 1):
        assert np.isclose((labels[splits[0].test] == label).sum() / (labels == label).sum(), 0.2, atol=0.02)
    assert set(splits[0].val) != set(splits[1].val)


def test_one_class_of_one_patient_cannot_be_split() -> None:
    labels = np.repeat([0, 1], [10, 10])
    groups = tuple(f"p{place if place < 10 else 99}" for place in range(20))
    with pytest.raises(DataError, match="class ill comes from a single group") as caught:
        draw(labels, (None,) * 20, groups, SplitRule(), 0, classes=("well", "ill"))
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("rule", "kind", "text"),
    [
        (SplitRule(train_size=116), DataError, "more than the 115"),
        (SplitRule(train_size=2), DataError, "less than the 3 classes"),
    ],
)
def test_training_sizes_that_do_not_fit_are_named(rule: SplitRule, kind: type[XzooError], text: str) -> None:
    with pytest.raises(kind, match=text) as caught:
        drawn(rule)
    assert caught.value.remedy


def test_too_few_images_of_a_class_are_named_with_the_class() -> None:
    labels = np.repeat([0, 1], [10, 2])
    with pytest.raises(DataError, match="class rare has one left"):
        draw(labels, (None,) * 12, (None,) * 12, SplitRule(), 0, classes=("common", "rare"))


@pytest.mark.parametrize(
    "text",
    [
        "0.7",
        "0.7,0.4",
        "-0.5,1.5",
        "0,1",
        "1.0,0.0",
        "a,b",
        "0.5,",
        "nan,1",
        "inf,1",
        "0.4,0.2,0.2,0.2",
        "pool:0.7,0.3",
        "pools",
        ",",
        "pool0.5",
    ],
)
def test_rules_that_split_nothing_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.remedy


def test_a_training_size_below_one_is_refused() -> None:
    with pytest.raises(UsageError, match="train size 0"):
        SplitRule(train_size=0)


@pytest.mark.parametrize("text", ["declared", "0.7,0.3", "0.6,0.2,0.2", "pool", "pool:0.6,0.2,0.2"])
def test_a_rule_is_described_in_the_words_that_name_it(text: str) -> None:
    assert describe(parse(text)) == text
    assert describe(SplitRule(seed=2, train_size=9)) == "declared (seed 2, train size 9)"
