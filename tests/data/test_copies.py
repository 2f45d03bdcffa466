"""Byte-identical images stay on one side of a split that is drawn."""

from __future__ import annotations

import numpy as np

from xzoo.data.pack import Pack, make_pack
from xzoo.data.source import arrays, open_source
from xzoo.data.split import SplitRule, draw


def packed(num_distinct: int, copies: int = 2) -> Pack:
    """Images of two classes, each image standing `copies` times."""
    distinct_NHW = np.random.default_rng(0).integers(0, 256, (2 * num_distinct, 8, 8), dtype=np.uint8)
    return make_pack(open_source(arrays(np.concatenate([distinct_NHW] * copies), np.arange(2 * num_distinct * copies) % 2)))


def test_no_copy_lies_on_another_side_of_a_drawn_boundary() -> None:
    pack = packed(20)
    for seed in range(3):
        split = draw(pack.labels_N, pack.splits_N, pack.together_N, SplitRule(), seed)
        sides = [{pack.together_N[index] for index in part} for part in (split.train, split.val, split.test)]
        assert all(sides)
        assert not (sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2])


def test_copies_are_no_patients() -> None:
    assert set(packed(20).groups_N) == {None}


def test_with_hardly_an_image_of_its_own_a_class_is_split_all_the_same() -> None:
    pack = packed(2, copies=10)
    assert set(pack.together_N) == {None}
    assert len(draw(pack.labels_N, pack.splits_N, pack.together_N, SplitRule(), 0).test) == 8
