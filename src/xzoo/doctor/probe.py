"""What is asked of the heavy libraries, inside a process of its own: any of them may raise, hang, or end its process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xzoo.zoo.wording import told

Tell = Callable[[Any], None]


def look(request: object, tell: Tell) -> None:
    """Import torch, then what stands on it, and tell of each: that it begins, then what it says of itself or what it raised."""
    del request
    for name, ask in (("torch", _torch), ("torchvision", _torchvision), ("timm", _timm), ("precision", _precision)):
        tell({"begins": name})
        try:
            answer = ask()
        except BaseException as error:
            answer = {"fault": told(error)}
        tell({"of": name, **answer})


def _torch() -> dict[str, Any]:
    import numpy as np
    import torch

    answer: dict[str, Any] = {
        "cuda": torch.version.cuda or "",
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "devices": [_device(index) for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else [],
    }
    try:
        torch.from_numpy(np.zeros(1)).numpy()
    except RuntimeError as error:
        answer["numpy"] = told(error)
    return answer


def _device(index: int) -> dict[str, Any]:
    import torch

    facts = torch.cuda.get_device_properties(index)
    capability = torch.cuda.get_device_capability(index)
    return {
        "name": facts.name,
        "capability": f"{capability[0]}.{capability[1]}",
        "memory_gb": facts.total_memory / 1e9,
        "has_bf16": capability >= (8, 0),
    }


def _torchvision() -> dict[str, Any]:
    import torch
    import torchvision  # noqa: F401 - that its operators are registered is what is asked

    boxes_N4, scores_N = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1)
    torch.ops.torchvision.nms(boxes_N4, scores_N, 0.5)
    return {}


def _timm() -> dict[str, Any]:
    import timm  # noqa: F401 - that it can be imported is what is asked

    return {}


def _precision() -> dict[str, Any]:
    from xzoo.train.device import choose

    chosen = choose()
    return {"kind": chosen.kind, "precision": chosen.precision}
