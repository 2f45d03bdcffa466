from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import xzoo
from xzoo.data.batches import Batches
from xzoo.data.pack import Pack, make_view
from xzoo.data.share import Share


@given(st.integers(0, 40), st.integers(1, 9))
def test_the_parts_of_all_ranks_are_the_batch_in_its_order_and_differ_by_one_image(num_images: int, count: int) -> None:
    parts = [range(num_images)[Share(rank, count).part(num_images)] for rank in range(count)]
    assert [index for part in parts for index in part] == list(range(num_images))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(st.integers(1, 40), st.integers(1, 9))
def test_who_has_no_image_stands_in_on_the_first_one(num_images: int, count: int) -> None:
    for rank in range(count):
        share = Share(rank, count)
        seen = range(num_images)[share.seen(num_images)]
        assert len(seen) >= 1
        assert share.is_empty(num_images) == (rank >= num_images)
        assert seen == (range(1) if share.is_empty(num_images) else range(num_images)[share.part(num_images)])


@pytest.mark.parametrize("augment", ["none", "natural"])
@pytest.mark.parametrize("count", [2, 3])
def test_ranks_see_together_what_one_process_sees(pack: Pack, augment: str, count: int) -> None:
    preprocess = xzoo.Preprocess(size=16, mean=(0.5,) * 3, std=(0.25,) * 3)
    view = make_view(pack, size=(16, 16), num_channels=3, interpolation="bilinear", resize=None)
    whole = Batches(view, pack.labels_N, np.arange(22), preprocess, 7, seed=3, augment=augment)
    each = [dataclasses.replace(whole, share=Share(rank, count)) for rank in range(count)]
    for epoch, start in ((0, 0), (1, 2)):
        batches: Any = zip(whole.epoch(epoch, start), *(one.epoch(epoch, start) for one in each), strict=True)
        for (images_BCHW, labels_B), *shares in batches:
            own = [images for rank, (images, _) in enumerate(shares) if rank < len(labels_B)]
            assert torch.equal(torch.cat(own), images_BCHW)
            assert all(torch.equal(labels, labels_B) for _, labels in shares)
    assert len(list(each[1].ordered())) == len(list(whole.ordered())), "what is only looked at comes whole"
    assert all(len(images) == len(labels) for images, labels in each[1].ordered())
