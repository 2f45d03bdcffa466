"""`--dry-run` of `compare` and `train`: what would be computed, fetched and written."""

from __future__ import annotations

from typing import Any

from xzoo.cli.frame import emit
from xzoo.cli.options import recipe_values


def show(  # noqa: PLR0913 - the words of the command line
    names: tuple[str, ...],
    form: str,
    *,
    runs: str,
    device: str,
    settings: tuple[str, ...],
    recipe_file: str | None,
    epochs: int | None,
    augment: str | None,
    no_latency: bool,
    **asked: Any,
) -> None:
    """Print what the command would do."""
    values = recipe_values(settings, recipe_file, epochs, augment)
    from xzoo.compare.forecast import foresee

    found = foresee(names, device=device, runs=runs, recipe=values, latency=not no_latency, **asked)

    def text() -> str:
        from xzoo.report.forecasts import forecast_text

        return forecast_text(found)

    emit(found, form, text)
