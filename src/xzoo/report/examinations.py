"""What the doctor saw, as a screen of text: problems last, where they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from xzoo.doctor.examination import Examination
from xzoo.doctor.libraries import ABSENT, BROKEN, Library
from xzoo.doctor.places import Place
from xzoo.doctor.problems import Problem, Seen
from xzoo.zoo.wording import plain


def examination_text(found: Examination) -> str:
    """Return sections of `name  value` lines, then every problem with its remedy and command."""
    seen = found.seen
    lines = [
        f"xzoo {found.xzoo}, Python {found.python}, {seen.machine.platform}",
        *_section("device", _device(seen)),
        *_section("libraries", _libraries(seen)),
        *_section("folders", map(_place, seen.places)),
        *_section("network", _network(seen)),
        *_section("plugins", _plugins(seen)),
        "",
        *(line for problem in found.problems for line in _problem(problem)),
        "" if found.problems else "nothing is wrong",
    ]
    return "\n".join(plain(line) for line in lines).rstrip("\n")


def _section(name: str, lines: Iterator[str]) -> Iterator[str]:
    yield ""
    yield name
    yield from (f"  {line}" for line in lines)


def _device(seen: Seen) -> Iterator[str]:
    machine, torch = seen.machine, seen.torch
    quota = f", {machine.quota:g} at once" if machine.quota else ""
    yield f"{machine.cpu}, {machine.cores} cores, {machine.usable} usable{quota}; {', '.join(machine.units) or 'units unknown'}"
    memory = (
        (machine.memory_gb, "of memory"),
        (machine.available_gb, "available"),
        (machine.memory_limit_gb, "the limit of the container"),
        (machine.shared_memory_gb, "in /dev/shm"),
    )
    yield ", ".join(f"{size:.1f} GB {what}" for size, what in memory if size is not None) or "memory unknown"
    for one in torch.devices:
        bf16 = "multiplies bfloat16" if one.has_bf16 else "does not multiply bfloat16"
        yield f"{one.name}, capability {one.capability}, {one.memory_gb:.1f} GB, {bf16}, driver {machine.driver or 'unknown'}"
    if torch.kind:
        threads = f", {torch.threads} threads" + (f" (OMP_NUM_THREADS={seen.omp})" if seen.omp else "")
        yield f"xzoo would train on {torch.kind} in {torch.precision}{threads if torch.kind == 'cpu' else ''}"


def _libraries(seen: Seen) -> Iterator[str]:
    yield ", ".join(_library(one) for one in seen.libraries if not one.extra)
    for extra in dict.fromkeys(one.extra for one in seen.libraries if one.extra):
        yield f"xzoo[{extra}]: {', '.join(_library(one) for one in seen.libraries if one.extra == extra)}"


def _library(one: Library) -> str:
    state = {BROKEN: " (broken)", ABSENT: " not installed"}.get(one.state, "")
    return f"{one.name} {one.version}".strip() + state


def _place(place: Place) -> str:
    limit = f" of {place.limit / 1e9:g} for all caches" if place.limit is not None else ""
    held = f"{place.num_bytes / 1e9:.2f} GB{limit}" if place.is_there else "not there yet"
    free = f", {place.free / 1e9:.0f} GB free" if place.free is not None else ""
    return f"{place.kind}: {place.path}  {held}{free}{'' if place.is_writable else ', cannot be written'}"


def _network(seen: Seen) -> Iterator[str]:
    for server in seen.network.servers:
        said = {None: "not asked", True: "answers", False: "does not answer"}[server.answers]
        yield f"{server.address} {said}"
    for name, value in seen.network.variables.items():
        yield f"{name}={value}"


def _plugins(seen: Seen) -> Iterator[str]:
    count = Counter(one.health for one in seen.plugins)
    owners = dict.fromkeys(f"{one.distribution} {one.version}".strip() for one in seen.plugins)
    yield f"{', '.join(f'{number} {word}' for word, number in count.items()) or 'none'}, of {', '.join(owners) or 'nobody'}"


def _problem(one: Problem) -> Iterator[str]:
    yield f"{one.severity} [{one.id}] {one.text}"
    yield f"  {one.remedy}"
    if one.command:
        yield f"  $ {one.command}"
