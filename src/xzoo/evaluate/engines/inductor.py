"""torch.compile: code made for one network, after seconds to minutes of compiling.

B = images in a batch, C = channels, H, W = pixels
"""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import types
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from xzoo.evaluate.engines.eager import infer, prepared
from xzoo.evaluate.engines.engine import Loaded, in_batches
from xzoo.train.device import Device

_COMPILERS = ("g++", "clang++", "c++")
_number = itertools.count()


class Inductor:
    """Compiles for batches of one size, with the weights as constants (`freezing`), which lets them lie as the kernels want."""

    name = "inductor"
    package = "torch"

    def missing(self, device: Device) -> tuple[str, str] | None:
        """Return that there is no compiler: C++ for the CPU, Triton for CUDA."""
        if device.kind == "cpu" and not any(shutil.which(one) for one in _COMPILERS):
            return "there is no C++ compiler", "install g++, or use the engine eager"
        if device.kind != "cpu" and importlib.util.find_spec("triton") is None:
            return "there is no Triton", "pip install triton, or use the engine eager"
        return None

    def load(self, module: nn.Module, images_BCHW: Tensor, device: Device) -> Loaded:
        """Return the module compiled and run once, so that no later call compiles."""
        ready, precision, detail = prepared(module, images_BCHW, device)
        compiled = torch.compile(_own_code(ready), dynamic=False, options={"freezing": True})

        def run(images_BCHW: Tensor) -> Tensor:
            return infer(compiled, images_BCHW, precision)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run(images_BCHW)
        return Loaded(in_batches(run, len(images_BCHW)), precision, f"{detail}, torch.compile with frozen weights")


def _own_code(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return the module's call as a function with a code object of its own.

    torch counts compilations by code object, and runs what comes after the eighth uncompiled, without a word.
    """

    def call(images_BCHW: Tensor) -> Tensor:
        output: Tensor = module(images_BCHW)
        return output

    code = call.__code__.replace(co_name=f"call_{next(_number)}")
    return types.FunctionType(code, call.__globals__, closure=call.__closure__)
