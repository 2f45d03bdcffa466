"""What all commands share: found by name and imported when used, one answer on stdout, one screen for what goes wrong."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, TextIO, TypeVar

import rich_click as click
from click.exceptions import Exit, NoArgsIsHelpError

import xzoo
from xzoo import faults
from xzoo.cli import ending
from xzoo.errors import UsageError

COMMANDS = {
    "list": "Show the backbones that are installed.",
    "info": "Show what a backbone is: parameters, cost, stages, weights.",
    "compare": "Train backbones under freeze strategies and seeds, and say which to use.",
    "train": "Train one backbone with one strategy and one seed.",
    "audit": "Read a dataset: damage, copies, leaks between splits, balance, power, shift.",
    "explain": "Say why the test figures of a run differ from its validation figures.",
    "bench": "Time backbones on engines, from memory and from files, and steps of training.",
    "predict": "Predict images with a backbone that was trained.",
    "export": "Export a backbone that was trained, to ONNX, OpenVINO, torch.export or safetensors.",
    "report": "Report runs as one HTML file that needs no network, or as tables.",
    "runs": "Show runs, and what differs between two.",
    "data": "Prepare a dataset before anything is trained on it.",
    "weights": "Fetch, find and verify published weights.",
    "plugins": "Show how the installed plugins fare, check some, or begin one of your own.",
    "doctor": "Look at device, libraries, caches, network and plugins, and say what each problem needs.",
    "recipe": "Show the values that training goes by, what they mean, and who gave them.",
    "completion": "Print the script by which a shell completes xzoo's words.",
}
"""Every command, in the order of its help; each is `command` in the module of its name."""

NO_PLUGIN, NO_PLUGINS = "--no-plugin", "XZOO_NO_PLUGINS"
_JSON = "json"
Function = TypeVar("Function", bound=Callable[..., Any])


class Commands(click.RichGroup):
    """A group that knows its commands by name and imports the one that is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a stand-in that is enough for the help; `resolve_command` gives the real one."""
        del ctx
        return click.RichCommand(name=cmd_name, help=COMMANDS[cmd_name]) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Import the command that the first word names."""
        if args[0] not in COMMANDS:
            from xzoo.zoo.wording import did_you_mean

            hint = did_you_mean(args[0], COMMANDS)
            raise click.UsageError(f"there is no command {args[0]!r}. {hint}Commands: {', '.join(COMMANDS)}", ctx)
        command = import_module(f"xzoo.cli.{args[0]}").command
        if ctx.resilient_parsing:  # click completes a word
            from xzoo.cli.completing import attach

            attach(args[0], command)
        return args[0], command, args[1:]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(xzoo.__version__, prog_name="xzoo")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of what goes wrong (also XZOO_DEBUG=1).")
@click.option(
    NO_PLUGIN, multiple=True, metavar="NAME", expose_value=False, help="Leave out this plugin or distribution. Repeatable."
)
def group() -> None:
    """Which pretrained backbone, trained how, should I use on my images?"""


def format_option(function: Function) -> Function:
    """Give a command the option `--format`, as its argument `form`."""
    option = click.option(
        "--format", "form", type=click.Choice(["text", _JSON]), default="text", help="One JSON object, or text."
    )
    return option(function)


def say(line: str) -> None:
    """Write a line on stderr, where progress is told, in one go: an interrupt does not part it from its end."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def emit(value: Any, form: str, text: Callable[[], str]) -> None:
    """Print `value` as one JSON object where `form` is "json", else the `text` made of it. No other output goes to stdout."""
    if form == _JSON:
        import msgspec

        context = click.get_current_context(silent=True)
        answer = context.find_root().obj if context else None
        stream: TextIO = answer if answer is not None else sys.stdout
        stream.write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")
        stream.flush()
    else:
        click.echo(text())


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every way of ending is told once, on the right stream."""
    words, debug = _without_debug(list(sys.argv[1:] if argv is None else argv))
    words, left_out = _without_plugins(words)
    if instruction := os.environ.get("_XZOO_COMPLETE"):
        from xzoo.cli.completing import answer

        return answer(group, instruction)
    stdout, wants_json = sys.stdout, _wants_json(words)
    # What a plugin or a library prints must not stand beside the one JSON object.
    aside = contextlib.redirect_stdout(sys.stderr) if wants_json else contextlib.nullcontext()
    try:
        with ending.terminable(), aside, _leaving_out(left_out):
            code = _invoke(words, stdout)
            sys.stdout.flush()
            return code
    except BaseException as error:
        return ending.tell(error, stdout if wants_json else None, debug=debug)


def _invoke(words: list[str], stdout: TextIO) -> int:
    faults.trial()  # a fault that nobody can mean is told before anything is done
    try:
        with group.make_context("xzoo", words, obj=stdout) as context:
            group.invoke(context)
    except Exit as stop:
        return stop.exit_code
    except NoArgsIsHelpError as stop:
        click.echo(stop.format_message())
        return stop.exit_code
    return 0


def _without_debug(words: list[str]) -> tuple[list[str], bool]:
    """Take `--debug` out wherever it stands before a `--`."""
    end = words.index("--") if "--" in words else len(words)
    kept = [word for word in words[:end] if word != "--debug"]
    return kept + words[end:], len(kept) < end or os.environ.get("XZOO_DEBUG", "") not in {"", "0"}


def _without_plugins(words: list[str]) -> tuple[list[str], list[str]]:
    """Take every `--no-plugin NAME` out, wherever it stands before a `--`."""
    kept: list[str] = []
    left_out: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            return [*kept, word, *rest], left_out
        option, equals, name = word.partition("=")
        if option != NO_PLUGIN:
            kept.append(word)
        else:
            left_out.append(name if equals else next(rest, ""))
    return kept, left_out


@contextlib.contextmanager
def _leaving_out(names: list[str]) -> Iterator[None]:
    """Add names to XZOO_NO_PLUGINS for as long as the command runs: processes that it starts leave them out too."""
    if any(not name or name.startswith("-") for name in names):
        raise UsageError(f"{NO_PLUGIN} names no plugin", "name a plugin or a distribution behind it; `xzoo plugins` shows all")
    before = os.environ.get(NO_PLUGINS)
    if names:
        os.environ[NO_PLUGINS] = ",".join([*([before] if before else []), *names])
    try:
        yield
    finally:
        if names:
            os.environ.pop(NO_PLUGINS)
            os.environ.update({NO_PLUGINS: before} if before is not None else {})


def _wants_json(words: list[str]) -> bool:
    # Read before parsing, because words that cannot be parsed are answered in JSON too.
    return f"--format={_JSON}" in words or any(pair == ("--format", _JSON) for pair in itertools.pairwise(words))
