"""The head of a .safetensors file, held against its format before the library reads it: no torch."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from xzoo.model.described import DTYPES, MOST_DIMENSIONS, RefusedError, is_count

_MOST_HEAD = 16_000_000
_TYPES = {
    "F32": "Float",
    "F64": "Double",
    "F16": "Half",
    "BF16": "BFloat16",
    "I64": "Long",
    "I32": "Int",
    "I16": "Short",
    "I8": "Char",
    "U8": "Byte",
    "BOOL": "Bool",
}
_REMEDY = "copy or fetch it again"


def check(path: Path) -> None:
    """Compare the head with the format: one entry per name, plain types, and values that fill the file without gap or overlap.

    Raises RefusedError. The format: https://github.com/huggingface/safetensors, "Format".
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise _refused("its head is longer than the file")
        if length > _MOST_HEAD:
            raise _refused(f"its head takes {length:,} bytes, more than any network needs")
        head = file.read(length)
    try:
        entries = json.loads(head.decode("utf-8"), object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise _refused("its head is no list of tensors") from error
    if not isinstance(entries, dict):
        raise _refused("its head is no list of tensors")
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _refused("its metadata are no texts")
    places = sorted(_place(name, entry) for name, entry in entries.items())
    ends = [0, *(end for _, end in places)]
    if any(begin != end for (begin, _), end in zip(places, ends, strict=False)) or ends[-1] != size - 8 - length:
        raise _refused("its tensors overlap, leave gaps, or end elsewhere than the file")


def _place(name: str, entry: Any) -> tuple[int, int]:
    """Return where the values of a tensor begin and end."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _refused(f"{name[:60]!r} is no tensor")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in _TYPES:
        shown = kind[:20] if isinstance(kind, str) else type(kind).__name__
        raise RefusedError(f"holds tensors of type {shown!r}, which no network here has", "save its weights as float32")
    counts = [*shape, *offsets] if isinstance(shape, list) and isinstance(offsets, list) else [None]
    if not all(is_count(one) for one in counts) or len(shape) > MOST_DIMENSIONS or len(offsets) != 2:
        raise _refused(f"the shape of {name[:60]!r} is none")
    if offsets[1] - offsets[0] != math.prod(shape) * DTYPES[_TYPES[kind]][1]:
        raise _refused(f"the values of {name[:60]!r} are fewer or more than its shape says")
    return offsets[0], offsets[1]


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _refused(what: str) -> RefusedError:
    return RefusedError(f"is no whole .safetensors file: {what}", _REMEDY)
