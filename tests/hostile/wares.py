"""Hostile plugins as installed distributions, from plugins.toml."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("plugins.toml")

SOUND = """
import xzoo

NAME = {name!r}


def build():
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.ReLU(), nn.Linear(3, 5))


def ware(name):
    return xzoo.Backbone(name=name, build=build, head=xzoo.ReplaceLinear("3"), stages={{"body": "1"}})


{begins}


@xzoo.hookimpl
def xzoo_backbones():
{hook}
"""


@dataclass(frozen=True, kw_only=True)
class Ware:
    """One hostile plugin, and what xzoo must say of it. One that is `slow` needs seconds for itself, one that `hangs` a limit."""

    name: str
    health: str
    fault: str
    begins: str = ""
    hook: str = "yield ware(NAME)"
    value: str = ""
    entries: str = ""
    metadata: str = ""
    folder: str = ""
    encoding: str = "utf-8"
    slow: bool = False
    hangs: bool = False

    @property
    def module(self) -> str:
        """The name of its module."""
        return f"hostile_{self.name.replace('-', '_')}"

    @property
    def asked_for(self) -> str:
        """The name by which a user would ask for it, so that no other is meant."""
        owner = re.search(r"^Name: (.+)$", self.metadata, re.MULTILINE)
        return f"{owner[1]}:{self.name}" if self.name == "resnet18" and owner else self.name

    def is_in(self, name: str, module: str, distribution: str) -> bool:
        """Whether a row of the listing is about it."""
        if self.module == module or self.module in distribution:
            return True
        return name == self.name and not distribution.startswith("xzoo")

    def install(self, site: Path) -> None:
        """Write its module and its metadata into a folder of distributions."""
        if self.entries == "a thousand":
            entries = "[xzoo.backbones]\n" + "".join(f"{self.name}-{number} = {self.module}\n" for number in range(1000))
        else:
            entries = self.entries or f"[xzoo.backbones]\n{self.name} = {self.value or self.module}\n"
        metadata = self.metadata or f"Metadata-Version: 2.1\nName: hostile-{self.name}\nVersion: 1.0\n"
        folder = site / (self.folder or f"{self.module}-1.0.dist-info")
        folder.mkdir(parents=True)
        (folder / "METADATA").write_bytes(metadata.encode(self.encoding))
        (folder / "entry_points.txt").write_bytes(entries.encode(self.encoding))
        hook = textwrap.indent(self.hook.strip("\n"), "    ")
        source = SOUND.format(name=self.name, begins=self.begins, hook=hook)
        (site / f"{self.module}.py").write_text(source, "utf-8")


def read() -> list[Ware]:
    """Return all hostile plugins, in the order of the table."""
    return [Ware(**row) for row in tomllib.loads(TABLE.read_text("utf-8"))["plugin"]]


def install(wares: Iterable[Ware], site: Path) -> Path:
    """Install them all side by side in a folder, and return it."""
    for ware in wares:
        ware.install(site)
    return site
