"""Where a network goes: other devices, other memory orders, other precisions, other engines."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorDeviceMismatchError

from xzoo.conformance.check import check
from xzoo.conformance.images import draw
from xzoo.conformance.numerics import AMPLIFIED, GROSS, by_rounding, deviation, really_differs, share
from xzoo.conformance.passes import features_of
from xzoo.conformance.steps import device
from xzoo.conformance.subject import Subject
from xzoo.conformance.trials import Trial, without_values
from xzoo.conformance.verdicts import Fault, InapplicableError, Note
from xzoo.errors import UnavailableError
from xzoo.evaluate.engines.agreement import noise
from xzoo.evaluate.engines.table import available
from xzoo.model.body import body_of, whole_of
from xzoo.model.cut import NoCut, cut
from xzoo.model.fusion import fused
from xzoo.model.ownership import HEAD
from xzoo.train.device import Device, too_long
from xzoo.zoo.wording import told

FILES = 1.8e9
"""Bytes of parameters that a file of ONNX can hold beside the graph."""

BF16 = 1.0
"""The share of the features' size by which bfloat16 may change them: random networks amplify rounding, EfficientNet-B0 to 0.36.

Some more: then float32's own rounding says how much, being 2^16 times finer. What rounding does to what tells images apart is
guarded where it is used.
"""

COARSER = 2**16


@check
def devices(on: Subject) -> Iterator[Fault]:
    """On another device the network computes there: all that it needs moves with it, or is made where its input is."""
    trial = Trial(size=on.size, num_channels=on.preprocess.num_channels, device="cuda")
    for training in (False, True):
        try:
            without_values(on, Trial(**{**vars(trial), "training": training}))
        except FakeTensorDeviceMismatchError as error:
            yield Fault(
                f"on a GPU the forward pass mixes devices: {told(error)}",
                "torch.zeros(..., device=x.device) in forward(), and register_buffer() for constants",
            )
            return
        except Exception as error:  # a forward that looks at values cannot run without them
            raise InapplicableError(f"it cannot be followed without values: {told(error)}") from error


@check
def channels_last(on: Subject) -> Iterator[Fault]:
    """With channels last in memory the network computes the same."""
    paths, alive, expected = on.backbone.head.paths, on.alive, on.seen.features
    images_BCHW = on.images_BCHW.contiguous(memory_format=torch.channels_last)

    def apart(network: nn.Module) -> float:
        network.to(memory_format=torch.channels_last)
        kind = next(network.parameters()).dtype
        whole = expected if kind == expected.dtype else features_of(network, paths, on.images_BCHW)
        return deviation(features_of(network, paths, images_BCHW), whole)

    try:
        off = apart(alive.network)
        if really_differs(off, alive.network, apart, _features(on, on.images_BCHW)):
            yield Fault(
                f"with channels last features are off by {off:.1e}", "use reshape() and flatten(), and no strides, in forward()"
            )
    finally:
        alive.network.to(memory_format=torch.contiguous_format)


@check
def bfloat16(on: Subject) -> Iterator[Fault | Note]:
    """Under autocast to bfloat16 features are finite and near those of float32."""
    if why := too_long(on.alive.network):
        raise InapplicableError(f"it computes in float32 on a CPU: {why}")
    with torch.no_grad(), Device("cpu", "bf16", torch.get_num_threads()).arithmetic():
        features = on.alive.features(on.images_BCHW).float()
        logits_BK = on.alive(on.images_BCHW)
    exact = on.seen.features
    if not bool(torch.isfinite(features).all()) or not bool(torch.isfinite(logits_BK).all()):
        yield Fault(
            "features or logits are not finite", "keep sums and exponentials in float32: torch.autocast(..., enabled=False)"
        )
        return
    off = share(features, exact)
    if off > BF16 and off > AMPLIFIED * COARSER * by_rounding(on.alive.network, _features(on, on.images_BCHW), share):
        yield Fault(
            f"features are off by {off:.0%} of their size", "keep what needs float32 in it: torch.autocast(..., enabled=False)"
        )
    yield Note(f"bfloat16 changes features by {off:.1%} of their size, {noise(features, exact):.1%} of their spread")


def _features(on: Subject, images_BCHW: torch.Tensor) -> Callable[[nn.Module], torch.Tensor]:
    """Return what takes the features of these images from a network."""
    paths = on.backbone.head.paths
    return lambda network: features_of(network, paths, images_BCHW)


@check
def exports(on: Subject) -> Iterator[Fault]:
    """A traced network computes the same for another number of images."""
    whole, images_BCHW = whole_of(on.alive), on.images_BCHW
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(whole, images_BCHW[:2], check_trace=False)  # type: ignore[no-untyped-call]
            found = traced(images_BCHW)
    except Exception as error:  # tracing raises whatever it meets
        yield Fault(f"it cannot be traced for 2 images and run on {len(images_BCHW)}: {told(error)}", _DYNAMIC)
        return
    off = deviation(found, on.seen.answer)
    if off > GROSS:
        yield Fault(f"traced for 2 images it is off by {off:.1e} on {len(images_BCHW)}", _DYNAMIC)


_DYNAMIC = "in forward(), take sizes from x.shape where they are used, and decide nothing by the values of tensors"


@check
def engines(on: Subject) -> Iterator[Fault | Note]:
    """What an installed engine for CPUs makes of the network computes the same; one that cannot take it leaves it to torch."""
    body, images_BCHW = body_of(on.alive), draw(2, on.preprocess.num_channels, on.preprocess.shape)
    with torch.no_grad():
        expected = body(images_BCHW)
    others = [one for one in available(device()) if one.name in {"openvino", "onnxruntime"}]
    if not others:
        raise InapplicableError("neither openvino nor onnxruntime is installed")
    num_bytes = sum(tensor.numel() * tensor.element_size() for tensor in body.state_dict().values())
    for engine in others:
        if engine.name == "onnxruntime" and num_bytes > FILES:
            yield Note("too large for one file of ONNX")
            continue
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                found = engine.load(body, images_BCHW, device())(images_BCHW)
        except UnavailableError as error:
            yield Note(f"{engine.name}: {error.text}")
        except Exception as error:  # an engine raises whatever it meets
            yield Note(f"{engine.name}: {told(error)}")
        else:
            off = deviation(found.reshape(expected.shape) if found.numel() == expected.numel() else found, expected)
            yield from _judged(on, engine.name, off, images_BCHW)


def _judged(on: Subject, name: str, off: float, images_BCHW: torch.Tensor) -> Iterator[Fault | Note]:
    """Yield what an engine's deviation means, given what rounding alone does to this network."""
    if off <= GROSS:
        return
    floor = by_rounding(on.alive.network.eval(), _features(on, images_BCHW))
    if off > AMPLIFIED * floor:
        yield Fault(f"{name} is off by {off:.1e}", "use operations in forward() that it knows")
    else:
        yield Note(
            f"{name} is off by {off:.1e}, float32 itself by {floor:.1e}: at random this network tells nothing of an engine"
        )


@check
def cuts(on: Subject) -> Iterator[Note]:
    """Below its last stage the network can be cut in two; where not, phases with frozen stages train on images."""
    found = cut(on.alive, {HEAD, on.alive.stages[-1]}, on.images_BCHW[:2])
    on.alive.network.eval()
    yield Note(f"no cut below {on.alive.stages[-1]}: {found.reason}" if isinstance(found, NoCut) else f"cut at {found.place}")


@check
def folds(on: Subject) -> Iterator[Fault | Note]:
    """With its batch norms folded into convolutions the network computes the same."""
    paths, network = on.backbone.head.paths, on.alive.network.eval()

    def apart(network: nn.Module, folded: nn.Module) -> float:
        return deviation(features_of(folded, paths, on.images_BCHW), features_of(network, paths, on.images_BCHW))

    folded = fused(network)
    off = apart(network, folded.network)
    if really_differs(off, network, lambda exact: apart(exact, fused(exact).network), _features(on, on.images_BCHW)):
        yield Fault(f"folded it is off by {off:.1e}", "this is xzoo's own doing: report it, with the name of the network")
    yield Note(f"{folded.num_folded} batch norms folded")
