"""Someone who does what a page says, in a folder and with an environment of their own."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from blocks import Block, Unrun
from shown import missing
from xzoo.cli import main

PROGRAMS = {
    "python": 'exec {python} "$@"',
    "pytest": 'exec {python} -m pytest "$@"',
    "xzoo": "exec {python} -c 'import sys; from xzoo.cli import main; sys.exit(main())' \"$@\"",
    # A folder on PYTHONPATH cannot hold an editable installation.
    "pip": 'for word; do shift; [ "$word" = -e ] || set -- "$@" "$word"; done; exec {python} -m pip -q "$@"',
}
RUN = ("python", "sh", "bash", "console")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\s#.*")
_FOR_A_SHELL = re.compile(r"[|&;<>$`*?~#\\]")
_NOBODY = "http://127.0.0.1:9"
"""A proxy that answers nobody, so that pages read the same with a network and without."""


class Reader:
    """Runs blocks one by one and remembers what the last one said; what a page installs, it installs for itself (`apart`)."""

    def __init__(self, folder: Path, *, apart: bool = False) -> None:
        self.here, self.site, programs = folder / "here", folder / "site", folder / "bin"
        for made in (self.here, self.site, programs):
            made.mkdir(exist_ok=True)
        for name, line in PROGRAMS.items():
            (programs / name).write_text(f"#!/bin/sh\n{line.format(python=sys.executable)}\n")
            (programs / name).chmod(0o755)
        self.apart = apart
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "_XZOO"))}
        self.changed = {"TORCH_HOME": str(folder / "torch"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
        self.changed |= {"https_proxy": _NOBODY, "http_proxy": _NOBODY}
        self.variables = {
            **own,
            **self.changed,
            "PATH": os.pathsep.join([str(programs), own["PATH"]]),
            "PYTHONPATH": os.pathsep.join([str(self.site), *(place for place in sys.path if place)]),
            "PYTEST_ADDOPTS": "-p no:cacheprovider --benchmark-disable",
            **{"PIP_TARGET": str(self.site), "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"},
        }
        self.said: str | None = None
        self.owed: Block | None = None

    def do(self, block: Block) -> None:
        """Write a block's file, run it, or compare it with what was said before. Raises AssertionError."""
        assert self.owed is None or block.language == "text", "code that raises is followed by what it raises"
        self.owed = block if block.raises else None
        if block.file:
            self._write(block)
        elif block.language == "python":
            self.said = self._python(block)
        elif block.language in {"sh", "bash"}:
            self.said = self._shell(block.text, block.exits)
        elif block.language == "console":
            self._console(block)
        elif block.language == "toml":
            _refuse_bad_toml(block.text)
        else:
            assert block.language == "text", f"a block of {block.language!r} is not executed"
            assert self.said is not None, "nothing was run that says this"
            self._compare(block.text, whole=False)

    def finish(self) -> None:
        """Raise AssertionError where a page ends with code that raises, and does not show what."""
        assert self.owed is None, "code that raises is followed by what it raises"

    def _write(self, block: Block) -> None:
        place = self.here / block.file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(block.text)

    def _compare(self, shown: str, *, whole: bool) -> None:
        left = missing(shown, self.said or "", whole=whole)
        assert left == [], "\n".join(["not said:", *left, "was said:", self.said or ""])

    def _console(self, block: Block) -> None:
        """Run each line behind a `$`, and hold the lines below it, where there are any, against all that it says."""
        commands = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
        assert not commands[0].strip(), "output without a command"
        assert len(commands) > 1, "a console without a command"
        for number, command in enumerate(commands[1:], 1):
            line, _, shown = re.sub(r"\\\n\s*", "", command).partition("\n")
            self.said = self._shell(line, block.exits if number == len(commands) - 1 else 0)
            if shown.strip():
                self._compare(shown, whole=True)

    def _shell(self, text: str, exits: int) -> str:
        """Run lines of xzoo's in this process, and all else in a shell; return stdout, and stderr where it ends badly."""
        lines = [line for line in text.splitlines() if line.strip()]
        if not self.apart and all(_is_plain(line) for line in lines):
            *first, last = [shlex.split(line, comments=True)[1:] for line in lines]
            return "".join([*(self._xzoo(words, 0) for words in first), self._xzoo(last, exits)])
        return self._run(["bash", "-euo", "pipefail", "-c", text], exits)

    def _xzoo(self, words: Sequence[str], exits: int) -> str:
        with self._inside() as (out, err):
            code = main(words)
        assert code == exits, f"exit code {code}\n{out.getvalue()}{err.getvalue()}"
        return out.getvalue() + (_screen(err.getvalue()) if exits else "")

    def _python(self, block: Block) -> str:
        if self.apart or block.apart:
            return self._run([sys.executable, "-c", block.text], int(block.raises))
        with self._inside() as (out, _):
            try:
                exec(compile(block.text, f"line {block.line}", "exec"), {"__name__": "__main__"})
            except Exception as error:
                if block.raises:
                    return out.getvalue() + "".join(traceback.format_exception_only(error))
                raise AssertionError("".join(traceback.format_exception(error))) from None
        assert not block.raises, "nothing was raised"
        return out.getvalue()

    def _run(self, command: list[str], exits: int) -> str:
        done = subprocess.run(
            command, cwd=self.here, env=self.variables, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == exits, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + (_screen(done.stderr) if exits else "")

    @contextlib.contextmanager
    def _inside(self) -> Iterator[tuple[io.StringIO, io.StringIO]]:
        """Stand in the reader's folder, and hear what is said; modules that were imported from there are forgotten."""
        out, err = io.StringIO(), io.StringIO()
        before, path = dict(os.environ), list(sys.path)
        os.environ.update(self.changed)
        sys.path[:0] = [str(self.here), str(self.site)]
        try:
            with contextlib.chdir(self.here), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                yield out, err
        finally:
            os.environ.clear()
            os.environ.update(before)
            sys.path[:] = path
            for name in [name for name, module in sys.modules.items() if _lies_in(module, self.here)]:
                del sys.modules[name]


def read(page: str, found: Sequence[Block], reader: Reader, listed: Sequence[Unrun]) -> tuple[int, int]:
    """Do all blocks of a page in order; return how many were done and how many are listed as not to be run.

    What a block that is not run would say is not compared. Unlabelled blocks are drawings. Raises AssertionError with the line.
    """
    done = left = 0
    for block in found:
        entry = next((one for one in listed if one.holds(page, block)), None)
        try:
            if entry:
                left += 1
                reader.said = None
                if entry.instead:
                    reader.do(Block(block.language, "", entry.replaced(block.text), block.line))
            elif block.language:
                reader.do(block)
                done += 1
            else:
                assert not re.search(r"^(\$|>>>|import|from \w+ import) ?", block.text, re.MULTILINE), (
                    "a block without a language"
                )
        except AssertionError as error:
            raise AssertionError(f"{page}, line {block.line}: {error}") from None
    reader.finish()
    return done, left


def _refuse_bad_toml(text: str) -> None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AssertionError(str(error)) from None


def _screen(told: str) -> str:
    """Return what an error ends in, without the progress before it: a screen of xzoo's, or what was raised, causes first."""
    found = re.search(r"^(error|[A-Za-z_.]+Error): ", told, re.MULTILINE)
    return told[found.start() :] if found else ""


def _is_plain(line: str) -> bool:
    """Whether a line is a call of xzoo in which a shell has nothing to do but take it apart."""
    return line.startswith("xzoo ") and not _FOR_A_SHELL.search(_QUOTED.sub("", line))


def _lies_in(module: object, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and folder in Path(file).parents
