"""Any dataset that xzoo reads, opened as one value: a folder, numpy files, a listing, arrays, or the built-in phantoms."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from xzoo.data.archives import holds_stacks, read_npz, read_stack_folder
from xzoo.data.arrays import Arrays, arrays, read_arrays
from xzoo.data.checks import check, findings, grouped
from xzoo.data.folder import read_folder
from xzoo.data.items import Decoded, Found, Item, Source
from xzoo.data.listing import read_listing
from xzoo.errors import DataError

__all__ = ["Arrays", "Decoded", "Item", "Source", "arrays", "fingerprint", "open_source"]

BUILT_IN = "phantom"


def open_source(data: object, *, group: str | None = None) -> Source:
    """Open a folder, .npz, .csv or .jsonl file, `Arrays`, a pair (images, labels), or the word `phantom[:dial=value,...]`.

    `group` is a regular expression whose first capture group, in an image's id, is the patient; it goes before groups that
    the dataset names. Every file is hashed and none decoded. Raises DataError, UsageError.
    """
    if isinstance(data, str) and data.partition(":")[0] == BUILT_IN:
        return _phantom(data.partition(":")[2], group)
    found = _find(data)
    items = grouped(found.items, group) if group else found.items
    check(found.name, found.classes, items, found.hint)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = tuple(pool.map(found.digest, range(len(items)), chunksize=16))
    return Source(
        name=found.name,
        classes=found.classes,
        items=items,
        read=found.read,
        fingerprint=fingerprint(found.classes, items, digests),
        repairs=(*found.repairs, *findings(found.classes, items, digests)),
        decode=found.decode,
        digests=digests,
    )


def fingerprint(classes: Sequence[str], items: Sequence[Item], digests: Sequence[str]) -> str:
    """Return the sha256 over classes, ids, labels, splits, groups and the images' digests, in their order."""
    rows = [[*dataclasses.astuple(item), digest] for item, digest in zip(items, digests, strict=True)]
    return hashlib.sha256(json.dumps([list(classes), rows]).encode()).hexdigest()


def _find(data: object) -> Found:
    if isinstance(data, Arrays):
        return read_arrays(data)
    if isinstance(data, tuple) and len(data) == 2:
        return read_arrays(arrays(*data))
    if not isinstance(data, (str, os.PathLike)):
        raise DataError(f"data of type {type(data).__name__} cannot be read", "give a path, or xzoo.arrays(images, labels)")
    if not os.fspath(data):
        raise DataError("the path of the data is empty", "give a folder or file; . is the folder you are in")
    path = Path(os.path.expanduser(data))  # noqa: PTH111 - a user that nobody knows stays as written
    try:
        return _find_path(path)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        told = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} cannot be read: {told}", "check the path and its permissions") from error


def _find_path(path: Path) -> Found:
    if path.is_dir():
        return read_stack_folder(path) if holds_stacks(path) else read_folder(path)
    if not path.exists():
        raise DataError(
            f"{path} does not exist", f"give a folder or file that exists, or {BUILT_IN!r} for the built-in demo dataset"
        )
    readers = {".npz": read_npz, ".csv": read_listing, ".jsonl": read_listing}
    if path.suffix.lower() not in readers:
        raise DataError(f"{path} is no dataset", "give a folder, or a file ending in .npz, .csv or .jsonl")
    return readers[path.suffix.lower()](path)


def _phantom(dials: str, group: str | None) -> Source:
    from xzoo.data import phantom

    source: Source = phantom.source(dials)
    if group is None:
        return source
    told = hashlib.sha256(f"{source.fingerprint} {group}".encode()).hexdigest()
    return dataclasses.replace(source, items=grouped(source.items, group), fingerprint=told)
