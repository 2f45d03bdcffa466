"""Read tensors from a file that a stranger may have written: nothing in it is ever executed."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xzoo.errors import WeightsError

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PARALLEL = "module."
_DEPTH = 3
_GLOBAL = re.compile(r"GLOBAL (\S+)")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the state dict in a .safetensors, .pth or .pt file, on the CPU, taken out of the usual wrappings.

    Raises WeightsError for a file that is missing, truncated, no checkpoint, or a pickle of more than tensors.
    """
    return state_dict(read_content(path), str(path))


def read_content(path: Path) -> Any:
    """Return all that a .safetensors, .pth or .pt file holds, wrappings included, on the CPU. Raises WeightsError."""
    if not path.is_file():
        raise WeightsError(f"there is no file {path}", "check the path behind the '@'")
    if not path.stat().st_size:
        raise WeightsError(f"{path} is empty (0 bytes)", "copy or fetch it again")
    return _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)


def state_dict(content: Any, source: str) -> dict[str, Tensor]:
    """Take the state dict out of what a checkpoint holds: `{"state_dict": ...}` and its like, a `module.` before every name.

    Raises WeightsError where there is none.
    """
    for _ in range(_DEPTH):
        key = next((key for key in _WRAPPERS if isinstance(content, Mapping) and isinstance(content.get(key), Mapping)), None)
        content = content if key is None else content[key]
    if not isinstance(content, Mapping) or not content or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(
            f"{source} holds {_describe(content)}, no state dict", "save module.state_dict() in it, best as .safetensors"
        )
    parallel = all(name.startswith(_PARALLEL) for name in content)
    return {name.removeprefix(_PARALLEL) if parallel else name: tensor for name, tensor in content.items()}


def _safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{path} is no whole .safetensors file: {_first_line(error)}", "copy or fetch it again") from error


def _pickled(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # What torch would warn of, such as an old pickle protocol, either loads or is told below.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own words advise loading the file all the same, which is no advice for a stranger's file.
        if wanted := _GLOBAL.search(str(error)):
            raise WeightsError(
                f"{path} holds more than tensors (it asks for {wanted[1]!r}), and nothing in it was executed",
                "save its state dict alone, best as .safetensors, on a machine where you trust it",
            ) from error
        raise WeightsError(
            f"{path} is no checkpoint", "name a .safetensors file, or what torch.save wrote of a state dict"
        ) from error
    except Exception as error:
        # torch.load answers a damaged file with whatever its parsers raise: RuntimeError, EOFError, KeyError, ...
        raise WeightsError(f"{path} is truncated or no checkpoint: {_first_line(error)}", "copy or fetch it again") from error


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"{len(content)} entries such as {', '.join(repr(key) for key in list(content)[:3])}" if content else "nothing"
    return f"a {type(content).__name__}"


def _first_line(error: Exception) -> str:
    # torch goes on to guess at causes; its first sentence says what it met.
    lines = str(error).strip().split(". ")[0].splitlines()
    return lines[0][:200] if lines and " " in lines[0] else type(error).__name__
