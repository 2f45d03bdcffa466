"""`--dry-run` of `compare` and `train`: what would be computed, fetched and written."""

from __future__ import annotations

from typing import Any

from xzoo.cli.frame import emit
from xzoo.cli.options import plan_words


def show(
    names: tuple[str, ...], form: str, *, runs: str, device: str, deterministic: bool, launcher: str = "local", **rest: Any
) -> None:
    """Print what the command would do; how far it repeats, and who computes it, changes none of it."""
    del deterministic, launcher
    asked = plan_words(**rest)
    from xzoo.compare.forecast import foresee

    found = foresee(names, device=device, runs=runs, **asked)

    def text() -> str:
        from xzoo.report.forecasts import forecast_text

        return forecast_text(found)

    emit(found, form, text)
