"""What every engine keeps that makes something of its own of a network. Those whose extra is missing are skipped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from xzoo.errors import UnavailableError
from xzoo.evaluate.engines.engine import Engine
from xzoo.evaluate.engines.inductor import Inductor
from xzoo.evaluate.engines.onnxruntime import OnnxRuntime
from xzoo.evaluate.engines.openvino import OpenVino
from xzoo.evaluate.engines.table import ENGINES
from xzoo.train.device import Device

IMAGES_BCHW = torch.randn(9, 3, 16, 16, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=torch.channels_last)
# float32 rounds by 6e-8 at each of a few layers, bfloat16 by up to 1/256.
TOLERANCES = {"fp32": 1e-5, "bf16": 2e-2}
CONVERTING = (pytest.param("inductor", marks=pytest.mark.slow), "onnxruntime", "openvino")


class Network(nn.Module):
    """Two convolutions, a batch norm behind one of them, and a branch that looks at sizes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
        self.head = nn.Linear(8 * 36, 4)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        found = nn.functional.adaptive_avg_pool2d(self.body(images_BCHW), 6)
        logits_BK: Tensor = self.head(found.reshape(found.shape[0], -1))
        return logits_BK


def device(precision: str, threads: int = 1) -> Device:
    return Device("cpu", precision, threads)


@pytest.fixture(params=CONVERTING)
def engine(request: pytest.FixtureRequest) -> Engine:
    found = ENGINES[request.param]
    if missing := found.missing(device("fp32")):
        pytest.skip(missing[0])
    return found


@pytest.mark.parametrize("asked", ["fp32", "bf16"])
@torch.no_grad()
def test_outputs_are_those_of_the_module_for_any_number_of_images(engine: Engine, asked: str) -> None:
    module = Network().eval()
    loaded = engine.load(module, IMAGES_BCHW[:4], device(asked))
    assert loaded.precision in {asked, "fp32"}
    assert loaded.detail
    for images_BCHW in (IMAGES_BCHW[:4], IMAGES_BCHW[:1], IMAGES_BCHW, IMAGES_BCHW[:5].contiguous()):
        found, expected = loaded(images_BCHW), module(images_BCHW)
        assert found.dtype == torch.float32
        assert found.shape == expected.shape
        assert float((found - expected).abs().max() / expected.abs().max()) < TOLERANCES[loaded.precision]


def test_one_image_at_a_time_is_served_too(engine: Engine) -> None:
    module = Network().eval()
    loaded = engine.load(module, IMAGES_BCHW[:1], device("fp32"))
    assert torch.allclose(loaded(IMAGES_BCHW[:3]), module(IMAGES_BCHW[:3]), rtol=1e-4, atol=1e-5)


def test_a_result_stays_when_the_next_batch_is_computed(engine: Engine) -> None:
    loaded = engine.load(Network(), IMAGES_BCHW[:4], device("fp32"))
    first = loaded(IMAGES_BCHW[:4])
    kept = first.clone()
    loaded(IMAGES_BCHW[4:8])
    assert torch.equal(first, kept)


def test_the_given_module_is_left_as_it_was_and_is_needed_no_more(engine: Engine) -> None:
    module = Network()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    loaded = engine.load(module, IMAGES_BCHW[:4], device("fp32"))
    expected = loaded(IMAGES_BCHW[:4])
    assert module.training
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.zero_()
    assert torch.equal(loaded(IMAGES_BCHW[:4]), expected)


def test_gradients_can_flow_behind_it(engine: Engine) -> None:
    features = engine.load(Network(), IMAGES_BCHW[:4], device("fp32"))(IMAGES_BCHW[:4])
    head = nn.Linear(4, 2)
    head(features).sum().backward()
    assert head.weight.grad is not None


def test_openvino_gives_the_same_bytes_when_loaded_again() -> None:
    pytest.importorskip("openvino")
    for precision, threads in (("fp32", 1), ("bf16", 1), ("bf16", 2)):
        first, second = (OpenVino().load(Network(), IMAGES_BCHW, device(precision, threads)) for _ in range(2))
        assert torch.equal(first(IMAGES_BCHW), second(IMAGES_BCHW))
        assert torch.equal(first(IMAGES_BCHW), first(IMAGES_BCHW))


def test_onnxruntime_says_that_it_computes_in_float32() -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    loaded = OnnxRuntime().load(Network(), IMAGES_BCHW, device("bf16"))
    assert loaded.precision == "fp32"
    assert loaded.detail.endswith("because it has no bf16 on CPUs")


class Odd(nn.Module):
    """Computes what neither OpenVINO nor ONNX knows."""

    def forward(self, images_BCHW: Tensor) -> Tensor:
        found: Tensor = torch.linalg.eigvals(images_BCHW).real
        return found


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"], indirect=True)
def test_a_network_that_cannot_be_converted_is_told(engine: Engine) -> None:
    with pytest.raises(UnavailableError, match=r"cannot convert|cannot be exported") as caught:
        engine.load(Odd(), IMAGES_BCHW, device("fp32"))
    assert caught.value.remedy == "use the engine eager"


@pytest.mark.parametrize(
    ("name", "remedy"), [("openvino", "pip install 'xzoo[openvino]'"), ("onnxruntime", "pip install 'xzoo[onnxruntime]'")]
)
def test_an_extra_that_is_not_installed_is_named_with_its_line(name: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert ENGINES[name].missing(device("fp32")) == (f"the extra {name} is not installed", remedy)


def test_engines_say_what_else_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Device("cuda", "bf16", 1)
    assert ENGINES["cudagraph"].missing(device("fp32")) == ("it needs a CUDA device", "use the engine eager")
    assert ENGINES["cudagraph"].missing(cuda) is None
    assert all(ENGINES[name].missing(cuda) for name in ("openvino", "onnxruntime"))
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert Inductor().missing(device("fp32")) == ("there is no C++ compiler", "install g++, or use the engine eager")


@pytest.mark.slow
def test_a_ninth_network_is_compiled_like_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._dynamo

    if missing := Inductor().missing(device("fp32")):
        pytest.skip(missing[0])
    monkeypatch.setattr(torch._dynamo.config, "fail_on_recompile_limit_hit", True)
    made: Callable[[int], nn.Module] = lambda width: nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU())  # noqa: E731
    for width in range(1, 11):
        assert Inductor().load(made(width), IMAGES_BCHW[:1], device("fp32"))(IMAGES_BCHW[:1]).shape[1] == width
