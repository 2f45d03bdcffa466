"""OpenVINO on the CPU: the fastest there for most networks, after a conversion of some tenths of a second.

B = images in a batch, C = channels, H, W = pixels
"""

from __future__ import annotations

import functools
import itertools
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xzoo.errors import UnavailableError
from xzoo.evaluate.engines.engine import Loaded, filled, in_batches, missing_extra
from xzoo.model.fusion import fused
from xzoo.train.device import Device

_PRECISIONS = {"bf16": "bf16", "fp32": "f32"}
_FEWEST = 4
"""A batch is cut into pieces of at least so many images."""


class OpenVino:
    """Converts a traced module and compiles it for batches of one size."""

    name = "openvino"
    package = "openvino"

    def missing(self, device: Device) -> tuple[str, str] | None:
        """Return that the extra is not installed, or that the device is no CPU."""
        return missing_extra(self.name, ("openvino",), device)

    def load(self, module: nn.Module, images_BCHW: Tensor, device: Device) -> Loaded:
        """Return the module compiled for as many threads as the device has. Raises UnavailableError where it cannot be converted.

        One image gets all threads together. A batch is cut into a piece for each thread, since pieces need not wait for each
        other. Images that lie channels last in memory are read as they lie.
        """
        return compiled(converted(fused(module), images_BCHW[:1].contiguous()), images_BCHW, device)


def compiled(model: Any, images_BCHW: Tensor, device: Device) -> Loaded:
    """Return an OpenVINO model of any batch size compiled for batches as large as `images_BCHW`, in the device's precision."""
    num_pieces = max(1, min(device.threads, len(images_BCHW) // _FEWEST))
    size = -(-len(images_BCHW) // num_pieces)
    is_last = _is_channels_last(images_BCHW)
    config = {
        "INFERENCE_PRECISION_HINT": _PRECISIONS[device.precision],
        "INFERENCE_NUM_THREADS": device.threads,
        "NUM_STREAMS": num_pieces,
    }
    ready = core().compile_model(_shaped(model, (size, *images_BCHW.shape[1:]), is_last), "CPU", config)
    requests = [ready.create_infer_request() for _ in range(num_pieces)]
    precision = "bf16" if "bf" in str(ready.get_property("INFERENCE_PRECISION_HINT")) else "fp32"
    version = library().__version__.partition("-")[0]
    return Loaded(_runner(requests, size, is_last), precision, f"OpenVINO {version}, {num_pieces} streams of {size} images")


def library() -> Any:
    """Return the module `openvino`, imported without its telemetry: else every import would report to a server."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # to Python, what cannot be imported
    import openvino

    return openvino


@functools.cache
def core() -> Any:
    """Return OpenVINO's runtime, one for the whole process, which is never taken down.

    On processors with AMX each runtime gives its thread another stack for signals, and on its end takes back the one before, even
    if that is freed by then: with two of them the next Ctrl-C ends the process with a segmentation fault (OpenVINO 2026.4).
    """
    return library().Core()


def converted(module: nn.Module, images_BCHW: Tensor) -> Any:
    """Return an OpenVINO model of any batch size. Raises UnavailableError where there is none.

    OpenVINO's own front end takes the traced module. Its `convert_model` runs the module three times to trace it, calls telemetry
    and takes three times as long.
    """
    library()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    try:
        with warnings.catch_warnings(), torch.no_grad():
            # torch calls its tracer deprecated; the exporter that is to follow takes OpenVINO three times as long.
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(module, images_BCHW, check_trace=False)  # type: ignore[no-untyped-call]
            front_end = FrontEndManager().load_by_framework("pytorch")
            # Constants are copied, since shared ones would die with the module; the decoder must live as long as it is read.
            decoder = TorchScriptPythonDecoder(traced, shared_memory=False)
            return front_end.convert(front_end.load(decoder))
    except Exception as error:  # both raise whatever they meet
        reason = str(error).strip().rpartition("\n")[2][:200] or type(error).__name__
        raise UnavailableError(f"OpenVINO cannot convert this network: {reason}", "use the engine eager") from error


def _shaped(model: Any, shape: Sequence[int], is_last: bool) -> Any:
    """Return the model for images of one shape, float32, whose channels come last in memory where `is_last` says so."""
    from openvino import Layout, Type
    from openvino.preprocess import PrePostProcessor

    model.reshape(list(shape))
    processor = PrePostProcessor(model)
    processor.input().tensor().set_element_type(Type.f32).set_layout(Layout("NHWC" if is_last else "NCHW"))
    processor.input().model().set_layout(Layout("NCHW"))
    processor.output().tensor().set_element_type(Type.f32)
    return processor.build()


def _runner(requests: Sequence[Any], size: int, is_last: bool) -> Callable[[Tensor], Tensor]:
    def run_alone(images_BCHW: Tensor) -> Tensor:
        requests[0].infer([_array(images_BCHW, is_last)], share_inputs=True)
        # A copy, since the next call writes to the same memory.
        return torch.tensor(requests[0].get_output_tensor(0).data)

    def run_all(images_BCHW: Tensor) -> Tensor:
        found = []
        pieces = iter(torch.split(images_BCHW, size))
        while group := list(itertools.islice(pieces, len(requests))):
            for request, piece in zip(requests, group, strict=False):
                request.start_async([_array(filled(piece, size), is_last)], share_inputs=True)
            for request, piece in zip(requests, group, strict=False):
                request.wait()
                found.append(torch.tensor(request.get_output_tensor(0).data[: len(piece)]))
        return found[0] if len(found) == 1 else torch.cat(found)

    return in_batches(run_alone, size) if len(requests) == 1 else run_all


def _array(images_BCHW: Tensor, is_last: bool) -> NDArray[np.float32]:
    """Return the images as memory that OpenVINO reads in place: a copy only where they lie otherwise than at loading."""
    if is_last:
        return images_BCHW.detach().contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).numpy()
    return images_BCHW.detach().contiguous().numpy()


def _is_channels_last(images_BCHW: Tensor) -> bool:
    return images_BCHW.shape[1] > 1 and images_BCHW.is_contiguous(memory_format=torch.channels_last)
