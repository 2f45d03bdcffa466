"""The engines by their names."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from xzoo.errors import UnavailableError, UsageError
from xzoo.evaluate.engines.cudagraph import CudaGraph
from xzoo.evaluate.engines.eager import Eager
from xzoo.evaluate.engines.engine import Engine
from xzoo.evaluate.engines.inductor import Inductor
from xzoo.evaluate.engines.onnxruntime import OnnxRuntime
from xzoo.evaluate.engines.openvino import OpenVino
from xzoo.train.device import Device

_ALL: tuple[Engine, ...] = (Eager(), Inductor(), OpenVino(), OnnxRuntime(), CudaGraph())
ENGINES: Mapping[str, Engine] = {one.name: one for one in _ALL}


def engine(name: str, device: Device) -> Engine:
    """Return the engine of this name. Raises UsageError for an unknown one, UnavailableError for one that cannot run here."""
    if name not in ENGINES:
        near = difflib.get_close_matches(name, ENGINES, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no engine {name!r}", f"{hint}use one of {', '.join(ENGINES)}")
    found = ENGINES[name]
    if missing := found.missing(device):
        raise UnavailableError(f"the engine {name} cannot run on {device.kind}: {missing[0]}", missing[1])
    return found


def available(device: Device) -> tuple[Engine, ...]:
    """Return the engines that can run on this device, eager first."""
    return tuple(one for one in ENGINES.values() if one.missing(device) is None)
