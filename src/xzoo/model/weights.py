"""Put weights into a freshly built network: all that belong to it and nothing else, or an error that says what differs."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xzoo.errors import WeightsError, XzooError
from xzoo.model import fetch as fetching
from xzoo.model import verified
from xzoo.model.checkpoint_file import read_content, state_dict
from xzoo.zoo.spec import Choice, FileStart, RandomStart, Weights

_SHOWN = 3


@dataclass(frozen=True)
class LoadedWeights:
    """What a network starts from. `sha256` is of the file's bytes; `left_out` names checkpoint and network keys not loaded."""

    name: str
    licence: str = ""
    sha256: str = ""
    source: str = ""
    path: str = ""
    left_out: tuple[str, ...] = ()


def locate(choice: Choice, *, fetch: bool = True) -> Path | None:
    """Return the weights' file, fetched where it is not here and `fetch` allows; else None, as where no file is needed.

    Raises WeightsError, StorageError.
    """
    path = fetching.where(choice)
    if path is None or path.is_file():
        return path
    if isinstance(choice.start, FileStart):
        raise WeightsError(f"there is no file {path}", "check the path behind the '@'")
    return fetching.fetch(choice) if fetch else None


def load(module: nn.Module, choice: Choice) -> LoadedWeights:
    """Load the chosen weights into `module`, freshly built with its published head, and return what they are.

    Tensors that the declaration leaves out, and in a local file a head of another shape, keep the values they were built with.
    Raises WeightsError, and StorageError where fetching cannot write.
    """
    start = choice.start
    if isinstance(start, RandomStart):
        return LoadedWeights(name=choice.weights_name, licence=choice.backbone.licence, source="random")
    if isinstance(start, Weights) and start.read is not None:
        tensors = _converted(module, _read(choice, start), choice, choice.label)
        left_out = _put(module, tensors, choice, start.name)
        return LoadedWeights(start.name, start.licence, _digest(tensors), "read", "", left_out)
    path = locate(choice)
    if path is None:
        raise WeightsError(
            f"the weights {choice.label} have no file", "declare a url, a file on the hub, or a function that reads them"
        )
    sha256 = fetching.verify(path, start) if isinstance(start, Weights) else ""
    content = read_content(path, holds_more=choice.backbone.convert is not None)
    left_out = _put(module, _converted(module, content, choice, str(path)), choice, str(path))
    if isinstance(start, Weights):
        return LoadedWeights(start.name, start.licence, sha256, start.url or start.hf or "file", str(path), left_out)
    return LoadedWeights(choice.weights_name, "", verified.sha256(path), "file", str(path), left_out)


def _read(choice: Choice, weights: Weights) -> Any:
    assert weights.read is not None
    try:
        return weights.read()
    except XzooError:
        raise
    except Exception as error:
        raise WeightsError(
            f"{choice.label} cannot be read: {type(error).__name__}: {error}", "ask its plugin's author"
        ) from error


def _converted(module: nn.Module, content: Any, choice: Choice, source: str) -> dict[str, Tensor]:
    """Return the state dict in what a file holds, under the network's names where the declaration can convert it."""
    if choice.backbone.convert is None:
        return state_dict(content, source)
    with contextlib.suppress(WeightsError):
        content = state_dict(content, source)
    try:
        content = choice.backbone.convert(module, content)
    except XzooError:
        raise
    except Exception as error:
        raise WeightsError(
            f"{source} holds nothing that {choice.backbone.name} can take over: {type(error).__name__}: {error}",
            f"give weights of {choice.backbone.name}, or use {choice.backbone.name}@random",
        ) from error
    return state_dict(content, source)


