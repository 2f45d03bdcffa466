"""The libraries that xzoo names as its own needs: which are here, in which version, and whether the heavy ones work."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from xzoo.zoo.isolation import Limits, run

_NEED = re.compile(
    r"(?P<name>[\w.\-]+)(?:\[[^\]]*\])?\s*(?:>=\s*(?P<floor>[\d.]+))?[^;]*(?:;.*extra\s*==\s*['\"](?P<extra>[\w\-]+)['\"])?"
)
_OF_DEVELOPERS = {"test", "docs"}
_LIMITS = Limits(seconds=60.0, memory_mb=8_000)

OK, OLD, ABSENT, BROKEN = "ok", "old", "absent", "broken"


@dataclass(frozen=True, kw_only=True)
class Library:
    """A distribution that xzoo needs, or that one of its extras does; `detail` says how it is broken."""

    name: str
    version: str
    floor: str
    extra: str
    state: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A device as torch sees it, its memory in 10^9 bytes."""

    name: str
    capability: str
    memory_gb: float
    has_bf16: bool


@dataclass(frozen=True, kw_only=True)
class Torch:
    """What torch says of itself: the CUDA that it was built for, its threads, the instructions it uses, its devices.

    `numpy` is what goes wrong where it meets numpy; `kind` and `precision` are what xzoo would train on and in.
    """

    cuda: str = ""
    threads: int | None = None
    capability: str = ""
    devices: tuple[Gpu, ...] = ()
    numpy: str = ""
    kind: str = ""
    precision: str = ""


def needs() -> Iterator[tuple[str, str, str]]:
    """Yield name, lowest version and extra (none: always needed) of what the installed metadata of xzoo ask for."""
    for text in importlib.metadata.requires("xzoo") or ():
        found = _NEED.match(text)
        if found and found["name"] != "xzoo" and found["extra"] not in _OF_DEVELOPERS:
            yield found["name"], found["floor"] or "", found["extra"] or ""


def look() -> tuple[tuple[Library, ...], Torch]:
    """Return the libraries, the heavy ones tried in a process of their own, and what torch says of itself."""
    answers, fault = _probed()
    torch, rest = answers.get("torch", {}), answers.get("precision", {})
    libraries = tuple(_library(name, floor, extra, answers, fault) for name, floor, extra in needs())
    if "fault" in torch or not torch:
        return libraries, Torch()
    devices = tuple(Gpu(**device) for device in torch["devices"])
    said = {key: torch[key] for key in ("cuda", "threads", "capability", "numpy") if key in torch}
    return libraries, Torch(**said, devices=devices, kind=rest.get("kind", ""), precision=rest.get("precision", ""))


def _probed() -> tuple[dict[str, Mapping[str, Any]], Mapping[str, str]]:
    """Return what each library answered, and of the one that ended or outlasted the process, how."""
    ending = run("xzoo.doctor.probe:look", None, _LIMITS)
    answers: dict[str, Mapping[str, Any]] = {
        str(one["of"]): one for one in ending.answers if isinstance(one, dict) and "of" in one
    }
    begun = [str(one["begins"]) for one in ending.answers if isinstance(one, dict) and "begins" in one]
    return answers, {name: ending.fault or "gave no answer" for name in begun if name not in answers}


def _library(name: str, floor: str, extra: str, answers: Mapping[str, Mapping[str, Any]], ended: Mapping[str, str]) -> Library:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Library(name=name, version="", floor=floor, extra=extra, state=ABSENT)
    detail = str(answers.get(name, {}).get("fault", "")) or ended.get(name, "")
    state = BROKEN if detail else OLD if _numbers(version) < _numbers(floor) else OK
    return Library(name=name, version=version, floor=floor, extra=extra, state=state, detail=detail)


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with: of 2.15.0+cpu 2, 15 and 0."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(number) for number in found[0].split(".")) if found else ()
