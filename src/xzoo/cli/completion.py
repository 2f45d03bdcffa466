"""`xzoo completion`: the script by which a shell completes xzoo's words."""

from __future__ import annotations

import rich_click as click

from xzoo.cli.completing import SHELLS, script
from xzoo.cli.frame import emit, format_option, group


@click.command("completion")
@click.argument("shell", type=click.Choice(list(SHELLS)))
@format_option
def command(shell: str, form: str) -> None:
    """Print what SHELL has to run to complete commands, options, backbones, weights, strategies, recipe values and runs.

    bash: `eval "$(xzoo completion bash)"` in ~/.bashrc; zsh: the same in ~/.zshrc, below compinit; fish: `xzoo completion fish`
    into ~/.config/fish/completions/xzoo.fish.
    """
    text = script(group, shell)
    emit({"schema": "xzoo.completion/1", "shell": shell, "script": text}, form, lambda: text.rstrip("\n"))
