"""`xzoo.compare`: the whole way from words to an outcome."""

from __future__ import annotations

import importlib
import os
import threading
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xzoo.compare import command, crew
from xzoo.compare import plan as plans
from xzoo.compare.launch import LOCAL, check_launcher, launching
from xzoo.compare.plan import DEMO_FINETUNED_SEEDS, DEMO_RECIPE, MARGIN, Plan
from xzoo.data import split as splits
from xzoo.data.pack import foresee_pack, make_pack
from xzoo.data.source import open_source
from xzoo.errors import UnavailableError, UsageError
from xzoo.evaluate.metrics import guess_positive
from xzoo.model import fetch
from xzoo.runs.store import RunFolder
from xzoo.train import recipe as recipes
from xzoo.train.recipe import Recipe
from xzoo.zoo.registry import Registry
from xzoo.zoo.spec import Backbone, Choice, RandomStart, Weights

if TYPE_CHECKING:
    from xzoo.compare.experiment import Event
    from xzoo.compare.outcome import Outcome
    from xzoo.train.device import Device

DEMO = "phantom"
RUNS = "xzoo-runs"
SEEDS = 3


def compare(  # noqa: PLR0913 - the keywords are the words of the command line
    backbones: Sequence[str | Backbone],
    data: object = None,
    *,
    freeze: Sequence[str] = (),
    seeds: int | Sequence[int] | None = None,
    recipe: Recipe | Mapping[str, Any] | None = None,
    vary: Sequence[str] = (),
    split: str = "",
    split_seed: int | None = None,
    train_size: Sequence[str] = (),
    positive: str | None = None,
    group: str | None = None,
    watch_test: bool = False,
    keep: str = "best",
    latency: bool = True,
    margin: float = MARGIN,
    device: str = "auto",
    deterministic: bool = False,
    launcher: str = LOCAL,
    runs: str | Path = RUNS,
) -> Outcome:
    """Train backbones under freeze strategies and seeds, keep all of it in a run folder, and return what follows.

    `data` is a path, `xzoo.arrays(...)`, or None for the built-in demo. Calling again computes only what is missing. `latency`
    False leaves the backbones' latency unmeasured. Accuracies that differ by less than `margin` count as equivalent.
    `deterministic` holds torch to algorithms that repeat: on CUDA the same command then gives the same bytes. `launcher` "ray"
    computes the cells on the Ray cluster at RAY_ADDRESS, or on one that is started here for the time of the call.
    Raises UsageError, DataError, UnavailableError and StorageError; a cell that fails is in `failed`, and the others go on.
    """
    check_launcher(launcher)
    make = partial(
        make_plan,
        backbones,
        data,
        freeze=freeze,
        seeds=seeds,
        recipe=recipe,
        vary=vary,
        split=split,
        split_seed=split_seed,
        train_size=train_size,
        positive=positive,
        group=group,
        watch_test=watch_test,
        keep=keep,
        latency=latency,
        margin=margin,
    )
    from xzoo.train.device import choose

    with crew.joined(device) as (ranks, kind):
        made = crew.planned(ranks, make)
        chosen = choose(kind, made.cells[0].recipe["precision"], deterministic=deterministic, ranks=ranks)
        with closing(carry_out(made, Path(runs), chosen, launcher)) as events:
            deque(events, 0)
        with ranks.leader_first("outcome"):
            return outcome_of(made, Path(runs), chosen)


