"""No weights file carries anything out: all of malicious.py is refused, with nothing done and little used."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import malicious

ATTACKS = malicious.all_files()


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("canary") / "canary"


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, canary: Path) -> dict[str, list[str]]:
    """What a process held to 2 GB and 10 seconds of work for each says of every attack that is asked for."""
    asked = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    folder = tmp_path_factory.mktemp("attacks")
    for number, (name, (_, write)) in enumerate(ATTACKS.items()):
        if name not in asked:
            continue
        path = malicious.file_of(folder, number, name)
        write(path, canary)
        assert path.is_file(), name
    words = [sys.executable, malicious.__file__, str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, (done.returncode, done.stdout[-500:], done.stderr[-2000:])
    for path in folder.iterdir():
        path.unlink()
    told = {number: words for number, *words in map(json.loads, done.stdout.splitlines())}
    return {name: told[number] for number, name in enumerate(ATTACKS) if number in told}


def test_there_are_at_least_forty() -> None:
    assert len(ATTACKS) >= 40


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_refused_on_one_screen_and_nothing_of_it_was_done(name: str, answers: dict[str, list[str]], canary: Path) -> None:
    text, remedy = answers[name]
    assert ATTACKS[name][0] in text
    assert text.startswith(str(canary.parent.parent))
    assert remedy
    assert len(text) < 500
    assert text.isprintable()
    assert not canary.exists()


@pytest.mark.parametrize("name", ["os.system in a zip", "exec in a row of pickles", "Path.touch in a zip", "a plain pickle"])
def test_what_it_would_do_it_does_where_it_is_let_in(name: str, tmp_path: Path) -> None:
    import torch

    path, victim = tmp_path / "attack.pth", tmp_path / "victim"
    ATTACKS[name][1](path, victim)
    pickle.loads(path.read_bytes()) if name == "a plain pickle" else torch.load(path, weights_only=False)
    assert victim.exists()
