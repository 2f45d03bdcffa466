import numpy as np
import pytest
import torch

from xzoo.data.augment import POLICIES, Policy, augmented, luminance, parse, uniforms
from xzoo.errors import UsageError

IMAGES = torch.rand(7, 3, 20, 26, generator=torch.Generator().manual_seed(0))
INDICES = np.array([4, 9, 2, 77, 5, 0, 31])


@pytest.mark.parametrize("name", ["chest-xray", "natural"])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_an_image_is_changed_alike_alone_and_in_any_batch(name: str, memory_format: torch.memory_format) -> None:
    images = IMAGES.contiguous(memory_format=memory_format)
    together = augmented(images, POLICIES[name], 3, 1, INDICES)
    for place, index in enumerate(INDICES):
        alone = augmented(images[place : place + 1], POLICIES[name], 3, 1, np.array([index]))
        assert torch.equal(alone[0], together[place])
    assert torch.equal(augmented(images.flip(0), POLICIES[name], 3, 1, INDICES[::-1].copy()), together.flip(0))


@pytest.mark.parametrize("name", ["chest-xray", "natural"])
def test_every_seed_epoch_and_index_draws_anew(name: str) -> None:
    one = IMAGES[:1]
    results = [augmented(one, POLICIES[name], *draw, np.array([index])) for draw in ((0, 0), (0, 1), (1, 0)) for index in (0, 1)]
    assert all(not torch.equal(a, b) for place, a in enumerate(results) for b in results[:place])
    assert all(result.min() >= 0 and result.max() <= 1 and result.shape == one.shape for result in results)


def test_no_augmentation_changes_nothing() -> None:
    assert augmented(IMAGES, parse("none"), 0, 0, INDICES) is IMAGES


def test_a_chest_xray_is_never_flipped_and_a_natural_image_half_the_time() -> None:
    left = torch.zeros(200, 1, 16, 16)
    left[..., :8] = 1
    sides = {name: augmented(left, POLICIES[name], 0, 0, np.arange(200)) for name in ("chest-xray", "natural")}
    flipped = {
        name: int((image[:, 0, :, :8].mean((1, 2)) < image[:, 0, :, 8:].mean((1, 2))).sum()) for name, image in sides.items()
    }
    assert flipped["chest-xray"] == 0
    assert 70 < flipped["natural"] < 130


def test_rotation_is_rigid_where_images_are_not_square() -> None:
    bar = torch.zeros(1, 1, 41, 81)
    bar[0, 0, 20, 20:61] = 1
    policy = Policy(rotation=40.0)
    seed = next(seed for seed in range(99) if abs(2 * uniforms(seed, 0, np.array([0]), 10)[0, 0] - 1) > 0.9)
    rows, columns = torch.nonzero(augmented(bar, policy, seed, 0, np.array([0]))[0, 0] > 0.3, as_tuple=True)
    length = torch.hypot((rows.max() - rows.min()).float(), (columns.max() - columns.min()).float())
    assert abs(float(length) - 40) < 2


@pytest.mark.parametrize(
    ("policy", "low", "high"),
    [(Policy(brightness=0.15), 0.35, 0.65), (Policy(contrast=0.15), 0.5, 0.5), (Policy(translation=0.05), 0.45, 0.5)],
)
def test_changes_stay_within_the_policy(policy: Policy, low: float, high: float) -> None:
    means = augmented(torch.full((300, 1, 20, 20), 0.5), policy, 0, 0, np.arange(300)).mean((1, 2, 3))
    assert means.min() >= low - 1e-3
    assert means.max() <= high + 1e-3


def test_one_channel_is_changed_as_its_repetition_is() -> None:
    gray = IMAGES[:, :1]
    for policy in POLICIES.values():
        repeated = augmented(gray.expand(-1, 3, -1, -1).contiguous(), policy, 0, 0, INDICES)
        assert torch.allclose(repeated, augmented(gray, policy, 0, 0, INDICES).expand_as(repeated), atol=1e-6)


def test_uniforms_are_uniform_and_uncorrelated() -> None:
    drawn = uniforms(0, 0, np.arange(20_000), 10)
    assert drawn.shape == (20_000, 10)
    assert np.abs(drawn.mean(axis=0) - 0.5).max() < 0.01
    assert np.abs(np.corrcoef(np.hstack([drawn[:-1], drawn[1:]]).T) - np.eye(20)).max() < 0.03


def test_luminance_of_gray_is_itself() -> None:
    assert torch.allclose(luminance(IMAGES[:, :1].expand(-1, 3, -1, -1)), IMAGES[:, :1])


def test_an_unknown_policy_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="chest-xary") as caught:
        parse("chest-xary")
    assert caught.value.remedy == "did you mean 'chest-xray'?"
    with pytest.raises(UsageError) as caught:
        parse("zzz")
    assert "natural" in caught.value.remedy
