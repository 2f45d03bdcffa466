"""An order by blocks: every image once, the same for the same words, read in long pieces, its neighbours spread."""

from __future__ import annotations

import numpy as np
import pytest

from xzoo.data.order import Blocks, blocks_of, shuffled

ALL = np.arange(14 * 1400)
BLOCKS = Blocks(14, 200)


def test_every_image_comes_once_whatever_is_left_out() -> None:
    some = ALL[ALL % 5 != 2]
    assert np.array_equal(np.sort(shuffled(some, 0, 0, BLOCKS)), some)


def test_the_order_is_a_function_of_seed_epoch_and_blocks() -> None:
    orders = [shuffled(ALL, *words) for words in ((0, 0, BLOCKS), (1, 0, BLOCKS), (0, 1, BLOCKS), (0, 0, Blocks(14, 100)))]
    assert len({order.tobytes() for order in orders}) == 4
    assert np.array_equal(orders[0], shuffled(ALL, 0, 0, BLOCKS))


def test_without_blocks_the_order_is_the_one_it_always_was() -> None:
    assert shuffled(np.arange(8), 3, 2).tolist() == [5, 7, 4, 0, 1, 3, 6, 2]


def test_a_window_holds_whole_blocks_and_no_more_of_them_than_it_may() -> None:
    order = shuffled(ALL, 0, 0, BLOCKS)
    size = BLOCKS.images * BLOCKS.window
    for start in range(0, len(order), size):
        _, count = np.unique(order[start : start + size] // BLOCKS.images, return_counts=True)
        assert count.tolist() == [BLOCKS.images] * BLOCKS.window


def test_neighbours_in_the_file_are_spread_and_the_place_in_the_file_tells_nothing() -> None:
    order = shuffled(ALL, 0, 0, BLOCKS)
    assert abs(np.corrcoef(order, ALL)[0, 1]) < 4 / np.sqrt(len(ALL) / BLOCKS.images)
    distinct = [len(set((order[start : start + 32] // BLOCKS.images).tolist())) for start in range(0, len(order) - 32, 32)]
    assert np.mean(distinct) > 29


@pytest.mark.parametrize(
    ("how", "num_images", "found"),
    [
        ("auto", 1000, None),
        ("auto", 2**32 // 9216, None),
        ("auto", 2**32 // 9216 + 1, Blocks(14, 2080)),
        ("full", 10**9, None),
        ("blocks", 10, Blocks(14, 2080)),
    ],
)
def test_blocks_go_by_the_recipe_and_the_size_of_the_images_alone(how: str, num_images: int, found: Blocks | None) -> None:
    assert blocks_of(how, num_images, 9216) == found


def test_one_large_image_is_a_block() -> None:
    assert blocks_of("blocks", 10, 400 << 20) == Blocks(1, 2)