def _put(module: nn.Module, tensors: Mapping[str, Tensor], choice: Choice, source: str) -> tuple[str, ...]:
    """Copy tensors into the module and return the names that were left out, on either side. Raises WeightsError."""
    own = module.state_dict()
    given, left_out = _renamed(tensors, choice)
    replaced = _optional(choice)
    if replaced:
        odd = {name for name, tensor in given.items() if name not in own or own[name].shape != tensor.shape}
        dropped = {name for name in odd if _is_below(name, replaced)}
        given = {name: tensor for name, tensor in given.items() if name not in dropped}
        left_out |= dropped
    # Batch norms saved before PyTorch 0.4.1 have no counter; torch itself starts it at 0.
    absent = {name for name in own if name not in given and not name.endswith("num_batches_tracked")}
    excused = {name for name in absent if _is_below(name, (*choice.backbone.leave_out, *replaced))}
    _refuse_foreign(own, given, absent - excused, choice.backbone.name, source)
    for name, tensor in given.items():
        _refuse_values(name, own[name], tensor, source)
    with torch.no_grad():
        module.load_state_dict(given, strict=False)
    return tuple(sorted(left_out | excused))


def _renamed(tensors: Mapping[str, Tensor], choice: Choice) -> tuple[dict[str, Tensor], set[str]]:
    """Return tensors under the network's names, and the names of those that the declaration leaves out."""
    given: dict[str, Tensor] = {}
    left_out: set[str] = set()
    for name, tensor in tensors.items():
        new = name
        for pattern, replacement in choice.backbone.rename:
            new = re.sub(pattern, replacement, new)
        if _is_below(name, choice.backbone.leave_out) or _is_below(new, choice.backbone.leave_out):
            left_out.add(new)
        else:
            given[new] = tensor
    return given, left_out


def _optional(choice: Choice) -> tuple[str, ...]:
    """Return the prefixes of tensors that the weights may lack; of a local file, those that get new heads or are not deployed."""
    if isinstance(choice.start, Weights):
        return tuple(choice.start.optional)
    return (*choice.backbone.head.paths, *(auxiliary.path for auxiliary in choice.backbone.auxiliary))


def _refuse_foreign(
    own: Mapping[str, Tensor], given: Mapping[str, Tensor], missing: set[str], backbone: str, source: str
) -> None:
    unexpected = [name for name in given if name not in own]
    reshaped = [
        f"{name} {_shape(tensor)} instead of {_shape(own[name])}"
        for name, tensor in given.items()
        if name in own and own[name].shape != tensor.shape
    ]
    faults = [
        f"{len(names)} {what} ({', '.join(list(names)[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''})"
        for what, names in (("missing", sorted(missing)), ("unexpected", unexpected), ("of another shape", reshaped))
        if names
    ]
    if faults:
        raise WeightsError(
            f"{source} was made for another network than {backbone}: of {len(own)} tensors {'; '.join(faults)}",
            f"give weights of {backbone}, or use {backbone}@random",
        )


def _refuse_values(name: str, own: Tensor, given: Tensor, source: str) -> None:
    """Refuse what would be a number of another kind in the network, or none: NaN, infinite, or beyond its type."""
    is_dense = given.layout == torch.strided and not given.is_quantized and not given.is_meta and not given.is_complex()
    is_counter = name.endswith("num_batches_tracked")
    if not is_dense or (own.is_floating_point() != given.is_floating_point() and not is_counter):
        raise WeightsError(
            f"{source} holds {name} as {_kind(given)}, the network as {_kind(own)}", "save its weights as they are trained"
        )
    if given.is_floating_point() and given.numel():
        low, high = (float(end) for end in torch.aminmax(given))
        most = torch.finfo(own.dtype).max if own.is_floating_point() else torch.iinfo(own.dtype).max
        # Networks may be built with a mask of infinities.
        if not (-most <= low and high <= most) and torch.isfinite(own).all():
            odd = int((~(given.abs() <= most)).sum())
            raise WeightsError(
                f"{source} holds {odd:,} of {given.numel():,} values in {name} that are NaN, infinite, or too large",
                "its training diverged, or it was altered: take another file",
            )


def _kind(tensor: Tensor) -> str:
    layout = "" if tensor.layout == torch.strided else f"{str(tensor.layout).removeprefix('torch.')} "
    return layout + str(tensor.dtype).removeprefix("torch.") + (" without values" if tensor.is_meta else "")


def _is_below(name: str, paths: Iterable[str]) -> bool:
    return any(name == path or name.startswith(f"{path.rstrip('.')}.") for path in paths)


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "scalar"


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
