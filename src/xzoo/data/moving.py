"""A pack in the hands of another process: opened where it lies, or brought to a disk that does not hold it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo import durable
from xzoo.data import cache
from xzoo.data.pack import Pack
from xzoo.data.shards import Shards
from xzoo.errors import StorageError
from xzoo.runs.claims import Claims

_WAIT_SECONDS = 0.1


@dataclass(frozen=True, eq=False)
class ToldPack:
    """A pack without its pixels, small enough to be sent; `manifest` has the sha256 of each of its files by their names."""

    pack: Pack
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    manifest: Mapping[str, str]

    @classmethod
    def of(cls, pack: Pack) -> ToldPack:
        """Tell of a pack that lies in this process's cache."""
        names = tuple(path.name for path in pack.pixels.paths)
        return cls(replace(pack, pixels=Shards((), ())), names, pack.pixels.sizes, _manifest(pack.folder))

    def opened(self) -> Pack | None:
        """Return the pack as this process's cache holds it, every byte as it was told; None where it does not."""
        folder = self.folder
        try:
            if _manifest(folder) != self.manifest or not cache.is_intact(folder, list(self.manifest)):
                return None
            pixels = Shards([folder / name for name in self.names], self.sizes)
        except (OSError, ValueError, RecursionError):
            return None
        cache.touch(folder)
        return replace(self.pack, folder=folder, pixels=pixels)

    def brought(self, files: Mapping[str, NDArray[np.uint8]]) -> Pack:
        """Put the pack's files into this process's cache, once for all processes that share it, and open it.

        Raises StorageError, also where what arrives is not what was told.
        """
        claims = Claims(cache.root() / "bringing")
        name = self.folder.name
        while (found := self.opened()) is None:
            if not claims.take(name):
                time.sleep(_WAIT_SECONDS)
                continue
            try:
                self._put(files)
            finally:
                claims.release(name)
        return found

    @property
    def folder(self) -> Path:
        """Where this process's cache would hold it."""
        return cache.root() / "packs" / self.pack.key

    def _put(self, files: Mapping[str, NDArray[np.uint8]]) -> None:
        if self.opened() is not None:
            return
        with durable.new_folder(self.folder, lambda: self.opened() is not None) as temporary:
            for name, content in files.items():
                with durable.fill_file(temporary / name, content.nbytes) as file:
                    file.write(content.data)
        cache.trim(keep=(self.folder,))
        if self.opened() is None:
            raise StorageError(f"{self.folder} is not the pack that was sent", "run the command again; look at the node's disk")


def files_of(pack: Pack) -> dict[str, NDArray[np.uint8]]:
    """Return the bytes of a pack's files, mapped, by their names. Raises OSError."""
    return {name: mapped(pack.folder / name) for name in _manifest(pack.folder)}


def mapped(path: Path) -> NDArray[np.uint8]:
    """Return the bytes of a file, mapped to be read; a file without any has none. Raises OSError."""
    if not path.stat().st_size:
        return np.empty(0, np.uint8)
    found: Any = np.memmap(path, np.uint8, "r")
    return np.asarray(found)


def _manifest(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / durable.MANIFEST).read_bytes())
    return found
