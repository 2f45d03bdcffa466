"""The forms in which a trained network leaves xzoo: how each is made, and how it is loaded back from its files.

B = images in a batch, C = channels, H, W = pixels, K = classes
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from xzoo import durable
from xzoo.errors import StorageError, UnavailableError, UsageError
from xzoo.evaluate.deployed import Deployed
from xzoo.evaluate.engines import onnxruntime as onnx_engine
from xzoo.evaluate.engines import openvino as openvino_engine
from xzoo.evaluate.engines.engine import missing_extra
from xzoo.evaluate.graph import Graph
from xzoo.evaluate.pooling import with_fixed_pooling
from xzoo.model.fusion import fused
from xzoo.model.modes import refresh
from xzoo.train.device import Device, version_of
from xzoo.zoo.wording import brief, did_you_mean

INPUT, OUTPUT = "images", "logits"
KEY = "xzoo"
"""Under what a file's own metadata holds the record."""

Run = Callable[[Tensor], Tensor]


class Format(Protocol):
    """A form of file. `package` loads it, `takes` says what goes in: pixels in [0, 1], or normalised; `file` is the first."""

    name: str
    package: str
    takes: str
    file: str

    def missing(self) -> tuple[str, str] | None:
        """Return what keeps it from being made here, and the remedy."""
        ...

    def files(self, model: Deployed, images_BCHW: Tensor, record: str) -> Mapping[str, bytes]:
        """Return the files by their names, with `record` in the metadata.

        Raises UnavailableError for a network that the format cannot hold.
        """
        ...

    def load(self, folder: Path, model: Deployed, images_BCHW: Tensor) -> Run:
        """Return what the files in a folder make of pixels in [0, 1] (B,C,H,W): logits (B,K).

        Nothing of `model` is used but what its format leaves to the reader.
        """
        ...


class TorchExport:
    """PyTorch's own: a graph with its weights, for any number of images."""

    name, package, takes = "pt2", "torch", "pixels"
    file = "model.pt2"

    def missing(self) -> None:
        """Return None: torch is always here."""

    def files(self, model: Deployed, images_BCHW: Tensor, record: str) -> Mapping[str, bytes]:
        """Return the file; `record` is an extra file in it."""
        buffer = io.BytesIO()
        try:
            with torch.no_grad():
                found = torch.export.export(Graph(model), (images_BCHW[:2],), dynamic_shapes=({0: torch.export.Dim("B")},))
            torch.export.save(found, buffer, extra_files={f"{KEY}.json": record})
        except Exception as error:  # the exporter raises whatever it meets
            raise _cannot("torch.export", self.name, error) from error
        return {self.file: buffer.getvalue()}

    def load(self, folder: Path, model: Deployed, images_BCHW: Tensor) -> Run:
        """Return the graph of the file."""
        del model, images_BCHW
        run: Run = torch.export.load(folder / self.file).module()
        return run


class Onnx:
    """ONNX, for ONNX Runtime and what else reads it; `record` is in `metadata_props`."""

    name, package, takes = "onnx", "onnxruntime", "pixels"
    file = "model.onnx"

    def missing(self) -> tuple[str, str] | None:
        """Return that the extra is not installed."""
        return missing_extra("onnxruntime", ("onnx", "onnxruntime"), _device())

    def files(self, model: Deployed, images_BCHW: Tensor, record: str) -> Mapping[str, bytes]:
        """Return the file."""
        import onnx

        try:
            graph = fused(with_fixed_pooling(Graph(model), images_BCHW[:2]))
            found = onnx.load_from_string(onnx_engine.exported(graph, images_BCHW[:2], OUTPUT))
        except UnavailableError as error:
            raise UnavailableError(error.text, _without(self.name)) from error
        onnx.helper.set_model_props(found, {KEY: record})
        return {self.file: found.SerializeToString()}

    def load(self, folder: Path, model: Deployed, images_BCHW: Tensor) -> Run:
        """Return a session of ONNX Runtime."""
        del model, images_BCHW
        return onnx_engine.session(str(folder / self.file), _device())


