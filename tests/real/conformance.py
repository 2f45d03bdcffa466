"""The conformance kit over many backbones, each in a process of its own, and the page that tells what came out.

    python tests/real/conformance.py run FOLDER [NAME ...]   # small networks first; what lies in FOLDER is not done again
    python tests/real/conformance.py page FOLDER             # prints docs/conformance.md

Names are those of `xzoo plugins check`, `*` included; without any, every backbone of torchvision and of the built-in ones.
`families:N` means N networks of timm, the smallest of each of its architecture families, then the next in size.
pytest does not collect this file.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from xzoo.conformance import apart
from xzoo.conformance.check import checks
from xzoo.conformance.verdicts import EXPECTED, FAILED, PASSED, SKIPPED, Examination
from xzoo.zoo.isolation import Limits
from xzoo.zoo.registry import Registry

LIMITS = Limits(seconds=7200.0, memory_mb=19_000)
ROOT = Path(__file__).parents[2]
FAMILIES = ("timm",)
PAGE = ROOT / "docs" / "conformance.md"


def run(folder: Path, words: Sequence[str]) -> int:
    """Examine what is not in the folder yet, one file per backbone, and return 1 where a check says no."""
    folder.mkdir(parents=True, exist_ok=True)
    registry = Registry.installed()
    names = [name for name in dict.fromkeys(_names(words or ["*"])) if name not in FAMILIES]
    for name in sorted(names, key=lambda name: (registry.get(name).backbone.params or 0, name)):
        file = folder / f"{name.replace('/', '__')}.json"
        if not file.exists():
            found = apart.examine(name, LIMITS)
            file.write_bytes(msgspec.json.encode(replace(found, output=found.output[-2000:])))
            print(line(found), flush=True)
    return int(any(not found.holds for found in read(folder)))


def _names(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word.startswith("families:"):
            yield from by_family(int(word.partition(":")[2]))
        else:
            yield from apart.named([word])


def by_family(count: int) -> list[str]:
    """Return names of timm's networks: the smallest of each family, then the second smallest, and so on."""
    from xzoo_timm.catalogue import table

    families: dict[str, list[tuple[int, str]]] = {}
    for name, row in table()["networks"].items():
        if not name.startswith("test_"):
            families.setdefault(row["family"], []).append((row["params"], name))
    rounds = itertools.zip_longest(*(sorted(family) for family in families.values()))
    ordered = [one for each in rounds for one in sorted(one for one in each if one is not None)]
    return [f"timm/{name}" for _, name in ordered][:count]


def read(folder: Path) -> list[Examination]:
    """Return what the folder holds, by name."""
    return sorted(
        (msgspec.json.decode(file.read_bytes(), type=Examination) for file in folder.glob("*.json")), key=lambda one: one.name
    )


def line(found: Examination) -> str:
    """Return a backbone's line of the log, with what says no."""
    wrong = [f"{one.check}: {one.faults[0].text}" for one in found.verdicts if one.status in (FAILED, EXPECTED) and one.faults]
    head = f"{found.name:28} {'ok' if found.holds else 'NO'} {found.seconds:6.0f} s {found.peak_memory_mb:6.0f} MB"
    return "\n    ".join([head, *wrong, *([found.fault] if found.fault else [])])


def page(folder: Path) -> str:
    """Return the page: the checks, and a row for each backbone."""
    return "\n".join([*checks_section(), "", *table(read(folder)), ""])


def checks_section() -> Iterator[str]:
    """Yield the page's beginning, which follows from the code alone."""
    yield from INTRODUCTION.splitlines()
    yield ""
    yield "| check | what it demands |"
    yield "| --- | --- |"
    for one in checks():
        yield f"| `{one.name}` | {one.demand} |"


def table(found: Sequence[Examination]) -> Iterator[str]:
    """Yield a summary and a row for each backbone."""
    reasons = sum(one.count(EXPECTED) > 0 for one in found)
    yield "## Backbones"
    yield ""
    yield (
        f"{len(found)} backbones, {sum(one.holds for one in found)} pass, {reasons} of them with a declared failure. "
        "Checks that do not apply have nothing to look at: weights not on the disk, a fixed size, no auxiliary heads."
    )
    yield ""
    yield "| backbone | passed | nothing to look at | declared failures | seconds | peak memory, MB |"
    yield "| --- | ---: | ---: | --- | ---: | ---: |"
    for one in found:
        declared = "; ".join(f"[{v.check}]({v.link}): {v.reason}" for v in one.verdicts if v.status == EXPECTED)
        mark = "" if one.holds else " **says no**"
        yield (
            f"| {one.name}{mark} | {one.count(PASSED)} | {one.count(SKIPPED)} | {declared} | {one.seconds:.0f} | "
            f"{one.peak_memory_mb:.0f} |"
        )


INTRODUCTION = """# Conformance

What every backbone is held against, by `xzoo plugins check NAME`, by `pytest --xzoo-check NAME`, and in a plugin's own tests by
`@xzoo.conformance.parametrize("NAME")`. The command examines each backbone in a process of its own, so that one that crashes,
loops or fills the memory is named and the others go on; it exits with 1 where a check says no. All faults are told, each with the
line to change.

Checks run on random weights, and on small images where the network takes any size. What a check cannot look at is skipped, with a
reason; what rests on something that another check found missing is not carried out, and says so.

A backbone that fails for a reason outside of its plugin declares that, and the check then counts as failed as declared:
`expected_failures=[xzoo.ExpectedFailure("exports", "torch's tracer writes the batch size down", "https://...")]`. One that
passes all the same is told.

## Checks
"""


def main(words: Sequence[str]) -> int:
    """Do what the words say, and return the exit code."""
    if len(words) >= 2 and words[0] == "run":
        return run(Path(words[1]), words[2:])
    if len(words) == 2 and words[0] == "page":
        print(page(Path(words[1])), end="")
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
