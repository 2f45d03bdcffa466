from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rich_click as click
from click.exceptions import Exit

import xzoo
from xzoo.cli import frame
from xzoo.errors import CellError, DataError, StorageError, WeightsError

DISTS = Path(__file__).parents[1] / "dists"
Answer = tuple[int, str, str]
Run = Callable[..., Answer]
Read = Callable[[str], dict[str, Any]]
MOST_BARE_STARTS = 20
"""Of an interpreter that does nothing; measured: docs/benchmarks.md, "Start-up"."""


def failing(error: BaseException) -> click.Command:
    @click.command("list")
    @frame.format_option
    def command(form: str) -> None:
        print("a library prints")
        raise error

    return command


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Let `xzoo list` end with an exception."""

    def plan(error: BaseException) -> None:
        monkeypatch.setattr("xzoo.cli.list.command", failing(error))

    return plan


@pytest.mark.parametrize("words", [["--help"], ["list"], ["list", "--format", "json"], ["weights", "where", "tiny"]])
def test_help_list_and_where_import_no_torch_and_are_quick(process: Run, words: list[str]) -> None:
    # Processor time, the interpreter's own start included: what else the machine does is no matter of ours, nor how fast it is.
    told = (
        "import sys, time, atexit; atexit.register(lambda: print('torch' in sys.modules, time.process_time(), file=sys.stderr))"
    )
    turns = []
    for _ in range(5):
        bare, ours = process(code=told), process(*words, code=f"{told}; from xzoo.cli import main; sys.exit(main())")
        assert (bare[0], ours[0]) == (0, 0)
        (_, of_bare), (has_torch, seconds) = bare[2].split(), ours[2].split()
        assert has_torch == "False"
        turns.append(float(seconds) / float(of_bare))
    assert statistics.median(turns) < MOST_BARE_STARTS


def test_help_imports_no_command(process: Run) -> None:
    shown = "sorted(name for name in sys.modules if name.startswith('xzoo.cli.'))"
    code = f"import sys; from xzoo.cli import main; main(['--help']); print({shown})"
    _, out, _ = process(code=code)
    assert out.splitlines()[-1] == "['xzoo.cli.ending', 'xzoo.cli.frame']"
    assert all(name in out for name in frame.COMMANDS)


def test_the_version_is_the_packages(command: Run) -> None:
    assert command("--version") == (0, f"xzoo, version {xzoo.__version__}\n", "")


def test_no_words_show_the_help(command: Run) -> None:
    code, out, _ = command()
    assert code == 2
    assert "compare" in out


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["lisst"], "did you mean list?"),
        (["list", "--formt", "json"], "--format"),
        (["list", "--format", "xml"], "'text', 'json'"),
        (["list", "a", "b"], "unexpected extra argument"),
        (["info"], "Missing argument"),
        (["weights", "fech", "tiny"], "fetch"),
    ],
)
def test_wrong_words_exit_2_with_one_screen(command: Run, words: list[str], what: str) -> None:
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert what in err
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 3


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (DataError("what", "remedy"), "data", 2),
        (WeightsError("what", "remedy"), "weights", 3),
        (CellError("what", "remedy"), "cell", 4),
        (StorageError("what", "remedy"), "storage", 5),
        (ValueError("what"), "bug", 70),
        (MemoryError("what"), "unavailable", 3),
        (OSError(28, "what", "file"), "storage", 5),
        (KeyboardInterrupt(), "interrupted", 130),
        (RecursionError("what"), "bug", 70),
    ],
)
def test_every_failure_has_its_kind_code_and_screen(
    command: Run, one_object: Read, fails: Callable[[BaseException], None], error: BaseException, kind: str, code: int
) -> None:
    fails(error)
    found, out, err = command("list", "--format", "json")
    told = one_object(out)
    assert (found, told["schema"], told["kind"]) == (code, "xzoo.error/1", kind)
    assert told["text"]
    assert told["remedy"]
    assert err == "a library prints\n"
    found, out, err = command("list")
    assert (found, out) == (code, "a library prints\n")
    assert "Traceback" not in err
    assert told["remedy"] in err


def test_wrong_words_answer_in_json_where_json_was_asked_for(command: Run, one_object: Read) -> None:
    for words in (["list", "--nope", "--format=json"], ["lisst", "--format", "json"]):
        code, out, err = command(*words)
        assert (code, err) == (2, "")
        assert one_object(out)["kind"] == "usage"


@pytest.mark.parametrize("words", [["--debug", "list"], ["list", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(
    command: Run, fails: Callable[[BaseException], None], words: list[str]
) -> None:
    fails(ValueError("what"))
    code, _, err = command(*words)
    assert code == 70
    assert "Traceback" in err
    assert "a bug in xzoo: ValueError: what (test_frame.py, line" in err


def test_debug_can_come_from_the_environment(
    command: Run, fails: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XZOO_DEBUG", "1")
    fails(DataError("what"))
    assert "Traceback" in command("list")[2]


def test_an_exit_code_of_a_command_is_kept(command: Run, fails: Callable[[BaseException], None]) -> None:
    fails(Exit(4))
    assert command("list")[0] == 4
    fails(SystemExit(1))
    assert command("list")[0] == 1


def test_stdout_is_whole_again_after_a_failure(command: Run, fails: Callable[[BaseException], None]) -> None:
    before = sys.stdout
    fails(ValueError("what"))
    command("list", "--format", "json")
    assert sys.stdout is before
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_reader_that_leaves_ends_quietly(process: Run) -> None:
    code = "import os, sys; r, w = os.pipe(); os.close(r); os.dup2(w, 1); from xzoo.cli import main; sys.exit(main(['list']))"
    exit_code, _, err = process(code=code)
    assert (exit_code, err) == (141, "")


@pytest.mark.parametrize(
    ("number", "exit_code", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_signals_end_with_their_own_code(tmp_path: Path, number: int, exit_code: int, word: str) -> None:
    (tmp_path / "slow.py").write_text("import time\nprint('started', flush=True)\ntime.sleep(60)\n")
    # Whatever a shell starts in the background inherits a SIGINT that is ignored.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heard}; import sys; from xzoo.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", code, "info", f"{tmp_path}/slow.py:net"]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, env=variables, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == exit_code
    assert err.startswith(f"error: {word}\n")
    assert "Traceback" not in err


def test_output_that_is_no_terminal_has_no_colour(process: Run) -> None:
    plain = {"FORCE_COLOR": "", "GITHUB_ACTIONS": "", "PY_COLORS": "", "NO_COLOR": "1"}
    for words in (["--help"], ["list", "--nope"], ["list"]):
        _, out, err = process(*words, env=plain)
        assert "\033" not in out + err


def test_a_plugin_that_prints_and_exits_leaves_one_object(process: Run) -> None:
    code, out, err = process("info", "exits", "--format", "json")
    assert code == 3
    assert json.loads(out)["kind"] == "plugin"
    assert "printed by a plugin" in err