class OpenVino:
    """OpenVINO's intermediate representation, weights in float32; `record` is in `rt_info`."""

    name, package, takes = "openvino", "openvino", "pixels"
    file = "model.xml"

    def missing(self) -> tuple[str, str] | None:
        """Return that the extra is not installed."""
        return missing_extra("openvino", ("openvino",), _device())

    def files(self, model: Deployed, images_BCHW: Tensor, record: str) -> Mapping[str, bytes]:
        """Return both files."""
        try:
            found = openvino_engine.converted(fused(Graph(model)), images_BCHW[:1].contiguous())
        except UnavailableError as error:
            raise UnavailableError(error.text, _without(self.name)) from error
        found.reshape([-1, *images_BCHW.shape[1:]])
        found.input().get_tensor().set_names({INPUT})
        found.output().get_tensor().set_names({OUTPUT})
        found.set_rt_info(record, [KEY])
        with durable.temporary_folder("xzoo-openvino-") as folder:
            try:
                # Its own default halves the weights to float16.
                openvino_engine.library().save_model(found, folder / self.file, compress_to_fp16=False)
            except RuntimeError as error:
                raise StorageError(f"OpenVINO cannot write {folder}: {brief(str(error))}", "free some space there") from error
            return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}

    def load(self, folder: Path, model: Deployed, images_BCHW: Tensor) -> Run:
        """Return the file compiled for the CPU, to compute in float32."""
        del model
        return openvino_engine.compiled(openvino_engine.core().read_model(folder / self.file), images_BCHW, _device())


class Safetensors:
    """The tensors of the network under the names of its source, for code that builds the network; `record` is in the header."""

    name, package, takes = "safetensors", "safetensors", "normalised pixels"
    file = "model.safetensors"

    def missing(self) -> None:
        """Return None: safetensors is always here."""

    def files(self, model: Deployed, images_BCHW: Tensor, record: str) -> Mapping[str, bytes]:
        """Return the file."""
        from safetensors.torch import save

        del images_BCHW
        # Tensors that share memory cannot be kept, and memory that lies channels last cannot either.
        tensors = {name: tensor.detach().clone().contiguous() for name, tensor in model.network.state_dict().items()}
        return {self.file: save(tensors, {"format": "pt", KEY: record})}

    def load(self, folder: Path, model: Deployed, images_BCHW: Tensor) -> Run:
        """Return a copy of the network that knows nothing but what the file holds."""
        from safetensors.torch import load_file

        del images_BCHW
        blank = copy.deepcopy(model)
        with torch.no_grad():
            for tensor in blank.network.state_dict().values():
                tensor.fill_(float("nan") if tensor.is_floating_point() else 0)
        blank.network.load_state_dict(load_file(folder / self.file))
        refresh(blank.network)
        return blank.logits


_ALL: tuple[Format, ...] = (TorchExport(), Onnx(), OpenVino(), Safetensors())
FORMATS: Mapping[str, Format] = {one.name: one for one in _ALL}


def formats(names: Sequence[str]) -> tuple[Format, ...]:
    """Return the formats of these names. Raises UsageError for an unknown one, UnavailableError for a missing extra."""
    known = f"use {', '.join(FORMATS)}"
    if not names:
        raise UsageError("no format is named", known)
    for name in names:
        if name not in FORMATS:
            raise UsageError(f"there is no format {name!r}", did_you_mean(name, FORMATS) + known)
        if missing := FORMATS[name].missing():
            raise UnavailableError(f"the format {name} cannot be written here: {missing[0]}", missing[1])
    return tuple(FORMATS[name] for name in dict.fromkeys(names))


def version(form: Format) -> str:
    """Return the package that loads a format, with its version."""
    return f"{form.package} {version_of(form.package)}"


def _device() -> Device:
    return Device("cpu", "fp32", torch.get_num_threads())


def _cannot(what: str, name: str, error: Exception) -> UnavailableError:
    return UnavailableError(f"{what} cannot follow this network: {brief(str(error)) or type(error).__name__}", _without(name))


def _without(name: str) -> str:
    return f"leave {name} out of --to, and export another format"
