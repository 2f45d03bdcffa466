"""Read tensors from a file that a stranger may have written: nothing in it is ever executed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from xzoo.errors import WeightsError
from xzoo.model import safetensors_file, torch_file
from xzoo.model.described import Described, RefusedError

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PARALLEL = "module."
_DEPTH = 3
_Leaf = TypeVar("_Leaf", Tensor, Described)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the state dict in a .safetensors, .pth or .pt file, on the CPU, taken out of the usual wrappings.

    Raises WeightsError for a file that is missing, truncated, no checkpoint, or a pickle of more than tensors.
    """
    return state_dict(read_content(path), str(path))


def read_content(path: Path, *, holds_more: bool = False) -> Any:
    """Return all that a .safetensors, .pth or .pt file holds, wrappings included, on the CPU. Raises WeightsError.

    What a file would give is told before any tensor is read; unless it `holds_more`, that must be a state dict.
    """
    if not path.is_file():
        raise WeightsError(f"there is no file {path}", "check the path behind the '@'")
    if not path.stat().st_size:
        raise WeightsError(f"{path} is empty (0 bytes)", "copy or fetch it again")
    try:
        if path.suffix == ".safetensors":
            safetensors_file.check(path)
            return _safetensors(path)
        content = torch_file.contents(path)
    except RefusedError as refused:
        raise WeightsError(f"{path} {refused.what}", refused.remedy) from None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}", "check its permissions and its disk") from error
    if not holds_more:
        _named(content, str(path), Described)
    return _pickled(path)


def state_dict(content: Any, source: str) -> dict[str, Tensor]:
    """Take the state dict out of what a checkpoint holds: `{"state_dict": ...}` and its like, a `module.` before every name.

    Raises WeightsError where there is none.
    """
    return _named(content, source, Tensor)


def _named(content: Any, source: str, kind: type[_Leaf]) -> dict[str, _Leaf]:
    for _ in range(_DEPTH):
        key = next((key for key in _WRAPPERS if isinstance(content, Mapping) and isinstance(content.get(key), Mapping)), None)
        content = content if key is None else content[key]
    if not isinstance(content, Mapping) or not content or not all(isinstance(value, kind) for value in content.values()):
        raise WeightsError(
            f"{source} holds {_describe(content)}, no state dict", "save module.state_dict() in it, best as .safetensors"
        )
    if odd := next((key for key in content if not isinstance(key, str)), None):
        raise WeightsError(f"{source} names a tensor {_shown(odd)}, no state dict", "save module.state_dict() in it")
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
            return torch.load(path, map_location="cpu", weights_only=True, mmap=torch_file.is_zip(path))
    except Exception as error:
        # torch.load answers a damaged file with whatever its parsers raise; its words advise to load the file all the same.
        raise WeightsError(f"{path} is truncated or no checkpoint ({type(error).__name__})", "copy or fetch it again") from error


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"{len(content)} entries such as {', '.join(_shown(key) for key in list(content)[:3])}" if content else "nothing"
    return "a tensor" if isinstance(content, Described) else f"a {type(content).__name__}"


def _shown(key: object) -> str:
    # Keys may be anything in what a plugin reads.
    return repr(key[:60] if isinstance(key, str) else key) if isinstance(key, str | int | None) else f"a {type(key).__name__}"


def _first_line(error: Exception) -> str:
    # torch goes on to guess at causes; its first sentence says what it met.
    lines = str(error).strip().split(". ")[0].splitlines()
    return lines[0][:200] if lines and " " in lines[0] else type(error).__name__
