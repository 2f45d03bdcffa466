"""What is put into a network is numbers of the kind that it holds, and every honest checkpoint gives what torch gives."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import xzoo
from crafted import PROTOCOL, rowed, storage, tensor, zipped
from xzoo.errors import WeightsError
from xzoo.model.checkpoint_file import read_content
from xzoo.model.weights import load
from xzoo.zoo.spec import Choice, FileStart


class Masked(nn.Module):
    """A layer with a mask that is infinite by its build."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm, self.head = nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)
        self.register_buffer("mask", torch.full((2, 2), -torch.inf).triu(1))


BACKBONE = xzoo.Backbone(name="net", build=Masked, head=xzoo.ReplaceLinear("head"), stages={"body": ("layer", "norm", "mask")})


def loaded(tmp_path: Path, **changes: Tensor) -> nn.Module:
    path, module = tmp_path / "net.pth", Masked()
    torch.save({**Masked().state_dict(), **changes}, path)
    load(module, Choice(BACKBONE, FileStart(str(path)), name="net"))
    return module


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["layer.weight", "norm.running_var", "mask"])
def test_what_is_no_number_is_told(name: str, value: float, tmp_path: Path) -> None:
    tensor = Masked().state_dict()[name].clone()
    tensor.view(-1)[2 if name == "mask" else 1] = value
    if name == "mask":
        loaded(tmp_path, mask=tensor)
        return
    with pytest.raises(WeightsError, match=rf"net\.pth holds 1 of {tensor.numel()} values in {name} that are NaN, infinite"):
        loaded(tmp_path, **{name: tensor})


def test_a_number_beyond_the_networks_type_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"2 of 3 values in layer\.bias that are NaN, infinite, or too large"):
        loaded(tmp_path, **{"layer.bias": torch.tensor([1e300, 1.0, -1e39], dtype=torch.float64)})


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_numbers_of_another_width_are_taken(dtype: torch.dtype, tmp_path: Path) -> None:
    bias = torch.tensor([0.5, -2.0, 3.0], dtype=dtype)
    assert loaded(tmp_path, **{"layer.bias": bias}).state_dict()["layer.bias"].tolist() == [0.5, -2.0, 3.0]


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool])
def test_numbers_of_another_kind_are_told(dtype: torch.dtype, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=rf"holds layer\.bias as {str(dtype)[6:]}, the network as float32"):
        loaded(tmp_path, **{"layer.bias": torch.ones(3, dtype=dtype)})


def test_a_counter_may_be_a_number_with_a_point(tmp_path: Path) -> None:
    module = loaded(tmp_path, **{"norm.num_batches_tracked": torch.tensor(7.0)})
    assert int(module.state_dict()["norm.num_batches_tracked"]) == 7


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [(torch.eye(4)[:3].to_sparse(), "sparse_coo float32"), (torch.ones(3, 4, device="meta"), "without values")],
)
def test_what_a_plugin_reads_is_held_to_the_same(tensor: Tensor, kind: str) -> None:
    weights = xzoo.Weights("made", read=lambda: {**Masked().state_dict(), "layer.weight": tensor})
    with pytest.raises(WeightsError, match=f"holds layer.weight as .*{kind}"):
        load(Masked(), Choice(BACKBONE, weights, name="net"))


def training() -> dict[str, Any]:
    """What people keep beside the weights, in every form that plain tensors come in."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    optimiser = torch.optim.AdamW(net.parameters())
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimiser, [3, 5])
    net(torch.ones(2, 3, 4, 4)).sum().backward()
    optimiser.step()
    shared = torch.arange(12.0).reshape(3, 4)
    return {
        "model": net.state_dict(),
        "optimizer": optimiser.state_dict(),
        "scheduler": scheduler.state_dict(),
        "counts": Counter("abba"),
        "milestones": {3, 5},
        "kinds": (torch.float32, torch.Size([2, 3]), torch.device("cpu"), b"bytes", None, True, 1e-3, -(2**70)),
        "parameter": nn.Parameter(torch.ones(2)),
        "views": [shared, shared.t(), shared[1:, 2], shared.reshape(-1)[3:]],
        "last": torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "small": [torch.tensor(3.0), torch.zeros(0, 3), torch.ones(1, 1).expand(1, 1)],
        "narrow": [torch.ones(3, dtype=one) for one in (torch.bfloat16, torch.float16, torch.int8, torch.uint8, torch.bool)],
    }


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b) and (a.dtype, a.stride()) == (b.dtype, b.stride())
    if isinstance(a, dict):
        return type(a) is type(b) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@pytest.mark.parametrize("is_zip", [True, False])
def test_every_honest_form_is_read_as_torch_reads_it(is_zip: bool, tmp_path: Path) -> None:
    path = tmp_path / "training.pth"
    torch.save(training(), path, _use_new_zipfile_serialization=is_zip)
    assert same(read_content(path, holds_more=True), torch.load(path, weights_only=True))


@pytest.mark.parametrize("write", [zipped, rowed])
def test_what_python_2_wrote_is_read_as_torch_reads_it(write: Any, tmp_path: Path) -> None:
    held = storage(views=b"N" if write is rowed else b"")
    pairs = b"](](" + b"U\x01w" + tensor(held) + b"e](" + b"U\x01v" + tensor(held, shape=(4,), stride=(1,)) + b"ee"
    write(tmp_path / "old.pth", PROTOCOL + b"ccollections\nOrderedDict\n" + pairs + b"\x85R.")
    assert same(read_content(tmp_path / "old.pth"), torch.load(tmp_path / "old.pth", weights_only=True))
    assert {name: tuple(one.shape) for name, one in read_content(tmp_path / "old.pth").items()} == {"w": (2, 2), "v": (4,)}


def test_a_network_that_was_saved_with_numpy_numbers_is_refused(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2), "best": np.float64(0.9)}, tmp_path / "best.pth")
    with pytest.raises(WeightsError, match=r"asks for 'numpy.*nothing in it was executed"):
        read_content(tmp_path / "best.pth", holds_more=True)
