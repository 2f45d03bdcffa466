"""ONNX Runtime on the CPU, in float32: what many deployments use, and a second opinion on the others.

B = images in a batch, C = channels, H, W = pixels
"""

from __future__ import annotations

import io
import warnings

import torch
from torch import Tensor, nn

from xzoo.errors import UnavailableError
from xzoo.evaluate.engines.engine import Loaded, missing_extra
from xzoo.model.fusion import fused
from xzoo.train.device import Device

_OPSET = 18


class OnnxRuntime:
    """Exports a module and hands the file's bytes, which never reach a disk, to a session."""

    name = "onnxruntime"
    package = "onnxruntime"

    def missing(self, device: Device) -> tuple[str, str] | None:
        """Return that the extra is not installed, or that the device is no CPU."""
        return missing_extra(self.name, ("onnx", "onnxruntime"), device)

    def load(self, module: nn.Module, images_BCHW: Tensor, device: Device) -> Loaded:
        """Return a session of any batch size, in float32 also where bfloat16 is asked for: its CPU kernels know no other.

        Raises UnavailableError for a module that cannot be exported.
        """
        return session(exported(fused(module), images_BCHW[:2]), device)


def session(model: bytes | str, device: Device) -> Loaded:
    """Return what a file in ONNX computes, given as its bytes or its path, on as many threads as the device has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = device.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    ready = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    (name,) = (one.name for one in ready.get_inputs())

    def run(images_BCHW: Tensor) -> Tensor:
        (found,) = ready.run(None, {name: images_BCHW.detach().contiguous().numpy()})
        return torch.from_numpy(found)

    reason = ", because it has no bf16 on CPUs" if device.precision == "bf16" else ""
    return Loaded(run, "fp32", f"ONNX Runtime {onnxruntime.__version__}, opset {_OPSET}, fp32{reason}")


def exported(module: nn.Module, images_BCHW: Tensor, output: str = "output") -> bytes:
    """Return a module as a file in ONNX: `images` of any number to `output`. Raises UnavailableError where there is none."""
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            # The exporter by tracing is called deprecated; the other one needs a package more and takes longer.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                (images_BCHW.contiguous(),),
                buffer,  # type: ignore[arg-type]
                input_names=["images"],
                output_names=[output],
                dynamic_axes={"images": {0: "B"}, output: {0: "B"}},
                opset_version=_OPSET,
                dynamo=False,
            )
    except Exception as error:  # the exporter raises whatever it meets
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise UnavailableError(f"this network cannot be exported to ONNX: {reason}", "use the engine eager") from error
    return buffer.getvalue()
