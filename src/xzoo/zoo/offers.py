"""What the installed distributions offer, read from their metadata: nothing of a plugin is imported."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from xzoo.errors import UsageError
from xzoo.zoo.hookspecs import GROUP
from xzoo.zoo.names import is_name
from xzoo.zoo.wording import brief, did_you_mean, shown, told

OWN = "xzoo"
"""The distribution that this code is of."""

ONLY, NOT = "XZOO_PLUGINS", "XZOO_NO_PLUGINS"
"""Variables that hold plugins' names, joined by commas: only these, and all but these."""

_READERS: list[Callable[[importlib.metadata.Distribution], importlib.metadata.EntryPoints]] = []
_MODULE = re.compile(r"[\w.]+(\s*:\s*[\w.]+)?\s*(\[.*\])?")


@dataclass(frozen=True)
class Offer:
    """A name that a distribution offers, and the module (`value`) that declares it.

    One with a `fault` is an entry that nobody can ask for. `place` is where the metadata lie.
    """

    name: str
    distribution: str
    version: str
    value: str
    fault: str = ""
    place: str = field(default="", compare=False)

    @property
    def origin(self) -> str:
        """The distribution and its version, as messages and results show them."""
        return f"{self.distribution} {self.version}".strip()

    def is_called(self, word: str) -> bool:
        """Whether a word means this offer: its name, its distribution's, or both as `distribution:name`."""
        distribution, _, name = word.rpartition(":")
        own = normal(self.distribution)
        return (name == self.name and normal(distribution) in ("", own)) or normal(word) == own


@dataclass(frozen=True)
class Installed:
    """Every entry of the group: offers in the order of their names, entries that are none, and what was asked to be left out."""

    offers: tuple[Offer, ...]
    misfits: tuple[Offer, ...]
    left_out: tuple[Offer, ...]


def read_installed() -> Installed:
    """Read the metadata of every distribution on `sys.path`, and choose by the two variables. Raises UsageError."""
    found: dict[tuple[str, str, str, bool], Offer] = {}
    answers = [(distribution, list(_entries(distribution))) for distribution in importlib.metadata.distributions()]
    for offer in _without_impostors([answer for answer in answers if answer[1]]):
        # An editable install and its source folder are one distribution twice; the first on the path is imported.
        found.setdefault((normal(offer.distribution), offer.name, offer.value, bool(offer.fault)), offer)
    entries = sorted(found.values(), key=lambda offer: (offer.name, offer.origin))
    kept = [offer for offer in entries if _is_asked_for(offer)]
    for variable in (ONLY, NOT):
        _refuse_strangers(variable, entries)
    return Installed(
        tuple(offer for offer in kept if not offer.fault),
        tuple(offer for offer in kept if offer.fault),
        tuple(offer for offer in entries if not _is_asked_for(offer)),
    )


def _without_impostors(answers: Sequence[tuple[importlib.metadata.Distribution, list[Offer]]]) -> Iterator[Offer]:
    """Yield all offers; where several distributions call themselves xzoo, those that are not what runs here as misfits."""
    claim = [distribution for distribution, offers in answers if normal(offers[0].distribution) == OWN]
    version = str(getattr(sys.modules.get(OWN), "__version__", ""))
    genuine = list(filter(_is_running, claim)) or [one for one in claim if one.version == version] if len(claim) > 1 else claim
    for distribution, offers in answers:
        is_impostor = distribution in claim and distribution not in genuine
        for offer in offers:
            fault = f"calls itself {offer.origin}, and is not the xzoo that runs here"
            yield replace(offer, fault=fault, distribution=_stem(offer.place), version="") if is_impostor else offer


def _is_running(distribution: importlib.metadata.Distribution) -> bool:
    """Whether the distribution brought the code of this very file, or the path on which it was found."""
    for file in distribution.files or ():
        path = Path(str(distribution.locate_file(file)))
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if path.name == Path(__file__).name and path.resolve() == Path(__file__).resolve():
                return True
            if path.suffix == ".pth" and str(Path(__file__).resolve().parents[2]) in path.read_text("utf-8").splitlines():
                return True
    return False


def _stem(place: str) -> str:
    """Return what a folder of metadata is called, without its ending; nothing but that is sure of who calls itself another."""
    return brief(Path(place).name.rpartition(".")[0]) or "a distribution"


