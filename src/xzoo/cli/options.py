"""The options that `compare` and `train` share, and how their words become arguments of `xzoo.compare`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import rich_click as click

from xzoo.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])

STRATEGIES = "frozen, finetune, last:N, gradual:N, lp-ft, layerwise:D."

MOST_SEEDS = 10_000


def not_empty(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return what was given. Raises UsageError for an empty word: it comes from a variable that is not set."""
    del context
    if value is not None and not value.strip():
        name = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
        raise UsageError(f"{name} is empty", "give it a value, or leave the option out")
    return value


_SHARED = (
    click.option(
        "--data",
        metavar="PATH",
        callback=not_empty,
        help="Folder, .npz, .csv, .jsonl, or phantom:DIAL=VALUE,... Default: the demo.",
    ),
    click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A recipe value, such as lr=0.0003. Repeatable."),
    click.option("--recipe", "recipe_file", metavar="FILE", callback=not_empty, help="Recipe values from a TOML file."),
    click.option("--epochs", type=int, help="Short for --set epochs=N."),
    click.option("--augment", metavar="POLICY", help="Short for --set augment=POLICY: none, chest-xray, natural."),
    click.option("--split", default="", metavar="RULE", help="0.7,0.3 (train, validation); pool (pool everything and redraw)."),
    click.option("--split-seed", type=click.IntRange(min=0), help="One seed for all splits, instead of each cell's own."),
    click.option("--positive", metavar="CLASS", callback=not_empty, help="The class that sensitivity speaks of."),
    click.option(
        "--group",
        metavar="REGEX",
        callback=not_empty,
        help="Keeps patients together: its first group, in a file's path, is the patient.",
    ),
    click.option("--watch-test", is_flag=True, help="Measure the test split after every epoch; stamps the run."),
    click.option("--keep", type=click.Choice(["best", "all", "none"]), default="best", help="Which seeds' trained tensors stay."),
    click.option("--dry-run", is_flag=True, help="Say what would be computed, fetched and written, and how long it takes."),
    click.option("--no-latency", is_flag=True, help="Do not measure the backbones' latency."),
    click.option("--device", default="auto", metavar="NAME", callback=not_empty, help="auto, cpu, cuda or cuda:N."),
    click.option("--deterministic", is_flag=True, help="Only algorithms that give the same bits every time: on CUDA slower."),
    click.option("--runs", default="xzoo-runs", metavar="FOLDER", callback=not_empty, help="Where run folders are kept."),
)


def shared_options(function: Function) -> Function:
    """Give a command the options of training."""
    for option in reversed(_SHARED):
        function = option(function)
    return function


def recipe_values(settings: Sequence[str], recipe_file: str | None, epochs: int | None, augment: str | None) -> dict[str, Any]:
    """Return recipe values: those of the file, then of --set, then of the short options. Raises UsageError."""
    return {key: value for key, (value, _) in recipe_given(settings, recipe_file, epochs, augment).items()}


def plan_words(
    *,
    settings: Sequence[str],
    recipe_file: str | None,
    epochs: int | None,
    augment: str | None,
    no_latency: bool,
    **asked: Any,
) -> dict[str, Any]:
    """Return what a plan is asked for: recipe values and whether to time answers, and all else as it is. Raises UsageError."""
    return {"recipe": recipe_values(settings, recipe_file, epochs, augment), "latency": not no_latency, **asked}


def recipe_given(
    settings: Sequence[str], recipe_file: str | None, epochs: int | None, augment: str | None
) -> dict[str, tuple[Any, str]]:
    """Return recipe values as `recipe_values` does, each with who gave it. Raises UsageError."""
    from xzoo.train import knobs
    from xzoo.train.recipe import read

    layers = [(f"recipe file {recipe_file}", read(recipe_file))] if recipe_file else []
    layers.append(("--set", knobs.from_words(settings)))
    short = {"epochs": epochs, "augment": augment}
    layers += [(f"--{key}", {key: value}) for key, value in short.items() if value is not None]
    return knobs.gather(layers)


def words(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the words of comma-separated texts."""
    return tuple(word.strip() for text in texts for word in text.split(",") if word.strip())


def seeds_of(text: str) -> int | tuple[int, ...]:
    """Return the number of seeds, or the seeds themselves where the text lists several. Raises UsageError."""
    try:
        numbers = tuple(int(word) for word in text.split(","))
    except ValueError:
        numbers = ()
    is_count = len(numbers) == 1
    if not numbers or min(numbers) < is_count or len(set(numbers)) != len(numbers) or (is_count and numbers[0] > MOST_SEEDS):
        raise UsageError(f"--seeds {text!r} is not understood", "give how many (3), or which (0,1,2)")
    return numbers[0] if len(numbers) == 1 else numbers
