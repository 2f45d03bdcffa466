"""What every node is told of a plan, once: the plan without its pixels and networks, and how to find both there."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from xzoo.compare.plan import Plan
from xzoo.data import cache
from xzoo.data.moving import ToldPack
from xzoo.errors import PluginError, UsageError
from xzoo.model import fetch, verified
from xzoo.runs.store import PLAN, RunFolder
from xzoo.zoo.identity import identity
from xzoo.zoo.names import Reference
from xzoo.zoo.registry import Registry, start_of
from xzoo.zoo.spec import Choice, FileStart, RandomStart, Weights

if TYPE_CHECKING:
    from xzoo.train.device import Device

SAME = ("xzoo", "torch", "torchvision", "timm", "numpy")
"""Distributions whose versions a node must share with the driver: figures may differ between versions."""

CARRIED = ("XZOO_CHECKPOINT_SECONDS", "XZOO_PLUGINS", "XZOO_NO_PLUGINS")
"""Variables of the driver that hold on a node too."""


@dataclass(frozen=True)
class ToldChoice:
    """A backbone as another process finds it again: by its reference, or pickled by the names of its functions.

    `start` is the name of published weights, or the start itself. `file` is where the driver has the weights' file, and `sha256`
    that of its bytes.
    """

    label: str
    reference: Reference | None
    value: bytes
    start: str | RandomStart | FileStart
    identity: str
    file: str = ""
    sha256: str = ""

    @classmethod
    def of(cls, choice: Choice, reference: Reference | None) -> ToldChoice:
        """Tell of a choice. Raises UsageError for one made in Python that no other process could import."""
        start = choice.start.name if isinstance(choice.start, Weights) else choice.start
        path = fetch.where(choice)
        known = path is not None and path.is_file()
        return cls(
            choice.label,
            reference,
            b"" if reference else _by_name(choice),
            start,
            identity(choice),
            str(path.absolute()) if path and known else "",
            verified.sha256(path, choice.start.sha256 if isinstance(choice.start, Weights) else "") if path and known else "",
        )

    def found(self) -> Choice:
        """Return the choice as this process has it. Raises PluginError where its code is another's, UsageError."""
        if self.reference is None:
            choice: Choice = pickle.loads(self.value)  # of the driver's own making
        else:
            choice = Registry.installed().get(self.reference)
            start = start_of(choice.backbone, self.start) if isinstance(self.start, str) else self.start
            choice = replace(choice, start=start)
        if identity(choice) != self.identity:
            raise PluginError(
                f"{self.label} is declared by other code ({choice.origin}) than where the command was started",
                "install the same version on every node, or put its file on a folder that all of them see",
            )
        return choice


@dataclass(frozen=True, eq=False)
class Brief:
    """What the cells of a plan are computed from. `folder` is the run folder and `root` the cache, as the driver sees them."""

    plan: Plan
    pack: ToldPack
    choices: Mapping[str, ToldChoice]
    folder: Path
    plan_sha256: str
    root: Path
    device: Device
    versions: Mapping[str, str]
    variables: Mapping[str, str]

    @classmethod
    def of(cls, plan: Plan, folder: RunFolder, device: Device) -> Brief:
        """Tell of a plan whose run folder holds it. Raises UsageError."""
        references = plan.described()["backbones"]
        pack = ToldPack.of(plan.pack)
        return cls(
            plan=replace(plan, choices={}, pack=pack.pack),
            pack=pack,
            choices={label: ToldChoice.of(choice, references[label]) for label, choice in plan.choices.items()},
            folder=folder.path.absolute(),
            plan_sha256=_digest(folder.path),
            root=cache.root().absolute(),
            device=device,
            versions=versions(),
            variables={name: value for name in CARRIED if (value := os.environ.get(name))},
        )

    @property
    def run_folder(self) -> RunFolder | None:
        """The run folder, where this process sees the driver's own; its checkpoints serve another node then."""
        try:
            is_same = _digest(self.folder) == self.plan_sha256
        except OSError:
            return None
        return RunFolder(self.folder) if is_same else None


def take_over(variables: Mapping[str, str]) -> None:
    """Let the driver's variables hold in this process, and no others of their names."""
    for name in CARRIED:
        os.environ.pop(name, None)
    os.environ.update(variables)


def versions() -> dict[str, str]:
    """Return the versions here of what must be the same everywhere; nothing for what is not installed."""
    from xzoo.train.device import version_of

    return {name: version_of(name) for name in SAME}


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / PLAN).read_bytes()).hexdigest()


def _by_name(choice: Choice) -> bytes:
    """Return a choice pickled; the standard pickle names functions and never copies their code, as networks should travel."""
    remedy = "move it into a module that every node can import, at its top level, or give it as ./mynet.py:net"
    try:
        found = pickle.dumps(choice)
    except Exception as error:
        raise UsageError(f"{choice.label} was made in Python and cannot be sent to another process: {error}", remedy) from error
    if b"__main__" in found:
        raise UsageError(f"{choice.label} is defined in the script itself, which no other process imports", remedy)
    return found
