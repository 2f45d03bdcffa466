"""`xzoo.bench`: what backbones cost in time and memory on this machine. Free of torch until there is something to time."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import replace

from xzoo.compare.timings import TRAINING_BATCH, Asked, Benchmark
from xzoo.data.unlabelled import find_images
from xzoo.errors import UsageError
from xzoo.model import fetch
from xzoo.runs.following import followed
from xzoo.train import recipe as recipes
from xzoo.zoo.registry import Registry
from xzoo.zoo.spec import Backbone, Choice, RandomStart, Weights
from xzoo.zoo.strategies import parse as parse_strategy

SECONDS = 3.0
_MOST_SECONDS, _LARGEST_BATCH = 3600.0, 4096


def bench(  # noqa: PLR0913 - the keywords are the words of the command line
    backbones: str | Backbone | Sequence[str | Backbone],
    *,
    engine: Sequence[str] = ("eager",),
    precision: Sequence[str] = (),
    batch: Sequence[int] = (1, 16),
    freeze: Sequence[str] = ("frozen", "finetune"),
    size: int = 0,
    device: str = "auto",
    seconds: float = SECONDS,
    images: str | os.PathLike[str] | None = None,
) -> Benchmark:
    """Time backbones on engines, from memory and from files, and steps of training, against each other on this machine.

    `engine` may be `all`: those that run here. Batches are rows of their own, timed in alternating bursts over everything else
    for about `seconds` a row; `freeze` () leaves training out. Names without `@weights` start at random where their published
    weights are not on this disk. What fails is told in its row.
    Raises UsageError, DataError and UnavailableError for what cannot be begun.
    """
    steps = carry_out(
        ask(
            backbones,
            engine=engine,
            precision=precision,
            batch=batch,
            freeze=freeze,
            size=size,
            device=device,
            seconds=seconds,
            images=images,
        )
    )
    return followed(steps)


def ask(  # noqa: PLR0913 - the keywords are those of `bench`
    backbones: str | Backbone | Sequence[str | Backbone],
    *,
    engine: Sequence[str],
    precision: Sequence[str],
    batch: Sequence[int],
    freeze: Sequence[str],
    size: int,
    device: str,
    seconds: float,
    images: str | os.PathLike[str] | None,
) -> Asked:
    """Return what `bench` is to time. Raises what `bench` does but for engines and devices, which are seen with torch."""
    names = [backbones] if isinstance(backbones, (str, Backbone)) else list(backbones)
    for what, given in (("backbone", names), ("engine", engine), ("batch size", batch)):
        if not given:
            raise UsageError(f"no {what} is named", "name at least one")
    if odd := [one for one in precision if one not in {"bf16", "fp32"}]:
        raise UsageError(f"precision {odd[0]!r} is unknown", "use bf16, fp32 or both")
    if wrong := [one for one in batch if not 1 <= one <= _LARGEST_BATCH]:
        raise UsageError(f"a batch of {wrong[0]} images cannot be timed", f"choose from 1 to {_LARGEST_BATCH}")
    if not 0 < seconds <= _MOST_SECONDS:
        raise UsageError(f"{seconds} seconds are no budget for a row", f"choose more than 0, up to {_MOST_SECONDS:g}")
    for strategy in freeze:
        parse_strategy(strategy)
    registry = Registry.installed()
    choices, notes = _started([registry.get(name) for name in names])
    return Asked(
        choices=choices,
        engines=tuple(dict.fromkeys(engine)),
        precisions=tuple(dict.fromkeys(precision)),
        batches=tuple(dict.fromkeys(batch)),
        freeze=tuple(dict.fromkeys(freeze)),
        recipe=recipes.make({"size": size, "batch_size": TRAINING_BATCH, "lr": 1e-4}),
        device=device,
        seconds=seconds,
        images=find_images([images]) if images is not None else (),
        notes=notes,
    )


def carry_out(asked: Asked) -> Generator[str, None, Benchmark]:
    """Time what is asked for, yielding lines that say what is being done, and return the answer."""
    from xzoo.compare import contest

    return (yield from contest.carry_out(asked))


def _started(choices: Sequence[Choice]) -> tuple[tuple[Choice, ...], tuple[str, ...]]:
    """Return the choices, at random where no weights are named and none lie here, and a note that says for which."""
    found: list[Choice] = []
    for choice in choices:
        named = choice.reference is not None and bool(choice.reference.weights)
        path = fetch.where(choice)
        if isinstance(choice.start, Weights) and not named and (path is None or not path.is_file()):
            found.append(replace(choice, start=RandomStart(0)))
        else:
            fetch.fetch(choice)
            found.append(choice)
    labels = [choice.label for choice in found]
    if len(set(labels)) != len(labels):
        raise UsageError(f"a backbone is named twice: {', '.join(labels)}", "name each once")
    changed = [new.label for new, old in zip(found, choices, strict=True) if new.start is not old.start]
    words = f"{', '.join(changed)}: published weights are not on this disk; times do not depend on their values"
    return tuple(found), ((words,) if changed else ())
