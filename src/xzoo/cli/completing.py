"""What a shell is told when somebody presses the tab key: words of each parameter, and scripts that ask for them.

Nothing heavy is imported: a shell waits for the answer.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete, split_arg_string

if TYPE_CHECKING:
    from xzoo.zoo.registry import Registry

VARIABLE = "_XZOO_COMPLETE"
_GOES_ON = ("/", "@", ":", "=")
"""What a word ends in that is not at its end."""

_PLAIN = re.compile(r"[\w./][\w./@:=,+-]*")
"""Words that mean themselves on a shell's line. Shells write what they are told without quotes, and a run's folder can be called
`$(command)`."""

Words = Callable[[click.Context, str], Iterable[str]]
Item = CompletionItem[str]


class _Bash(BashComplete):
    """Bash breaks words at `@`, `=` and `:`, which stand within ours, so the line is read whole and answers are cut to what bash
    replaces."""

    source_template = """\
%(complete_func)s() {
    local kind value
    COMPREPLY=()
    while IFS=',' read -r kind value; do
        case $kind in
            file) compopt -o default ;;
            *) COMPREPLY+=("$value")
               case $value in *[/@:=]) compopt -o nospace ;; esac ;;
        esac
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_COMMAND="$1" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
             %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
    _cut = 0

    @staticmethod
    def _check_version() -> None:
        """Ask for no bash: `nosort` (4.4, of 2016) is the newest thing that the script needs."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words behind the command, and the one that is being written."""
        line, called = os.environ["COMP_LINE"], os.environ.get("COMP_COMMAND", self.prog_name)
        words = split_arg_string(line)
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        begins = words.index(called) + 1 if called in words else 1
        if line.rpartition(" ")[2][:1] not in {"'", '"'}:
            breaks = os.environ.get("COMP_WORDBREAKS", "@=:")
            # Behind a break, but readline leaves `@` to the word that it begins (rl_special_prefixes).
            value = incomplete.partition("=")[2] if incomplete.startswith("-") else incomplete
            self._cut = max((value.rfind(letter) + (letter != "@") for letter in breaks), default=0)
        return words[begins:], incomplete

    def format_completion(self, item: Item) -> str:
        """Return the kind, and of the word what stands behind bash's last break."""
        return f"{item.type},{item.value[self._cut :]}"


SHELLS: Mapping[str, type[ShellComplete]] = {"bash": _Bash, "zsh": ZshComplete, "fish": FishComplete}


def script(group: click.Command, shell: str) -> str:
    """Return what a shell has to run once to complete the words of xzoo."""
    return SHELLS[shell](group, {}, "xzoo", VARIABLE).source()


def answer(group: click.Command, instruction: str) -> int:
    """Print what the shell asks for, and return the exit code. What goes wrong is silent: somebody is writing a line."""
    shell, _, what = instruction.partition("_")
    if shell not in SHELLS or what not in {"source", "complete"}:
        return 1
    try:
        # A plugin that prints must not stand among the words.
        with contextlib.redirect_stdout(sys.stderr):
            asked = SHELLS[shell](group, {}, "xzoo", VARIABLE)
            text = asked.source() if what == "source" else asked.complete()
    except Exception:
        return 1
    click.echo(text)
    return 0


def attach(name: str, command: click.Command) -> None:
    """Give the parameters of a command, and of those below it, the words that complete them."""
    for parameter in command.params:
        if words := WORDS.get(f"{name} {parameter.name}") or WORDS.get(str(parameter.name)):
            setattr(parameter, "shell_complete", partial(_items, words))  # noqa: B010 - it replaces a method of this object alone
    for below, one in getattr(command, "commands", {}).items():
        attach(f"{name} {below}", one)


def _items(words: Words, context: click.Context, incomplete: str) -> list[Item]:
    found = [word for word in words(context, incomplete) if word.startswith(incomplete) and _PLAIN.fullmatch(word)]
    return (
        [_file(incomplete)] if not found and words in (_files, _backbones, _data, _runs) else [CompletionItem(w) for w in found]
    )