def tolerate() -> None:
    """From now on entry points that cannot be read are none, for everyone in this process.

    torch and triton read those of every distribution when they are imported: one unreadable file, whosesoever, would end that.
    """
    reader = importlib.metadata.Distribution.entry_points.fget  # type: ignore[attr-defined]
    if reader is _readable:
        return
    _READERS.append(reader)
    importlib.metadata.Distribution.entry_points = property(_readable)  # type: ignore[method-assign, assignment]


def _readable(distribution: importlib.metadata.Distribution) -> importlib.metadata.EntryPoints:
    try:
        found: importlib.metadata.EntryPoints = _READERS[-1](distribution)
        return found
    except Exception:
        return importlib.metadata.EntryPoints()


def normal(distribution: str) -> str:
    """Return a distribution's name as the package index compares them."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _entries(distribution: importlib.metadata.Distribution) -> Iterator[Offer]:
    # Of where a distribution lies importlib.metadata says nothing in public.
    path = getattr(distribution, "_path", None)
    folder = str(getattr(path, "name", ""))
    nobody = Offer("", _stem(folder), "", "", place=str(path or ""))
    try:
        entries = [entry for entry in _read(distribution) if entry.group == GROUP]
    except Exception as error:
        tolerate()
        # Another's unreadable metadata is its own affair, unless it speaks of backbones.
        if _speaks_of_backbones(path):
            yield replace(nobody, fault=f"its entry_points.txt cannot be read: {told(error)}")
        return
    if entries:
        try:
            owner = replace(nobody, distribution=distribution.name, version=distribution.version)
            fault = _fault_of_owner(owner, folder)
        except Exception as error:
            owner, fault = nobody, f"its metadata cannot be read: {told(error)}"
        if fault:
            owner = nobody
        twice = _twice([(entry.name, entry.value) for entry in entries])
        for entry in entries:
            offer = replace(owner, name=entry.name, value=entry.value)
            yield replace(offer, fault=fault or _fault_of(offer, twice))


def _read(distribution: importlib.metadata.Distribution) -> importlib.metadata.EntryPoints:
    """Return a distribution's entry points; what cannot be read raises here, also where the process is tolerant of it."""
    return _READERS[-1](distribution) if _READERS else distribution.entry_points


def _speaks_of_backbones(path: object) -> bool:
    try:
        return GROUP.encode() in path.joinpath("entry_points.txt").read_bytes()  # type: ignore[attr-defined]
    except Exception:
        return False


def _fault_of_owner(owner: Offer, folder: str) -> str:
    if not is_name(owner.distribution) or not isinstance(owner.version, str) or brief(owner.version, 60) != owner.version:
        return f"calls itself {shown(owner.distribution)} {shown(owner.version)}, which is no distribution's name and version"
    stem = folder.rpartition(".")[0]
    own, named = normal(owner.distribution), normal(stem.partition("-")[0])
    # Old tools left hyphens in: my-plugin-1.0.dist-info.
    if stem and named != own and not (stem.count("-") > 1 and normal(stem).startswith(f"{own}-")):
        return f"calls itself {owner.origin} and lies in {shown(folder)}"
    return ""


def _fault_of(offer: Offer, twice: set[str]) -> str:
    if not is_name(offer.name):
        return f"offers {shown(offer.name)}, which is no backbone's name"
    if offer.name in twice:
        return f"offers {offer.name!r} more than once, from different modules"
    if not _MODULE.fullmatch(offer.value):
        return f"offers {offer.name!r} from {shown(offer.value)}, which names no module"
    return ""


def _twice(entries: Sequence[tuple[str, str]]) -> set[str]:
    names = [name for name, _ in set(entries)]
    return {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()


def _is_asked_for(offer: Offer) -> bool:
    only = _words(ONLY)
    return (not only or any(map(offer.is_called, only))) and not any(map(offer.is_called, _words(NOT)))


def _words(variable: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in os.environ.get(variable, "").split(",") if word.strip())


def _refuse_strangers(variable: str, entries: Sequence[Offer]) -> None:
    """Refuse a word that means no installed plugin: it would leave in what should stay out, or the opposite."""
    for word in _words(variable):
        if not any(offer.is_called(word) for offer in entries):
            known = {name for offer in entries if not offer.fault for name in (offer.name, offer.distribution)}
            asked = "--no-plugin (or XZOO_NO_PLUGINS)" if variable == NOT else variable
            raise UsageError(
                f"{asked} names {word!r}, and no plugin or distribution is called so",
                f"{did_you_mean(word, known)}`xzoo plugins` shows all",
            )
