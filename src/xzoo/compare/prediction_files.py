"""Files of predictions made elsewhere: `path,label,probabilities[,group]`, read into one table of images.

N = images, K = classes
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.data.items import counted, listed, natural
from xzoo.data.listing import Row, read_rows
from xzoo.errors import DataError

KNOWN = ("path", "label", "probabilities", "group", "split")
FORM = 'write {"class": 0.9, ...} as probabilities, or one column for each class with its name as the head'
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Predicted:
    """Several models' probabilities (N,K) for the same images, by the models' names; `groups` are patients, None where none."""

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels_N: NDArray[np.int64]
    groups: tuple[str | None, ...]
    chances: Mapping[str, NDArray[np.float64]]
    num_left_out: int


def read(files: Sequence[Path]) -> Predicted:
    """Return the predictions of all files for the images that each of them has, matched by path.

    Probabilities are an object by class, a column for each class, or numbers in the order of the class names; one number is that
    of the second of two classes. Raises DataError naming file and image for what cannot be read or contradicts another file.
    """
    tables = {name: _by_path(file, read_rows(file)) for name, file in _named(files).items()}
    shared = [path for path in next(iter(tables.values())) if all(path in table for table in tables.values())]
    if not shared:
        raise DataError(f"no image is in all of {listed(list(map(str, files)))}", "predict the same images with every model")
    everyone = {path for table in tables.values() for path in table}
    labels, groups = ({path: _agreed(tables, path, what) for path in shared} for what in ("label", "group"))
    classes = _classes(tables, {_text(row, "label") for table in tables.values() for row in table.values()})
    return Predicted(
        classes=classes,
        paths=tuple(shared),
        labels_N=np.array([classes.index(labels[path]) for path in shared], np.int64),
        groups=tuple(groups[path] or None for path in shared),
        chances={
            name: np.array([_checked(_chances(table[path], classes), name, path) for path in shared])
            for name, table in tables.items()
        },
        num_left_out=len(everyone) - len(shared),
    )


def _named(files: Sequence[Path]) -> dict[str, Path]:
    """Return the files by the shortest names that tell them apart. Raises DataError for one that is given twice or not there."""
    if missing := [str(file) for file in files if not file.is_file()]:
        raise DataError(f"there is no file {listed(missing)}", "give .csv or .jsonl files of predictions")
    if len({file.resolve() for file in files}) < len(files):
        raise DataError("a file of predictions is given twice", "name each once")
    stems = [file.stem for file in files]
    return {file.stem if stems.count(file.stem) == 1 else str(file): file for file in files}


def _by_path(file: Path, rows: Sequence[Row]) -> dict[str, Row]:
    if not rows:
        raise DataError(f"{file} holds no predictions", "give at least one image")
    table = {_text(row, "path"): row for row in rows}
    if len(table) < len(rows):
        twice = [path for path, count in Counter(_text(row, "path") for row in rows).items() if count > 1]
        raise DataError(f"{file} predicts {counted(len(twice), 'image')} twice: {listed(twice)}", "keep one line for each image")
    return table


def _agreed(tables: Mapping[str, Mapping[str, Row]], path: str, what: str) -> str:
    found = {name: text for name, table in tables.items() if (text := _text(table[path], what))}
    if len(set(found.values())) > 1:
        told = ", ".join(f"{text} in {name}" for name, text in found.items())
        raise DataError(f"the {what} of {path} is {told}", "the files must speak of the same images: correct one of them")
    return next(iter(found.values()), "")


def _classes(tables: Mapping[str, Mapping[str, Row]], labels: set[str]) -> tuple[str, ...]:
    """Return the class names in their order: those that the probabilities bear, else those of the labels."""
    spelt = {label.lower(): label for label in labels}
    names = {name: {spelt.get(one.lower(), one) for one in _class_names(table)} for name, table in tables.items()}
    known = natural(set().union(*names.values()) if any(names.values()) else labels)
    if missing := labels - set(known):
        raise DataError(f"no probabilities are given for the label {listed(sorted(missing))}", FORM)
    for name, own in names.items():
        if own and own != set(known):
            raise DataError(
                f"{name} has the classes {listed(sorted(own))}, another file {listed(known)}", "give all the same classes"
            )
    sizes = {len(numbers) for table in tables.values() for row in table.values() if (numbers := _numbers(row)) is not None}
    if not sizes <= {len(known), 1 if len(known) == 2 else len(known)}:
        numeric = {str(place) for place in range(max(sizes))}
        if len(sizes) == 1 and labels <= numeric:
            return tuple(natural(numeric))
        raise DataError(
            f"there are {counted(len(known), 'class')} ({listed(known)}) and {listed(sorted(sizes))} probabilities in a row", FORM
        )
    return tuple(known)


def _class_names(table: Mapping[str, Row]) -> set[str]:
    """Return the names that a file's probabilities bear, in an object or as heads of columns; none where there are none."""
    found: set[str] = set()
    for row in table.values():
        value = _value(row)
        if isinstance(value, dict):
            found |= set(map(str, value))
        elif value is None:
            found |= {name for name in row if name not in KNOWN}
    return found


def _value(row: Row) -> Any:
    """Return what stands under `probabilities`: an object, a list or number, or None where there is nothing."""
    value = row.get("probabilities")
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return None
    try:
        return json.loads(text) if text[0] in "{[" else [float(word) for word in re.split(r"[\s;|,]+", text)]
    except (ValueError, RecursionError) as error:
        raise DataError(f"the probabilities of {_text(row, 'path')} cannot be read: {text[:60]!r}", FORM) from error


def _numbers(row: Row) -> list[Any] | None:
    """Return a row's probabilities where they bear no names."""
    value = _value(row)
    return value if isinstance(value, list) else [value] if isinstance(value, (int, float)) else None


def _chances(row: Row, classes: Sequence[str]) -> list[Any]:
    numbers = _numbers(row)
    if numbers is not None:
        return [1 - numbers[0], numbers[0]] if len(numbers) == 1 and isinstance(numbers[0], (int, float)) else numbers
    value = _value(row)
    named = {str(key).lower(): chance for key, chance in (value if isinstance(value, dict) else row).items()}
    return [named.get(name.lower()) for name in classes]


def _checked(chances: Sequence[Any], name: str, path: str) -> list[float]:
    try:
        found = [float(chance) for chance in chances]
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: the probabilities of {path} are not all numbers", FORM) from error
    if not all(math.isfinite(chance) and -1e-6 <= chance <= 1 + 1e-6 for chance in found) or abs(sum(found) - 1) > SUM_TOLERANCE:
        told = ", ".join(f"{chance:g}" for chance in found[:6])
        raise DataError(
            f"{name}: the numbers of {path} are no probabilities ({told})", "give softmax outputs: from 0 to 1 with sum 1"
        )
    return found


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()
