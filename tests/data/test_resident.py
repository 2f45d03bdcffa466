from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from xzoo.data import resident
from xzoo.data.pack import make_pack, make_view
from xzoo.data.resident import images_on
from xzoo.data.source import arrays, open_source

GRAY = np.random.default_rng(0).integers(0, 256, (8, 6, 6), dtype=np.uint8)


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The devices that images were brought to, one word for each time."""
    found: list[str] = []

    def bring(rows: NDArray[np.uint8], device: str) -> Tensor | None:
        found.append(device)
        return None if device == "full" else torch.from_numpy(np.array(rows))

    monkeypatch.setattr(resident, "resident", bring)
    return found


def made() -> Any:
    return make_pack(open_source(arrays(GRAY, np.arange(8) % 2)))


def test_images_are_brought_once_for_all_who_work_on_a_pack(brought: list[str]) -> None:
    pack = made()
    view, again, other = (make_view(pack, size=size, num_channels=3) for size in ((6, 6), (6, 6), (4, 4)))
    assert images_on(pack, view, "a", bring=False) is None
    held = images_on(pack, view, "a", bring=True)
    assert held is not None
    assert np.array_equal(held.numpy(), view.pixels_NCHW[np.arange(len(pack))])
    assert images_on(pack, again, "a", bring=True) is held
    assert images_on(pack, view, "a", bring=False) is held
    assert brought == ["a"]
    smaller = images_on(pack, other, "a", bring=True)
    assert smaller is not None
    assert smaller.shape == (8, 1, 4, 4)
    assert images_on(pack, view, "a", bring=False) is None
    assert images_on(pack, other, "b", bring=False) is None


def test_what_does_not_fit_is_asked_for_again(brought: list[str]) -> None:
    pack = made()
    view = make_view(pack, size=(6, 6), num_channels=3)
    assert [images_on(pack, view, "full", bring=True) for _ in range(2)] == [None, None]
    assert brought == ["full", "full"]


def test_images_go_when_their_pack_goes(brought: list[str]) -> None:
    pack = made()
    images_on(pack, make_view(pack, size=(6, 6), num_channels=3), "a", bring=True)
    before = len(resident._KEPT)
    del pack
    gc.collect()
    assert len(resident._KEPT) == before - 1
