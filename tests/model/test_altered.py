"""Checkpoints with bytes changed, cut out or put in at drawn places: a WeightsError or tensors, and nothing else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from xzoo.errors import WeightsError
from xzoo.model.checkpoint_file import read_tensors

TRIES = 400


def altered(data: bytes, draw: random.Random) -> bytes:
    begin = draw.randrange(len(data))
    kind = draw.randrange(4)
    if kind == 0:
        return data[:begin] + bytes([data[begin] ^ 1 << draw.randrange(8)]) + data[begin + 1 :]
    if kind == 1:
        return data[:begin] + data[begin + draw.randrange(1, 40) :]
    if kind == 2:
        return data[:begin] + draw.randbytes(draw.randrange(1, 40)) + data[begin:]
    return data[:begin] + draw.choice([b"\xff" * 8, bytes(8), b"\x7f", b"c", b"R.", b"PK\x05\x06"]) + data[begin + 8 :]


@pytest.mark.parametrize("form", ["zip", "row", "safetensors"])
def test_nothing_but_an_error_or_tensors_comes_of_it(form: str, tmp_path: Path) -> None:
    path = tmp_path / ("net.safetensors" if form == "safetensors" else "net.pth")
    state = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).state_dict()
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    data, draw, refused = path.read_bytes(), random.Random(form), list[str]()
    for _ in range(TRIES):
        path.write_bytes(altered(data, draw))
        try:
            found = read_tensors(path)
        except WeightsError as error:
            refused.append(error.text)
        else:
            assert all(isinstance(tensor, Tensor) for tensor in found.values())
    assert len(refused) > TRIES / 4
    assert all(text.isprintable() for text in refused)
