"""`xzoo compare` on what was computed elsewhere: files of predictions, or accuracies alone."""

from __future__ import annotations

import click
from click.core import ParameterSource

from xzoo.cli.frame import emit
from xzoo.errors import UsageError

_OWN = {
    "--predictions": {"names", "predictions", "form", "margin", "positive"},
    "--accuracies": {"names", "accuracies", "form", "margin", "disagreements", "guessing"},
}


def predictions(names: tuple[str, ...], form: str, margin: float, positive: str | None) -> None:
    """Print intervals and verdicts for files of predictions."""
    _refuse_others("--predictions")
    from xzoo.compare.predictions import compare_predictions

    outcome = compare_predictions(names, margin=margin, positive=positive)

    def text() -> str:
        from xzoo.report.given import predictions_text

        return predictions_text(outcome)

    emit(outcome, form, text)


def accuracies(names: tuple[str, ...], form: str, margin: float, disagreements: str | None, guessing: float | None) -> None:
    """Print what accuracies on the same images leave open."""
    _refuse_others("--accuracies")
    from xzoo.compare.marginals import compare_accuracies

    counts = None if disagreements is None else _counts(disagreements)
    outcome = compare_accuracies(names, disagreements=counts, guess=0.5 if guessing is None else guessing, margin=margin)

    def text() -> str:
        from xzoo.report.given import accuracies_text

        return accuracies_text(outcome)

    emit(outcome, form, text)


def refuse_without_form() -> None:
    """Raise UsageError for words that only accuracies take."""
    context = click.get_current_context()
    if given := [name for name in ("disagreements", "guessing") if _is_given(context, name)]:
        raise UsageError(f"--{given[0]} has no part in training", "it goes with --accuracies")


def _refuse_others(form: str) -> None:
    context = click.get_current_context()
    given = [name for name in context.params if name not in _OWN[form] and _is_given(context, name)]
    if given:
        options = {one.name: one.opts[0] for one in context.command.params}
        raise UsageError(f"{options[given[0]]} has no part in {form}: nothing is trained", "leave it out")


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _counts(text: str) -> tuple[int, int]:
    words = text.split(",")
    if len(words) != 2 or not all(word.strip().isdecimal() for word in words):
        raise UsageError(
            f"--disagreements {text!r} is not understood",
            "give how many images only the first and only the second got right: 20,26",
        )
    return int(words[0]), int(words[1])
