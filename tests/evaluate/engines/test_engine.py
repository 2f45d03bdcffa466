from __future__ import annotations

import pytest
import torch
from torch import Tensor

from xzoo.errors import UnavailableError, UsageError
from xzoo.evaluate.engines.engine import in_batches
from xzoo.evaluate.engines.table import ENGINES, available, engine
from xzoo.train.device import Device

CPU = Device("cpu", "fp32", 1)


def test_an_unknown_engine_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="there is no engine 'eagr'") as caught:
        engine("eagr", CPU)
    assert caught.value.remedy.startswith("did you mean eager? ")


def test_an_engine_that_cannot_run_here_says_what_is_missing_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(ENGINES["eager"]), "missing", lambda _self, _device: ("it is away", "pip install it"))
    with pytest.raises(UnavailableError, match="the engine eager cannot run on cpu: it is away") as caught:
        engine("eager", CPU)
    assert caught.value.remedy == "pip install it"
    assert "eager" not in {one.name for one in available(CPU)}


def test_engines_are_known_by_their_own_names() -> None:
    assert {name: one.name for name, one in ENGINES.items()} == {name: name for name in ENGINES}
    assert available(CPU)[0].name == "eager"


@pytest.mark.parametrize("num_images", [1, 3, 4, 5, 8, 11])
def test_batches_of_one_size_serve_any_number_of_images(num_images: int) -> None:
    sizes = []

    def run(images_BCHW: Tensor) -> Tensor:
        sizes.append(len(images_BCHW))
        return images_BCHW.mean((1, 2, 3))

    images_BCHW = torch.randn(num_images, 3, 2, 2)
    found_B = in_batches(run, 4)(images_BCHW)
    assert torch.equal(found_B, images_BCHW.mean((1, 2, 3)))
    assert sizes == [4] * -(-num_images // 4)
