"""`xzoo weights`: fetch published weights, say where they lie, and whether they are what was published."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import rich_click as click

from xzoo.cli.frame import emit, format_option
from xzoo.errors import WeightsError

if TYPE_CHECKING:
    from xzoo.zoo.spec import Choice

Row = dict[str, str | bool | None]


@click.group("weights")
def command() -> None:
    """Fetch, find and verify published weights."""


@command.command("fetch")
@click.argument("names", nargs=-1, required=True)
@format_option
def fetch(names: tuple[str, ...], form: str) -> None:
    """Bring the weights of NAMES to this disk, verified; what is here already stays."""
    from xzoo.model import fetch as fetching
    from xzoo.zoo.spec import Weights

    def fetch_one(choice: Choice) -> Row:
        fetched = fetching.fetch(choice) is not None and isinstance(choice.start, Weights)
        return _row(choice, "here" if fetched else "nothing to fetch")

    _answer(names, form, fetch_one)


@command.command("where")
@click.argument("names", nargs=-1, required=True)
@format_option
def where(names: tuple[str, ...], form: str) -> None:
    """Show where the weights of NAMES lie, or would after a fetch."""
    _answer(names, form, lambda choice: _row(choice, ""))


@command.command("verify")
@click.argument("names", nargs=-1, required=True)
@format_option
def verify(names: tuple[str, ...], form: str) -> None:
    """Compare the weights of NAMES with the published sha256, every byte of them."""
    from xzoo.model import fetch as fetching
    from xzoo.zoo.spec import Weights

    def verify_one(choice: Choice) -> Row:
        path = fetching.where(choice)
        if path is None or not isinstance(choice.start, Weights):
            return _row(choice, "nothing was published to compare with")
        sha256 = fetching.verify(path, choice.start, anew=True)
        return {**_row(choice, "verified" if choice.start.sha256 else "no sha256 was published"), "sha256": sha256}

    _answer(names, form, verify_one)


def _answer(names: tuple[str, ...], form: str, work: Callable[[Choice], Row]) -> None:
    """Do the work for every name, so that one failure keeps none of the others back, then print rows or raise the failure."""
    from xzoo.zoo.registry import Registry

    registry = Registry.installed()
    rows: list[Row] = []
    errors: list[WeightsError] = []
    for choice in [registry.get(name) for name in names]:
        try:
            rows.append(work(choice))
        except WeightsError as error:
            errors.append(error)
    if errors:
        more = f" ({len(errors) - 1} more of {len(names)} failed)" if len(errors) > 1 else ""
        raise WeightsError(errors[0].text + more, errors[0].remedy) from errors[0]
    emit({"schema": "xzoo.weights/1", "weights": rows}, form, lambda: "\n".join(_line(row) for row in rows))


def _row(choice: Choice, state: str) -> Row:
    from xzoo.model import fetch as fetching

    path = fetching.where(choice)
    here = path is not None and path.is_file()
    if not state:
        state = "no file" if path is None else "here" if here else "not here"
    return {"name": choice.label, "path": None if path is None else str(path), "here": here, "state": state}


def _line(row: Row) -> str:
    return "  ".join(str(row[key]) for key in ("name", "state", "path") if row[key])
