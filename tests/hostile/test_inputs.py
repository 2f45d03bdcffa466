"""Bad input of every kind, through the whole command line: one screen, the right code, no traceback, nothing waited for.

`python tests/hostile/inputs_campaign.py` gives each a process of its own and measures seconds and memory.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from inputs import Kind, draw, wrong
from inputs_all import KINDS, TRAINED
from xzoo.cli import main


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset and a finished run."""
    place = tmp_path_factory.mktemp("sound")
    draw(place / "good")
    with contextlib.chdir(place):
        code, _, err = answer(TRAINED)
    assert code == 0, err
    return place


def answer(words: Sequence[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_bad_input_is_one_screen(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    place = tmp_path / "a" / "b"
    for name in ("good", *(["xzoo-runs"] if kind.has_run else [])):
        shutil.copytree(sound / name, place / name)
    monkeypatch.chdir(place)
    monkeypatch.setenv("NO_COLOR", "1")
    for name, value in kind.variables.items():
        monkeypatch.setenv(name, value)
    kind.make(place)
    assert wrong(kind, *answer(kind.words)) == []
    assert [path for word in ("evil*", "canary") for path in tmp_path.rglob(word)] == []
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_error_in_json_is_one_object(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sound)
    for kind in [kind for kind in KINDS if "--format" not in kind.words][:60:4]:
        code, out, _ = answer([*kind.words, "--format", "json"])
        told = json.loads(out)
        assert (code, told["schema"]) == (kind.code, "xzoo.error/1")
        assert told["remedy"]


def test_there_are_kinds_enough_and_each_has_a_name() -> None:
    assert len(KINDS) >= 200
    assert [name for name, count in Counter(kind.name for kind in KINDS).items() if count > 1] == []
