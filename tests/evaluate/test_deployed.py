"""A deployed network takes images as they come, and sees what Pillow would have shown it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.data.resize import fitted
from xzoo.errors import UsageError
from xzoo.evaluate.deployed import Deployed

CLASSES = ("a", "b", "c")


def deployed(num_channels: int = 3, num_outputs: int = 3, resize: int | None = None, interpolation: str = "bilinear") -> Deployed:
    preprocess = xzoo.Preprocess(
        size=(16, 12), mean=(0.5,) * num_channels, std=(0.25,) * num_channels, interpolation=interpolation
    )
    network = nn.Sequential(nn.Flatten(), nn.Linear(num_channels * 16 * 12, num_outputs))
    return Deployed(network, CLASSES[: max(2, num_outputs)], preprocess, resize).eval()


def picture(num_channels: int, height: int, width: int) -> Tensor:
    """Return a smooth image with an edge, uint8 (1,C,H,W)."""
    rows, columns = np.mgrid[:height, :width]
    waves = [127 + 80 * np.sin(rows / 5 + channel) + 40 * (columns > width / 2) for channel in range(num_channels)]
    return torch.from_numpy(np.stack(waves).astype(np.uint8))[None]


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("resize", [None, 20])
@pytest.mark.parametrize(("stored", "wanted"), [(1, 1), (1, 3), (3, 3), (3, 1)])
def test_tensors_are_resized_as_pillow_resizes_files(interpolation: str, resize: int | None, stored: int, wanted: int) -> None:
    image = picture(stored, 45, 61)
    expected = fitted(image[0].permute(1, 2, 0).numpy(), (16, 12), wanted, interpolation, resize).astype(np.float64)
    ours = deployed(wanted, resize=resize, interpolation=interpolation).fitted(image)[0] * 255
    assert ours.shape[1:] == (16, 12)
    assert np.abs(ours.numpy() - expected).max() <= 2


def test_images_of_the_right_size_are_left_as_they_are() -> None:
    image = picture(3, 16, 12)
    assert torch.equal(deployed().fitted(image), image.float() / 255)


def test_bytes_and_floats_mean_the_same() -> None:
    image = picture(3, 40, 40)
    model = deployed()
    assert torch.allclose(model(image), model(image.float() / 255), atol=0.02)
    assert torch.allclose(model(picture(3, 16, 12)), model(picture(3, 16, 12).double() / 255), atol=1e-5)


def test_a_single_logit_becomes_two_that_say_the_same() -> None:
    model = deployed(num_outputs=1)
    logits_BK = model(picture(3, 16, 12))
    z = model.network((picture(3, 16, 12).float() / 255 - 0.5) / 0.25)
    assert logits_BK.shape == (1, 2)
    assert logits_BK.softmax(1)[:, 1].item() == pytest.approx(torch.sigmoid(z).item(), abs=1e-6)
    assert model.probabilities(picture(3, 16, 12)).sum().item() == pytest.approx(1)


def test_auxiliary_outputs_are_passed_over() -> None:
    class Two(nn.Module):
        def forward(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
            return images_BCHW.mean((2, 3)), images_BCHW.sum((2, 3))

    model = deployed()
    model.network = Two()
    assert model(picture(3, 16, 12)).shape == (1, 3)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.zeros(3, 16, 12), r"\(3, 16, 12\)"),
        (torch.zeros(1, 4, 16, 12), r"\(1, 4, 16, 12\)"),
        (torch.zeros(0, 3, 16, 12), r"\(0, 3, 16, 12\)"),
        (torch.zeros(1, 3, 16, 12, dtype=torch.int64), "torch.int64"),
        (torch.full((1, 3, 16, 12), 255.0), "floats from 255 to 255"),
        (torch.full((1, 3, 16, 12), float("nan")), "floats from nan"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(images: Tensor, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        deployed()(images)


def test_a_deployed_network_can_be_exported() -> None:
    image = torch.rand(2, 3, 16, 12)
    model = deployed()
    exported = torch.export.export(model, (image,))
    assert torch.allclose(exported.module()(image), model(image), atol=1e-6)
