"""The command line's words, frozen: a new one breaks this test and must be argued for. Rare knobs go to the recipe file."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import click

from xzoo.cli.frame import COMMANDS, group

TRAINING = (
    "--augment --data --deterministic --device --dry-run --epochs --format --group --keep --no-latency --positive --recipe "
    "--runs --set --split --split-seed --watch-test"
)
WORDS = {
    "xzoo": "--debug --no-plugin --version",
    "list": "PATTERN --format --licence --max-params --min-top1 --plot -o/--output",
    "info": "NAMES... --format",
    "compare": (
        f"NAMES... {TRAINING} --accuracies --disagreements --freeze --guessing --launcher --margin --predictions --seeds "
        "--train-size --vary"
    ),
    "train": f"NAME {TRAINING} --freeze --seed",
    "audit": "DATA --backbone --device --fail-on --format --group --split --split-seed",
    "explain": "RUN --contender --data --device --format --group --redraws --retrain --runs",
    "bench": "NAMES... --batch --device --engine --format --freeze --from --precision --seconds --size",
    "predict": "RUN PATHS... --abstain --contender --device --explain --format --runs --seed",
    "export": "RUN --contender --data --format --runs --seed --to -o/--output",
    "report": "NAMES... --audit --data --format --runs -o/--output",
    "runs": "--format --runs",
    "runs show": "RUN --format --runs",
    "runs diff": "A B --format --runs",
    "runs export": "RUN FOLDER --format --runs --to",
    "data": "",
    "data pack": "DATA --format --interpolation --size",
    "weights": "",
    "weights fetch": "NAMES... --format",
    "weights where": "NAMES... --format",
    "weights verify": "NAMES... --format",
    "plugins": "--format --strict",
    "plugins check": "NAMES... --format --memory --seconds",
    "plugins new": "NAME --format --licence --path",
    "doctor": "--format --no-network",
    "recipe": "",
    "recipe show": "RUN --format --recipe --runs --set",
    "completion": "SHELL --format",
}
"""Every command with its arguments, in capitals, and its options."""

FORMS = {"report": ("html", "markdown", "csv", "latex", "json", "card")}
"""Commands whose answer is a document."""


def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Yield a command and those below it."""
    yield name, command
    for below, one in getattr(command, "commands", {}).items():
        yield from walk(f"{name} {below}", one)


def commands() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {"xzoo": group}
    for name in COMMANDS:
        found |= dict(walk(name, import_module(f"xzoo.cli.{name}").command))
    return found


def word_of(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return "/".join([*parameter.opts, *parameter.secondary_opts])
    return f"{parameter.name}".upper() + ("..." if parameter.nargs == -1 else "")


def test_the_command_line_has_not_grown() -> None:
    found = {name: {word_of(parameter) for parameter in command.params} for name, command in commands().items()}
    assert found == {name: set(words.split()) for name, words in WORDS.items()}


def test_every_command_but_the_groups_answers_in_json() -> None:
    for name, command in commands().items():
        if not isinstance(command, click.Group):
            form = next((one for one in command.params if one.name == "form"), None)
            assert form is not None, name
            assert isinstance(form.type, click.Choice)
            assert tuple(form.type.choices) == FORMS.get(name, ("text", "json"))


def test_every_option_and_command_says_what_it_does() -> None:
    for name, command in commands().items():
        assert command.help, name
        assert [one.opts for one in command.params if isinstance(one, click.Option) and not one.help] == [], name
