import dataclasses
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from xzoo.data.batches import Batches, at_once
from xzoo.data.pack import View, make_pack, make_view
from xzoo.data.source import arrays, open_source
from xzoo.errors import UsageError
from xzoo.zoo.spec import Preprocess

GRAY = np.random.default_rng(0).integers(0, 256, (11, 6, 8), dtype=np.uint8)
RGB = Preprocess(size=(6, 8))
ONE = Preprocess(size=(6, 8), mean=(0.5,), std=(0.25,))
LABELS = np.arange(11) % 2


def view_of(pixels_NCHW: NDArray[np.uint8]) -> View:
    return View("key", pixels_NCHW, 3, (6, 8))


def batches(**changes: object) -> Batches:
    start = Batches(view_of(GRAY[:, None]), np.arange(11) * 10, np.arange(11), RGB, 4)
    return dataclasses.replace(start, **changes)  # type: ignore[arg-type]


def joined(pairs: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, list[int]]:
    images, labels = zip(*pairs, strict=True)
    return torch.cat(images), torch.cat(labels).tolist()


def test_every_image_comes_once_with_its_label_normalised_by_its_definition() -> None:
    images, labels = joined(batches().epoch(0))
    assert images.dtype == torch.float32
    assert images.shape == (11, 3, 6, 8)
    assert sorted(labels) == list(range(0, 110, 10))
    for image, label in zip(images, labels, strict=True):
        for channel in range(3):
            expected = (GRAY[label // 10] / 255 - RGB.mean[channel]) / RGB.std[channel]
            assert np.allclose(image[channel].numpy(), expected, atol=1e-5)


def test_the_order_is_a_pure_function_of_seed_and_epoch() -> None:
    orders = [joined(batches(seed=seed).epoch(epoch))[1] for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert len({tuple(order) for order in orders}) == 3
    assert joined(batches(seed=0).epoch(1))[1] == orders[1]


def test_with_k_views_an_image_is_augmented_in_k_ways() -> None:
    def by_label(augmented: Batches, epoch: int) -> Tensor:
        images, labels = joined(augmented.epoch(epoch))
        return images[np.argsort(labels)]

    free, three = batches(augment="chest-xray"), batches(augment="chest-xray", views=3)
    for epoch in range(7):
        assert torch.equal(by_label(three, epoch), by_label(free, epoch % 3))
    assert joined(three.epoch(4))[1] == joined(free.epoch(4))[1]
    assert not torch.equal(by_label(free, 1), by_label(free, 4))


@pytest.mark.parametrize(
    ("size", "expected"), [(4, [4, 4, 3]), (5, [5, 6]), (11, [11]), (10, [11]), (1, [1] * 9 + [2]), (64, [11])]
)
def test_a_last_batch_of_one_image_joins_the_one_before(size: int, expected: list[int]) -> None:
    assert [len(labels) for _, labels in batches(batch_size=size).epoch(0)] == expected
    assert batches(batch_size=size).num_steps == len(expected)


@pytest.mark.parametrize(("device", "images"), [("cpu", 32), ("cuda:1", 128)])
def test_what_is_only_looked_at_comes_in_larger_batches_on_cuda(device: str, images: int) -> None:
    assert at_once(32, device) == images


def test_a_single_image_is_a_batch_and_none_is_none() -> None:
    assert [len(labels) for _, labels in batches(indices=np.array([3])).ordered()] == [1]
    assert list(batches(indices=np.array([], dtype=np.int64)).epoch(0)) == []


def test_ordered_batches_follow_the_indices_and_are_not_augmented() -> None:
    chosen = np.array([7, 2, 9])
    images, labels = joined(batches(indices=chosen, augment="chest-xray").ordered())
    assert labels == [70, 20, 90]
    assert torch.equal(images, joined(batches(indices=chosen).ordered())[0])


def test_augmentation_does_not_depend_on_the_batch_an_image_is_in() -> None:
    small, large = (joined(batches(augment="chest-xray", batch_size=size).epoch(2)) for size in (2, 11))
    assert small[1] == large[1]
    assert torch.equal(small[0], large[0])
    assert not torch.equal(small[0], joined(batches().epoch(2))[0])


def test_gray_images_give_what_their_repetition_in_rgb_gives() -> None:
    repeated = batches(view=view_of(GRAY[:, None].repeat(3, axis=1)))
    assert torch.equal(joined(repeated.epoch(0))[0], joined(batches().epoch(0))[0])


def test_gray_and_rgb_datasets_give_the_same_through_pack_and_view() -> None:
    stacks = GRAY, GRAY[..., None].repeat(3, axis=-1)
    views = [make_view(make_pack(open_source(arrays(stack, LABELS))), size=(5, 5), num_channels=3) for stack in stacks]
    assert torch.equal(*(joined(batches(view=view).ordered())[0] for view in views))


def test_colour_becomes_one_channel_by_luminance() -> None:
    colour = np.random.default_rng(1).integers(0, 256, (11, 3, 6, 8), dtype=np.uint8)
    images, _ = joined(batches(view=view_of(colour), preprocess=ONE).ordered())
    expected = np.einsum("nchw,c->nhw", colour / 255, [0.299, 0.587, 0.114])
    assert np.allclose(images[:, 0].numpy(), (expected - 0.5) / 0.25, atol=1e-5)


def test_a_strided_view_gives_what_a_copy_of_it_gives() -> None:
    strided = np.random.default_rng(1).integers(0, 256, (11, 6, 8, 3), dtype=np.uint8).transpose(0, 3, 1, 2)
    both = [joined(batches(view=view_of(pixels)).epoch(0))[0] for pixels in (strided, np.ascontiguousarray(strided))]
    assert torch.equal(*both)


def test_batches_are_channels_last_where_asked() -> None:
    assert next(batches().epoch(0))[0].is_contiguous(memory_format=torch.channels_last)
    assert next(batches(channels_last=False).epoch(0))[0].is_contiguous()


@pytest.mark.parametrize(
    "changes",
    [
        {"augment": "mixup"},
        {"batch_size": 0},
        {"view": view_of(GRAY[:, None].repeat(3, axis=1)), "preprocess": Preprocess(size=8, mean=(0.5,) * 2, std=(1.0,) * 2)},
    ],
)
def test_batches_that_cannot_be_had_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        batches(**changes)
    assert caught.value.remedy


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_on_cuda_are_those_of_the_cpu() -> None:
    for augment in ("none", "chest-xray"):
        there, here = (joined(batches(device=device, augment=augment).epoch(0)) for device in ("cuda", "cpu"))
        assert there[0].device.type == "cuda"
        assert torch.allclose(there[0].cpu(), here[0], atol=1e-4)