def make_plan(  # noqa: PLR0913 - as `compare`
    backbones: Sequence[str | Backbone],
    data: object = None,
    *,
    freeze: Sequence[str] = (),
    seeds: int | Sequence[int] | None = None,
    recipe: Recipe | Mapping[str, Any] | None = None,
    vary: Sequence[str] = (),
    split: str = "",
    split_seed: int | None = None,
    train_size: Sequence[str] = (),
    positive: str | None = None,
    group: str | None = None,
    watch_test: bool = False,
    keep: str = "best",
    latency: bool = True,
    margin: float = MARGIN,
    is_look: bool = False,
) -> Plan:
    """Return the plan of what `compare` would do, its words checked, its weights here and its data packed.

    With `is_look` no weights are fetched and nothing is packed, and the plan can be looked at and not be carried out.
    """
    if not backbones:
        raise UsageError("no backbone is named", "name at least one; `xzoo list` shows all")
    if keep not in {"best", "all", "none"}:
        raise UsageError(f"keep {keep!r} is unknown", "use best, all or none")
    backbones = [backbones] if isinstance(backbones, (str, Backbone)) else list(backbones)
    plans.check_margin(margin)
    chosen_seeds = tuple(range(SEEDS if seeds is None else seeds)) if not isinstance(seeds, Sequence) else tuple(seeds)
    if not chosen_seeds:
        raise UsageError(f"seeds={seeds} asks for no seed", "ask for at least one")
    is_demo = data is None or (isinstance(data, str) and data.partition(":")[0] == DEMO)
    registry = Registry.installed()
    choices = [registry.get(name) for name in backbones]
    is_profile = data is None or (isinstance(data, str) and data == DEMO)
    defaults = {**DEMO_RECIPE, **_demo_size(choices)} if is_profile else {}
    made = recipe if isinstance(recipe, Recipe) else recipes.make({**defaults, **(recipe or {})})
    rule = replace(splits.parse(split), seed=split_seed)
    varied = plans.variations(made, rule, vary, train_size)
    choices = choices if is_look else _with_weights(choices, is_demo)
    source = open_source(DEMO if data is None else data, group=group)
    _import_meanwhile("torch")
    pack = foresee_pack(source) if is_look else make_pack(source)
    for rule in dict.fromkeys(variation.split for variation in varied):
        splits.draw(pack.labels_N, pack.splits_N, pack.together_N, rule, chosen_seeds[0], classes=pack.classes)
    plan = plans.make(
        choices,
        pack,
        freeze,
        chosen_seeds,
        varied,
        positive=positive or guess_positive(pack.classes),
        watch_test=watch_test,
        keep=keep,
        latency=latency,
        margin=margin,
        is_demo=is_demo,
        tuned_seeds=DEMO_FINETUNED_SEEDS if is_profile and seeds is None and not freeze else None,
    )
    asked = command.words(
        backbones,
        data,
        freeze=freeze,
        seeds=seeds,
        recipe=recipe,
        vary=vary,
        split=split,
        split_seed=split_seed,
        train_size=train_size,
        positive=positive,
        group=group,
        watch_test=watch_test,
        keep=keep,
        latency=latency,
        margin=margin,
    )
    return replace(plan, command=asked, source=_lasting_place(data), group=group)


def _lasting_place(data: object) -> str:
    """Return where the data is found from any folder; nothing for data that was made in Python."""
    if data is None or (isinstance(data, str) and data.partition(":")[0] == DEMO):
        return DEMO if data is None else str(data)
    return str(Path(data).expanduser().absolute()) if isinstance(data, str | os.PathLike) else ""


def _import_meanwhile(name: str) -> None:
    """Import a module in a thread of its own, beside the work that needs no more of the interpreter than it leaves."""
    threading.Thread(target=importlib.import_module, args=(name,)).start()


def carry_out(plan: Plan, runs: Path, device: Device, launcher: str = LOCAL) -> Generator[Event]:
    """Compute the plan's missing cells in its run folder below `runs`, and yield events.

    Raises StorageError, and what `launching` raises for a launcher that cannot be used.
    """
    from xzoo.compare.experiment import run
    from xzoo.train.deterministic import deterministic

    with deterministic(device):
        if not device.ranks.is_leader:
            crew.follow(plan, device)
            return
        with launching(launcher) as launch:
            yield from run(plan, run_folder(plan, runs), device, launch)
        crew.dismiss(device)


def outcome_of(plan: Plan, runs: Path, device: Device) -> Outcome:
    """Return what follows from the cells, and keep it in the run folder."""
    from xzoo.compare.outcome import conclude
    from xzoo.train.device import environment

    folder = run_folder(plan, runs)
    outcome = conclude(plan, folder, environment(device))
    if device.ranks.is_leader:
        folder.write_outcome(outcome)
    return outcome


def run_folder(plan: Plan, runs: Path) -> RunFolder:
    """Return the folder of a plan's run."""
    return RunFolder(runs / plan.hash)


def _demo_size(choices: Sequence[Choice]) -> dict[str, Any]:
    """Return the demo's smaller input where every backbone takes it."""
    from xzoo.data.phantom import Dials

    size = Dials().size
    fits = all(not choice.backbone.fixed_size and choice.backbone.min_size <= size for choice in choices)
    return {"size": size} if fits else {}


def _with_weights(choices: Sequence[Choice], is_demo: bool) -> list[Choice]:
    """Return the choices with their weights on this disk; on the demo alone, those that cannot be fetched become random."""
    found: list[Choice] = []
    offline: UnavailableError | None = None
    for choice in choices:
        if not isinstance(choice.start, Weights) or choice.start.read is not None:
            fetch.fetch(choice)
            found.append(choice)
            continue
        path = fetch.where(choice)
        try:
            if offline is not None and (path is None or not path.is_file()):
                raise offline
            if path is None or not path.is_file():
                fetch.fetch(choice)
            found.append(choice)
        except UnavailableError as error:
            if not is_demo:
                raise
            offline = error
            fallback = replace(choice, start=RandomStart(0))
            if fallback.label not in {other.label for other in [*found, *choices]}:
                found.append(fallback)
    return found
