"""The tensors that a cell learnt as one .safetensors file that knows its own sha256: the format itself has no checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xzoo.errors import StorageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEY, _METADATA = "sha256", "__metadata__"


def encoded(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the file's bytes. Other readers of the format pass over its metadata."""
    from safetensors.numpy import save

    return save(dict(tensors), metadata={_KEY: _digest(tensors)})


def check(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Hold what was read from a file against the file's own sha256. One written before there were any has none.

    Raises StorageError.
    """
    with path.open("rb") as file:
        metadata = json.loads(file.read(int.from_bytes(file.read(8), "little"))).get(_METADATA)
    if metadata is not None and metadata.get(_KEY) != _digest(tensors):
        raise StorageError(
            f"cannot read {path}: its tensors are not those that were written",
            "the disk or somebody altered it; remove its cell and run it again",
        )


def _digest(tensors: Mapping[str, NDArray[Any]]) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(json.dumps([name, tensors[name].dtype.name, tensors[name].shape]).encode())
        found.update(tensors[name].tobytes())
    return found.hexdigest()
