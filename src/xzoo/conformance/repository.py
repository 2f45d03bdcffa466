"""A repository for a plugin of one's own: a network, its declaration, its tests, benchmarks, CI, licence and publishing."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from xzoo import durable
from xzoo.errors import UsageError
from xzoo.zoo.registry import Registry
from xzoo.zoo.wording import shown

TEMPLATES = Path(__file__).with_name("template")
LICENCES = ("Apache-2.0", "MIT", "BSD-3-Clause")
OLDEST_XZOO = "0.1"

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_MOST_LETTERS = 50
_FILES = {
    "pyproject.toml": "pyproject",
    "README.md": "readme",
    "CHANGELOG.md": "changelog",
    "LICENSE": "licence-<<licence>>",
    ".gitignore": "gitignore",
    ".github/workflows/ci.yml": "ci",
    ".github/workflows/publish.yml": "publish",
    "src/<<module>>/__init__.py": "package",
    "src/<<module>>/network.py": "network",
    "tests/test_contract.py": "test_contract",
    "tests/test_network.py": "test_network",
    "tests/test_speed.py": "test_speed",
}
"""Each file with the template that it is made of; words in double angle brackets are filled in."""


@dataclass(frozen=True)
class Repository:
    """What was written, and the commands that install it, show it, compare it and run its tests."""

    schema: str
    name: str
    distribution: str
    module: str
    folder: str
    files: tuple[str, ...]
    next: tuple[str, ...]


def write(name: str, above: Path, licence: str = LICENCES[0]) -> Repository:
    """Write a repository for the backbone `name` into a new folder in `above`, named as its distribution.

    Raises UsageError for a name that cannot be used and for a folder that is there already, and StorageError.
    """
    _check(name)
    distribution, module = f"xzoo-{name.replace('_', '-')}", f"xzoo_{name.replace('-', '_')}"
    _check_is_free(name, module)
    if licence not in LICENCES:
        raise UsageError(f"licence {shown(licence)} is unknown", f"use one of {', '.join(LICENCES)}")
    folder = above / distribution
    words = {
        **{"name": name, "distribution": distribution, "module": module, "licence": licence},
        **{"xzoo": OLDEST_XZOO, "year": str(datetime.now(UTC).year)},
    }
    texts = {_filled(file, words): _filled(_template(_filled(source, words)), words) for file, source in _FILES.items()}
    _write(folder, texts)
    place = str(folder) if folder.is_absolute() else f"./{folder}"
    commands = (
        f"pip install -e '{place}[test]'",
        f"xzoo list {name}",
        f"xzoo compare {name} resnet18@random",
        f"pytest {place}",
    )
    return Repository("xzoo.repository/1", name, distribution, module, str(folder), tuple(texts), commands)


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    taken = UsageError(f"{folder} is there already", "choose another name, or another place with --path")
    if folder.exists() or folder.is_symlink():
        raise taken
    # What another process puts there meanwhile stays.
    with durable.new_folder(folder, stays=lambda: True) as temporary:
        for file, text in texts.items():
            path = temporary / file
            durable.make_folder(path.parent)
            durable.fill_bytes(path, text.encode())
    if not (folder / durable.MANIFEST).exists():
        raise taken
    # It said that the folder is whole. The repository is its author's to change.
    durable.remove(folder / durable.MANIFEST)


def _check(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _MOST_LETTERS:
        better = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:_MOST_LETTERS].strip("-")
        raise UsageError(
            f"{shown(name)} cannot be the name of a backbone and of its package",
            "use lower-case letters and digits, with single '-' or '_' between them" + (f": {better}" if better else ""),
        )


def _check_is_free(name: str, module: str) -> None:
    registry = Registry.installed()
    for offer in (*registry.offers, *registry.left_out):
        if offer.name == name:
            raise UsageError(f"{name!r} is offered by {offer.origin} already", "choose another name")
    if importlib.util.find_spec(module):
        raise UsageError(f"a module {module} is installed already", "choose another name")


def _template(name: str) -> str:
    return (TEMPLATES / f"{name}.txt").read_text("utf-8")


def _filled(text: str, words: Mapping[str, str]) -> str:
    return re.sub(r"<<(\w+)>>", lambda found: words[found[1]], text)
