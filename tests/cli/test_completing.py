"""The tab key: each shell's own protocol, and bash itself, at a terminal."""

from __future__ import annotations

import os
import pty
import select
import shutil
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import click
import pytest

from xzoo.cli.completing import WORDS
from xzoo.cli.frame import COMMANDS

Answer = tuple[int, str, str]
BREAKS = " \t\n\"'@><=;|&(:"

FREE = {
    *("accuracies", "batch", "contenders", "contender", "disagreements", "engine", "epochs", "fail_on", "group", "guessing"),
    *(
        "licence",
        "margin",
        "max_params",
        "min_top1",
        "positive",
        "precision",
        "predictions",
        "redraws",
        "seconds",
        "seed",
        "seeds",
    ),
    *("seeds", "size", "split", "split_seed", "train_size", "memory", "plugins new name", "abstain", "to"),
}
"""Parameters of which nobody but the user knows a word."""


@pytest.fixture
def said(command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """What bash would be told at the end of a line."""

    def ask(line: str) -> list[str]:
        monkeypatch.setenv("_XZOO_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_COMMAND", "xzoo")
        monkeypatch.setenv("COMP_WORDBREAKS", BREAKS)
        code, out, _ = command()
        assert code == 0
        return [line.partition(",")[2] if line.startswith("plain,") else line for line in out.split()]

    return ask


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("xzoo comp", ["compare", "completion"]),
        ("xzoo compare --fre", ["--freeze"]),
        ("xzoo compare resnet15", ["resnet152"]),
        ("xzoo compare alexnet resnet18@", ["@IMAGENET1K_V1", "@random"]),
        ("xzoo info tim", ["timm/"]),
        ("xzoo compare alexnet --freeze frozen,l", ["frozen,last:", "frozen,lp-ft", "frozen,layerwise:"]),
        ("xzoo train alexnet --set la", ["label_smoothing="]),
        ("xzoo train alexnet --set head=", ["loop", "solver"]),
        ("xzoo compare alexnet --vary head=loop,s", ["loop,solver"]),
        ("xzoo compare alexnet --vary spl", ["split="]),
        ("xzoo compare alexnet --set lr=", []),
        ("xzoo compare alexnet --augment ", ["none", "chest-xray", "natural"]),
        ("xzoo compare ./my", ["file,./my"]),
        ("xzoo audit ph", ["phantom"]),
        ("xzoo audit photos", ["file,photos"]),
        ("xzoo report --format ht", ["html"]),
        ("FOLDER=1 xzoo runs sho", ["show"]),
        ("xzoo compare 'alexne", ["alexnet"]),
        ("xzoo compare alexnet --freeze=frozen,lp", ["frozen,lp-ft"]),
        ("xzoo train alexnet --set=head=s", ["solver"]),
    ],
)
def test_the_words_of_a_line(said: Callable[[str], list[str]], line: str, words: list[str]) -> None:
    assert said(line) == words


def test_a_family_is_completed_from_the_table_that_it_ships(said: Callable[[str], list[str]]) -> None:
    found = said("xzoo info timm/convnext_t")
    assert "timm/convnext_tiny" in found
    assert all(name.startswith("timm/convnext_t") for name in found)


def test_runs_are_completed_where_they_are_kept(said: Callable[[str], list[str]], place: Path) -> None:
    for name in ("1a2b", "1c3d"):
        (place / "kept" / name).mkdir(parents=True)
        (place / "kept" / name / "plan.json").write_text("{}")
    assert said("xzoo runs --runs kept show 1a") == ["1a2b"]
    assert set(said("xzoo report --runs kept ")) == {"last", "1a2b", "1c3d"}
    assert said("xzoo runs show ") == ["file,"]


@pytest.mark.parametrize("name", ["$(date)", "`date`", ";date;", "a b", "a\nfile,b", "\x1b[2J", "-o", "~", "a'", "a&b", "a*"])
def test_a_run_whose_name_a_shell_would_carry_out_is_not_offered(
    said: Callable[[str], list[str]], place: Path, name: str
) -> None:
    (place / "kept" / name).mkdir(parents=True)
    (place / "kept" / name / "plan.json").write_text("{}")
    assert said("xzoo report --runs kept ") == ["last"]


@pytest.mark.parametrize("line", ["xzoo nothing a", "xzoo compare nothing@", "xzoo info broken@"])
def test_what_cannot_be_completed_says_nothing(
    command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setenv("_XZOO_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_LINE", line)
    assert command()[1:] == ("", "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_speak_clicks_own_protocol(
    command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    monkeypatch.setenv("_XZOO_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", "xzoo compare resnet18@IM")
    monkeypatch.setenv("COMP_CWORD", "2" if shell == "zsh" else "resnet18@IM")
    code, out, _ = command()
    assert (code, out.split()) == (
        0,
        ["plain", "resnet18@IMAGENET1K_V1", "_"] if shell == "zsh" else ["plain,resnet18@IMAGENET1K_V1"],
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_xzoo(command: Callable[..., Answer], shell: str) -> None:
    code, out, _ = command("completion", shell)
    assert code == 0
    assert f"_XZOO_COMPLETE={shell}_complete" in out


def test_every_word_is_completed_or_known_to_be_the_users_own() -> None:
    def parameters(name: str, one: click.Command) -> set[tuple[str, str]]:
        found = {(name, str(each.name)) for each in one.params if not _completes_itself(each)}
        return found.union(*(parameters(f"{name} {below}", each) for below, each in getattr(one, "commands", {}).items()), set())

    every = set().union(*(parameters(name, import_module(f"xzoo.cli.{name}").command) for name in COMMANDS))
    known = WORDS.keys() | FREE
    assert {f"{name} {one}" for name, one in every if one not in known and f"{name} {one}" not in known} == set()


def _completes_itself(one: click.Parameter) -> bool:
    return isinstance(one.type, click.Choice) or (isinstance(one, click.Option) and one.is_flag)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_writes_the_rest_of_the_word(place: Path) -> None:
    program = place / "bin" / "xzoo"
    program.parent.mkdir()
    start = "import sys; from xzoo.cli import main; sys.exit(main())"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{start}" "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    variables = {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TERM": "dumb", "PS1": "> "}
    number, terminal = pty.fork()
    if number == 0:  # pragma: no cover - the child
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], variables)
    try:
        _until(terminal, "> ")
        os.write(terminal, b'eval "$(xzoo completion bash)"; echo rea""dy\n')
        _until(terminal, "ready\r\n")
        for typed, written in (
            (b"xzoo compare resnet18@IM\t", "resnet18@IMAGENET1K_V1 "),
            (b"\x15xzoo compare alexnet --set head=so\t", "head=solver "),
            (b"\x15xzoo train alexnet --freeze=fro\t", "--freeze=frozen "),
        ):
            os.write(terminal, typed)
            _until(terminal, written)
    finally:
        os.close(terminal)
        os.waitpid(number, 0)


def _until(terminal: int, text: str) -> None:
    """Read what the terminal shows until it holds a text."""
    shown, ends = "", time.monotonic() + 20
    while text not in shown:
        assert time.monotonic() < ends, repr(shown)
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 1024).decode(errors="replace")
