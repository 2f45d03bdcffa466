"""Run folders: a plan and its results on disk. They are the truth, and what is finished stays finished."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from xzoo import durable, regular
from xzoo.errors import StorageError, UsageError
from xzoo.runs import excerpt, learnt_file
from xzoo.runs.result import BackboneFacts, CellResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
PLAN, OUTCOME = "plan.json", "compare.json"
_LONGEST_NAME = 200
MOST_MB = 2_000
"""10^6 bytes that a file of a run may have: the predictions of ten million images in ten classes."""


@dataclass(frozen=True, kw_only=True)
class _Data:
    classes: tuple[str, ...] = ()
    pack: str = ""
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What a plan must be for its parts to be looked for."""

    cells: tuple[Mapping[str, Any], ...]
    data: _Data = field(default_factory=_Data)
    keep: str = ""
    backbones: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFolder:
    """One run on disk. Cells are folders put in place whole; a failed cell leaves its error beside them and is tried again."""

    path: Path

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Keep what the command asked for; the run is the newest from now on, whatever the clock says. Raises StorageError."""
        durable.write_bytes(self.path / PLAN, encode(plan))
        durable.mark_newest(self.path / PLAN, self.path.parent.glob(f"*/{PLAN}"))

    def plan(self) -> dict[str, Any]:
        """Return what the command asked for. Raises StorageError where it cannot be read, or is no plan."""
        found = read(self.path / PLAN, dict[str, Any])
        try:
            msgspec.convert(found, _Plan)
        except (msgspec.ValidationError, RecursionError) as error:
            raise _unreadable(self.path / PLAN, error) from error
        return found

    def planned(self, kind: type[T]) -> T:
        """Return what the command asked for, as far as a type has fields for it. Raises StorageError where it holds no such."""
        return read(self.path / PLAN, kind)

    def write_outcome(self, outcome: object) -> None:
        """Keep what followed from the cells. Raises StorageError."""
        durable.write_bytes(self.path / OUTCOME, encode(outcome))

    def outcome(self, kind: type[T]) -> T | None:
        """Return what followed from the cells, or None while nothing has. Raises StorageError."""
        return read(path, kind) if (path := self.path / OUTCOME).exists() else None

    def outcome_field(self, name: str, kind: type[T]) -> T | None:
        """Return one field of what followed from the cells, without the cost of the others, or None. Raises StorageError."""
        if not (path := self.path / OUTCOME).exists():
            return None
        try:
            found = excerpt.field_of(path, name)
        except OSError as error:
            raise _unreadable(path, error) from error
        if found is None:
            found = bytes(read(path, dict[str, msgspec.Raw]).get(name, b""))
        return decode(path, found, kind)

    def has(self, cell: str) -> bool:
        """Whether this cell was finished and is whole."""
        return durable.is_whole(self._cell(cell))

    def is_finished(self, cell: str) -> bool:
        """Whether this cell was finished; unlike `has` it does not read what lies there."""
        return os.path.isfile(f"{self.path}/cells/{cell}/{durable.MANIFEST}")  # noqa: PTH113 - asked of thousands of cells

    def write_cell(self, result: CellResult, predictions: Mapping[str, NDArray[Any]]) -> None:
        """Keep a finished cell: its result and its predictions. Raises StorageError."""
        import numpy as np

        stored = io.BytesIO()
        np.savez(stored, **dict(predictions))  # type: ignore[arg-type]
        with durable.new_folder(self._cell(result.id), lambda: self.has(result.id)) as folder:
            durable.fill_bytes(folder / "result.json", encode(result))
            durable.fill_bytes(folder / "predictions.npz", stored.getvalue())
        durable.remove(self.failure(result.id))

    def drop_cell(self, cell: str) -> None:
        """Remove what is left of a cell that is not whole. Raises StorageError."""
        durable.remove(self._cell(cell))

    def write_learnt(self, cell: str, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Keep the tensors that a cell learnt, under the names of the network's state dict. Raises StorageError."""
        durable.write_bytes(self.learnt(cell), learnt_file.encoded(tensors))

    def drop_learnt(self, cell: str) -> None:
        """Remove the tensors that a cell learnt; its result and predictions stay. Raises StorageError."""
        durable.remove(self.learnt(cell))

    def write_failure(self, result: CellResult) -> None:
        """Keep the error of a cell that failed. Raises StorageError."""
        durable.write_bytes(self.failure(result.id), encode(result))

    def cell(self, cell: str) -> CellResult | None:
        """Return a cell's result, or its failure, or None where it was never tried. Raises StorageError."""
        if (finished := self._cell(cell) / "result.json").exists():
            return decode(finished, unaltered(finished), CellResult)
        return read(failed, CellResult) if (failed := self.failure(cell)).exists() else None

    def predictions(self, cell: str) -> dict[str, NDArray[np.float64]]:
        """Return a cell's predictions: per split `_index` (N,) into the data, `_probabilities` (N,K) and `_labels` (N,).

        Raises StorageError where they cannot be read.
        """
        import numpy as np

        path = self._cell(cell) / "predictions.npz"
        try:
            with np.load(io.BytesIO(unaltered(path)), allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise _unreadable(path, error) from error

    def learnt(self, cell: str) -> Path:
        """Return the file of the tensors that a cell learnt."""
        return self.path / "learnt" / f"{self._named(cell)}.safetensors"

    def failure(self, cell: str) -> Path:
        """Return the file of the error of a cell that failed."""
        return self.path / "failed" / f"{self._named(cell)}.json"

    @property
    def claims(self) -> Path:
        """The folder in which processes say which cells they compute."""
        return self.path / "cells"

    def checkpoints(self, cell: str) -> Path:
        """Return the folder of a cell's checkpoints while it is trained."""
        return self.path / "checkpoints" / (self._named(cell) if cell else "")

    def drop_checkpoints(self, cell: str = "") -> None:
        """Remove the checkpoints of a cell that is finished, or of all cells once all are. Raises StorageError."""
        if (folder := self.checkpoints(cell)).is_dir():
            durable.remove(folder)

    def write_facts(self, label: str, facts: BackboneFacts) -> None:
        """Keep what was measured of a backbone. Raises StorageError."""
        durable.write_bytes(self._facts(label), encode(facts))

    def facts(self, label: str) -> BackboneFacts | None:
        """Return what was measured of a backbone, or None. Raises StorageError."""
        return read(path, BackboneFacts) if (path := self._facts(label)).exists() else None

    def _cell(self, cell: str) -> Path:
        return self.path / "cells" / self._named(cell)

    def _named(self, cell: str) -> str:
        """Return the name of a cell. Raises StorageError for a path: a run folder that somebody sent may name any."""
        if cell in {"", ".", ".."} or len(cell) > _LONGEST_NAME or not {"/", "\\", "\0"}.isdisjoint(cell):
            raise _unreadable(self.path / PLAN, ValueError(f"it calls a cell {cell[:100]!r}"))
        return cell

    def _facts(self, label: str) -> Path:
        return self.path / "backbones" / f"{slug(label)}.json"


def encode(value: object) -> bytes:
    """Return a value as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def read(path: Path, kind: type[T]) -> T:
    """Return the value in a JSON file. Raises StorageError naming the file where it is missing or altered."""
    return decode(path, contents(path), kind)


def contents(path: Path) -> bytes:
    """Return the bytes of a file of a run. Raises StorageError where it is missing, or no file."""
    try:
        return regular.read_bytes(path, MOST_MB)
    except OSError as error:
        raise _unreadable(path, error) from error


def decode(path: Path, data: bytes, kind: type[T]) -> T:
    """Return the value in a JSON file's bytes. Raises StorageError naming the file where it holds no such value."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(path, error) from error


def unaltered(path: Path) -> bytes:
    """Return a file's bytes, held against the manifest beside it. Raises StorageError."""
    digests = read(path.with_name(durable.MANIFEST), dict[str, str])
    try:
        data, digest = regular.read_bytes(path, MOST_MB), digests[path.name]
    except (OSError, KeyError) as error:
        raise _unreadable(path, error) from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise _unreadable(path, ValueError("its bytes are not those that were written"))
    return data


def _unreadable(path: Path, error: Exception) -> StorageError:
    return StorageError(f"cannot read {path}: {error}", "the run folder is incomplete or was altered; run its command again")


def slug(words: str) -> str:
    """Return words as a file name: letters, digits and a few signs, told apart by a hash where others were replaced."""
    plain = re.sub(r"[^A-Za-z0-9._=@-]+", "-", words).strip("-.")[:80]
    return plain if plain == words else f"{plain}-{hashlib.sha256(words.encode()).hexdigest()[:6]}"


def scan(runs: Path) -> Iterator[RunFolder]:
    """Yield the runs in a folder, the newest first; one that vanishes meanwhile is none."""
    found = []
    with contextlib.suppress(OSError), os.scandir(runs) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                found.append((os.stat(f"{entry.path}/{PLAN}").st_mtime_ns, entry.path))  # noqa: PTH116 - thousands of them
    yield from (RunFolder(Path(path)) for _, path in sorted(found, reverse=True))


def find(word: str, runs: Path) -> RunFolder:
    """Return the run that a path, a hash prefix or `last` means. Raises UsageError."""
    with contextlib.suppress(OSError):  # such as a name that is too long for any file
        if (Path(word) / PLAN).exists():
            return RunFolder(Path(word))
    known = list(scan(runs))
    if word == "last" and known:
        return known[0]
    found = [run for run in known if run.path.name.startswith(word)]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} runs begin with {word!r}" if found else f"there is no run {word!r} in {runs}"
    raise UsageError(what, "give more of its hash, or its path; `xzoo runs` lists what is there")
