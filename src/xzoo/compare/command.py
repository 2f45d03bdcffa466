"""A comparison's arguments as the words of the command line, so that a run can say how to make it again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from xzoo.compare.plan import MARGIN
from xzoo.train.recipe import Recipe


def words(  # noqa: PLR0913 - the keywords of `compare`
    backbones: Sequence[object],
    data: object,
    *,
    freeze: Sequence[str],
    seeds: int | Sequence[int] | None,
    recipe: Recipe | Mapping[str, Any] | None,
    vary: Sequence[str],
    split: str,
    split_seed: int | None,
    train_size: Sequence[str],
    positive: str | None,
    group: str | None,
    watch_test: bool,
    keep: str,
    latency: bool,
    margin: float,
) -> tuple[str, ...]:
    """Return the words behind `xzoo`; none where a network, data or a seed was given that only Python can say."""
    if not all(isinstance(name, str) for name in backbones) or not isinstance(data, str | os.PathLike | None):
        return ()
    names = [str(name) for name in backbones]
    head = _head(names, freeze, seeds)
    if head is None:
        return ()
    path = None if data is None else os.fspath(data)
    pairs = {"--data": path, "--split": split or None, "--split-seed": split_seed, "--positive": positive, "--group": group}
    found = [*head, *(word for name, value in pairs.items() if value is not None for word in (name, str(value)))]
    found += [word for value in _settings(recipe) for word in ("--set", value)]
    found += [word for value in vary for word in ("--vary", value)]
    found += ["--train-size", ",".join(train_size)] if train_size else []
    found += ["--watch-test"] * watch_test + (["--keep", keep] if keep != "best" else []) + ["--no-latency"] * (not latency)
    return (*found, *(["--margin", f"{margin:g}"] if margin != MARGIN else []))


def _head(names: Sequence[str], freeze: Sequence[str], seeds: int | Sequence[int] | None) -> list[str] | None:
    """Return command, names, strategies and seeds; one seed that is not 0 is a matter of `train`."""
    strategies = ["--freeze", ",".join(freeze)] if freeze else []
    if not isinstance(seeds, Sequence):
        return ["compare", *names, *strategies, *([] if seeds is None else ["--seeds", str(seeds)])]
    if tuple(seeds) == (0,):
        return ["compare", *names, *strategies, "--seeds", "1"]
    if len(seeds) > 1:
        return ["compare", *names, *strategies, "--seeds", ",".join(map(str, seeds))]
    return ["train", *names, *strategies, "--seed", str(seeds[0])] if len(names) == len(freeze) == 1 else None


def _settings(recipe: Recipe | Mapping[str, Any] | None) -> list[str]:
    if isinstance(recipe, Recipe):
        plain = asdict(Recipe())
        return [f"{name}={value}" for name, value in asdict(recipe).items() if value != plain[name]]
    return [f"{name}={value}" for name, value in (recipe or {}).items()]
