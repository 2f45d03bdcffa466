"""`xzoo compare`: train, measure, hold against each other, recommend."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit

from xzoo.cli import ending, forecast, given
from xzoo.cli.frame import emit, format_option, say
from xzoo.cli.options import STRATEGIES, plan_words, seeds_of, shared_options, words
from xzoo.errors import DataError, PluginError, PreflightError, UnavailableError, UsageError, WeightsError, XzooError

if TYPE_CHECKING:
    from xzoo.compare.outcome import Outcome

CELLS_FAILED = 4
_REFUSALS: dict[str, type[XzooError]] = {
    kind.kind: kind for kind in (UsageError, DataError, UnavailableError, WeightsError, PluginError, PreflightError)
}


@click.command("compare")
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--freeze",
    multiple=True,
    metavar="A,B",
    help=f"{STRATEGIES} Default: frozen,finetune; of a network without published weights finetune.",
)
@click.option("--seeds", metavar="N", help="How many seeds, or which (0,1,2). Default: 3.")
@click.option("--vary", multiple=True, metavar="KEY=A,B", help="Try several recipe values, or split=0.8/0.2,0.7/0.3. Repeatable.")
@click.option("--train-size", default="", metavar="A,B,all", help="Accuracy against the number of training images.")
@click.option(
    "--margin", type=float, default=0.02, metavar="SHARE", help="Accuracies this near count as equivalent. Default: 0.02."
)
@click.option("--predictions", is_flag=True, help="NAMES are files of path,label,probabilities[,group]; nothing is trained.")
@click.option("--accuracies", is_flag=True, help="NAMES are accuracies on the same images, 290/400 or 72.5%/400.")
@click.option(
    "--launcher",
    type=click.Choice(["local", "ray"]),
    default="local",
    help="Where cells run: ray is the cluster at RAY_ADDRESS, or one on this machine's cores.",
)
@click.option("--disagreements", metavar="A,B", help="With --accuracies: images that only the first, only the second got right.")
@click.option("--guessing", type=float, metavar="SHARE", help="With --accuracies: the largest class's share. Default: 0.5.")
@shared_options
@format_option
def command(  # noqa: PLR0913 - the words of the command line
    names: tuple[str, ...],
    form: str,
    *,
    freeze: tuple[str, ...],
    seeds: str | None,
    vary: tuple[str, ...],
    train_size: str,
    predictions: bool,
    accuracies: bool,
    disagreements: str | None,
    guessing: float | None,
    dry_run: bool,
    **rest: Any,
) -> None:
    """Train NAMES ([distribution:]name[@weights], or ./file.py:name) under freeze strategies and seeds; say which to use.

    Running the same command again computes only what is missing. With --predictions or --accuracies nothing is trained: models
    that were trained elsewhere are held against each other.
    """
    if predictions:
        given.predictions(names, form, rest["margin"], rest["positive"])
        return
    if accuracies:
        given.accuracies(names, form, rest["margin"], disagreements, guessing)
        return
    given.refuse_without_form()
    if freeze and not words(freeze):
        raise UsageError("--freeze is empty", "name a strategy, or leave the option out")
    many = seeds_of(seeds) if seeds is not None else None
    asked = {"freeze": words(freeze), "seeds": many, "vary": vary, "train_size": words([train_size]), **rest}
    if dry_run:
        forecast.show(names, form, **asked)
        return
    outcome = carry_out(names, **asked)
    emit(outcome, form, lambda: _shown(outcome))
    if outcome.failed:
        raise Exit(CELLS_FAILED)


def carry_out(
    names: tuple[str, ...], *, runs: str, device: str, deterministic: bool, launcher: str = "local", **rest: Any
) -> Outcome:
    """Plan, compute what is missing with progress on stderr, and return the outcome."""
    asked = plan_words(**rest)
    from xzoo.compare import api, crew
    from xzoo.compare.launch import check_launcher

    check_launcher(launcher)
    with crew.joined(device, _teller()) as (ranks, kind):
        plan = crew.planned(ranks, partial(api.make_plan, names, **asked))
        from xzoo.cli.progress import follow
        from xzoo.compare.outcome import dataset
        from xzoo.train.device import choose, imitates_bf16

        chosen = choose(kind, plan.cells[0].recipe["precision"], deterministic=deterministic, ranks=ranks)
        if ranks.is_leader and imitates_bf16(chosen.kind) and any(cell.recipe["precision"] == "bf16" for cell in plan.cells):
            say("this processor has no bfloat16 and imitates it, many times slower than float32; precision=auto would not")
        folder = api.run_folder(plan, Path(runs))
        with closing(api.carry_out(plan, Path(runs), chosen, launcher)) as events:
            if ranks.is_leader:
                follow(events, plan, dataset(plan)["first_line"], str(folder.path), chosen.kind)
            else:
                deque(events, 0)
        outcome = api.outcome_of(plan, Path(runs), chosen) if ranks.is_leader else None
    if outcome is None:
        raise Exit(0)
    _refuse_where_all_failed(outcome)
    return outcome


def _teller() -> Callable[[XzooError], int]:
    """Return what shows an error that ends this command from outside of its own work."""
    context = click.get_current_context(silent=True)
    answer = context.find_root().obj if context and context.params.get("form") == "json" else None
    return lambda error: ending.tell(error, answer, debug=False)


def _refuse_where_all_failed(outcome: Outcome) -> None:
    """Raise what hindered every cell, where it is one thing and not the training's: data, weights, a plugin, a wrong word."""
    errors = {tuple(cell.error.values()): cell.error for cell in outcome.failed if cell.error}
    if len(outcome.failed) == len(outcome.cells) and len(errors) == 1:
        [error] = errors.values()
        if kind := _REFUSALS.get(error["kind"]):
            raise kind(error["text"], error["remedy"])


def _shown(outcome: Outcome) -> str:
    from xzoo.report.tables import outcome_text

    return outcome_text(outcome)
