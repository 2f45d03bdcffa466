"""Weights files that attack, from the command line: one screen, exit 3, and nothing of them is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import malicious

TINY = "--data good --epochs 1 --seeds 1 --freeze frozen --set size=16"
FILES = malicious.all_files()


@pytest.mark.parametrize(
    "name",
    [
        "os.system in a zip",
        "exec in a row of pickles",
        "a plain pickle of protocol 4",
        "a bomb of packed zeros",
        "a part of a terabyte",
        "a shape far beyond the storage",
        "tuples in tuples for a name",
        "texts for tensors",
        "safetensors: one name twice",
        "safetensors: values behind the end",
    ],
)
@pytest.mark.usefixtures("good")
def test_it_is_one_screen_with_exit_3(name: str, place: Path, refused: Callable[..., None]) -> None:
    says, write = FILES[name]
    path = malicious.file_of(place, 1, name)
    write(path, place / "canary")
    refused(f"compare convgap@./{path.name} {TINY}", 3, path.name, says)
    assert not (place / "canary").exists()