def _file(incomplete: str) -> Item:
    return CompletionItem(incomplete, type="file")


def _files(context: click.Context, incomplete: str) -> Iterable[str]:
    del context, incomplete
    return ()


def _data(context: click.Context, incomplete: str) -> Iterable[str]:
    del context
    return ("phantom",) if incomplete and "phantom".startswith(incomplete) else ()


def _backbones(context: click.Context, incomplete: str) -> Iterable[str]:
    """Yield names from metadata; behind a family's slash and behind an `@` what the plugin that is named declares."""
    del context
    if incomplete.startswith((".", "/", "~")):
        return ()
    from xzoo.zoo.registry import Registry

    registry = Registry.installed()
    name, at, _ = incomplete.partition("@")
    if at:
        published = [weights.name for weights in registry.get(name).backbone.weights]
        return [f"{name}@{weights}" for weights in (*published, "random")]
    if "/" in name:
        return _members(registry, name.partition("/")[0])
    found = [known for known in registry.names() if known.startswith(name)]
    return found if len(found) != 1 else [f"{found[0]}/" if _is_family(registry, found[0]) else found[0]]


def _members(registry: Registry, family: str) -> Iterator[str]:
    for offer in registry.family_offers(family):
        yield from registry.members(offer)


def _is_family(registry: Registry, name: str) -> bool:
    return any(member.startswith(f"{name}/") for member in _members(registry, name))


def _strategies(context: click.Context, incomplete: str) -> Iterable[str]:
    """Yield strategies, those with a number up to it, behind what a comma ends."""
    del context
    from xzoo.zoo import strategies

    begun, comma, _ = incomplete.rpartition(",")
    return [f"{begun}{comma}{word.rstrip('ND')}" for word in strategies.WORDS]


def _settings(context: click.Context, incomplete: str) -> Iterable[str]:
    """Yield the keys of a recipe, and behind the `=` of one that takes words these."""
    del context
    from xzoo.train.knobs import knobs

    key, equals, begun = incomplete.partition("=")
    if not equals:
        return [f"{knob.name}=" for knob in knobs()]
    before = begun.rpartition(",")[0]
    joined = f"{before}," if before else ""
    allowed = next((knob.allowed for knob in knobs() if knob.name == key and not knob.allowed[0].isdecimal()), "")
    return [f"{key}={joined}{word}" for word in allowed.split(", ") if word]


def _varied(context: click.Context, incomplete: str) -> Iterable[str]:
    return [*_settings(context, incomplete), "split="]


def _runs(context: click.Context, incomplete: str) -> Iterable[str]:
    del incomplete
    from xzoo.runs.store import scan

    above = context.parent.params.get("runs") if context.parent else None
    folder = Path(context.params.get("runs") or above or "xzoo-runs").expanduser()
    found = [run.path.name for run in scan(folder)]
    return [*(["last"] if found else []), *found]


def _policies(context: click.Context, incomplete: str) -> Iterable[str]:
    del context, incomplete
    from xzoo.data.augment import POLICIES

    return POLICIES


def _devices(context: click.Context, incomplete: str) -> Iterable[str]:
    del context, incomplete
    return ("auto", "cpu", "cuda", "cuda:")


WORDS: Mapping[str, Words] = {
    "a": _runs,
    "augment": _policies,
    "b": _runs,
    "backbone": _backbones,
    "data": _data,
    "device": _devices,
    "freeze": _strategies,
    "name": _backbones,
    "names": _backbones,
    "pattern": _backbones,
    "paths": _files,
    "recipe_file": _files,
    "report names": _runs,
    "run": _runs,
    "runs": _files,
    "settings": _settings,
    "vary": _varied,
    **dict.fromkeys(("images", "output", "audit", "explain", "folder", "path"), _files),
}
"""By a parameter's name what completes it; with a command before it where the name alone does not tell."""
