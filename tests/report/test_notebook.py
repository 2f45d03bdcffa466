"""Results as notebooks show them: HTML in which names stay text, frames, and axes that can be restyled."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import xzoo
from strings import HOSTILE
from xzoo.audit.balance import SplitSize
from xzoo.audit.outcome import Audit
from xzoo.compare.cause import Cause
from xzoo.compare.drop import Drop
from xzoo.compare.explanation import Autopsy, Explanation
from xzoo.compare.inference import Predicted, PredictedImage
from xzoo.compare.outcome import Outcome
from xzoo.compare.timings import Benchmark, InferenceRow, TrainingRow
from xzoo.data.items import printable
from xzoo.model.facts import describe
from xzoo.report.notebook import SHOWN
from xzoo.report.portraits import pair, portrait
from xzoo.report.printed import PRINTED
from xzoo.report.tables import outcome_text
from xzoo.runs.result import Finding, Measure
from xzoo.zoo.registry import Registry

NAMES = [name for name in HOSTILE if name]
FEW: dict[str, Any] = {"seeds": [0, 1], "freezes": ["frozen"], "epochs": 3, "distinct": 1, "comparing": False, "resamples": 2}
ONE = Measure(0.5, 0.25, 0.75, 8)


class Marks(HTMLParser):
    """The kinds of elements with their attributes, the text, and elements that are still open at the end."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.kinds: set[tuple[str, str]] = set()
        self.text, self.open = "", 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.kinds |= {(tag, ""), *((tag, f"{name}={value}") for name, value in attrs)}
        self.open += 1

    def handle_endtag(self, tag: str) -> None:
        self.open -= 1

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def outcome(writer: Callable[..., Outcome], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A comparison of plain names."""
    return writer(
        tmp_path_factory.mktemp("plain") / "run", names=["one", "two"], findings=[Finding("a", "info", "b", "c")], **FEW
    )


def facts(name: str) -> Any:
    registry = Registry(())
    found = describe(registry.get(own()))
    weights = [dataclasses.replace(one, name=name, licence=name, trained_on=name) for one in found.weights]
    stages = [dataclasses.replace(one, name=name) for one in found.stages]
    words = {"summary": name, "paper": name, "origin": name, "head": name}
    return dataclasses.replace(found, name=name, stages=tuple(stages), weights=tuple(weights), **words)  # type: ignore[arg-type]


def own() -> xzoo.Backbone:
    def build() -> Any:
        from torch import nn

        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 3), nn.Linear(3, 2))

    weights = [xzoo.Weights("V1", url="https://example.org/a-0123abcd.pth", preprocess=xzoo.Preprocess(size=4))]
    return xzoo.Backbone(name="own", build=build, head=xzoo.ReplaceLinear("2"), stages={"body": "1"}, weights=weights)


def audit(name: str) -> Audit:
    size = SplitSize(8, None, {name: 8}, 0.5, 0.1, {name: 0.1}, name)
    return Audit(
        dataset={"name": name, "classes": [name], "first_line": name},
        features={"name": name},
        unreadable=(),
        odd={},
        copies=(),
        num_copies=1,
        conflicts=(),
        leaks=(),
        splits={name: size},
        shifts=(),
        controls=(),
        findings=[Finding(name, "warning", name, name)],
        not_examined=[name],
        environment={},
    )


def explanation(name: str) -> Explanation:
    drop = Drop(0.9, 0.8, ONE, ONE, 1.0, ONE, ONE, None, None, None, None, 0, 3)
    cause = Cause(name, "yes", name, ONE)
    return Explanation(
        run=name, dataset={}, contenders=(Autopsy(name, name, name, (0,), name, drop, (name,), (cause,), None, name),)
    )


def benchmark(name: str) -> Benchmark:
    row = InferenceRow(backbone=name, engine=name, asked="fp32", batch=1, precision="fp32", p50_ms=ONE, rank=1)
    failed = InferenceRow(backbone=f"{name}!", engine=name, asked="fp32", batch=1, error={"text": name, "remedy": name})
    step = TrainingRow(backbone=name, freeze=name, precision="fp32", batch=8, trains_on=name, step_ms=ONE, rank=1)
    return Benchmark(
        environment={"device": name, "threads": 1, "versions": {"torch": name}, "load": [0.0, 0.0]},
        rows=(row, failed),
        training=(step,),
        notes=(name,),
    )


def predicted(name: str) -> Predicted:
    images = [PredictedImage(f"{name}{number}", name, {name: 1.0}) for number in range(30)]
    return Predicted(run=name, contender=name, seed=0, classes=(name,), images=images)


OTHERS: tuple[Callable[[str], Any], ...] = (facts, audit, explanation, benchmark, predicted)


def test_every_result_shows_richly(outcome: Outcome) -> None:
    shown = outcome._repr_html_()
    assert "Use one@V1" in shown or "No recommendation" in shown
    assert "majority class" in shown
    assert "info [a] b. To do: c" in shown
    assert Marks(shown).open == 0


def test_no_name_of_a_comparison_becomes_an_element_or_an_attribute(
    outcome: Outcome, writer: Callable[..., Outcome], tmp_path: Path
) -> None:
    findings = [Finding(name, "warning", name, name) for name in NAMES]
    bad = writer(tmp_path / "bad", names=NAMES, classes=NAMES[:10], findings=findings, **{**FEW, "data": NAMES[0]})
    found = Marks(bad._repr_html_())
    assert found.kinds <= Marks(outcome._repr_html_()).kinds
    assert found.open == 0
    assert [name for name in NAMES if printable(" ".join(name.splitlines())) not in found.text] == []


@pytest.mark.parametrize("make", OTHERS)
def test_no_name_of_any_other_result_becomes_an_element_or_an_attribute(make: Callable[[str], Any]) -> None:
    plain = Marks(make("a name")._repr_html_())
    assert (plain.open, "a name" in plain.text) == (0, True)
    for name in NAMES:
        found = Marks(make(name)._repr_html_())
        assert (found.kinds, found.open) == (plain.kinds, 0)
        assert printable(" ".join(name.splitlines()))[:15] in found.text


@pytest.mark.parametrize("width", [50, 120])
def test_no_name_of_a_backbone_becomes_a_code_of_the_terminal_or_another_line(width: int) -> None:
    plain = facts("a name")
    num_lines = [len(text.splitlines()) for text in (portrait(plain, width), pair(plain, plain, width))]
    for name in NAMES[::3]:
        found = facts(name)
        shown = [portrait(found, width), pair(found, plain, width)]
        assert [len(text.split("\n")) for text in shown] == num_lines
        assert all(line.isprintable() for text in shown for line in text.split("\n"))


def test_every_kind_of_result_is_shown() -> None:
    assert {type(make("a")).__name__ for make in OTHERS} | {"Outcome"} == set(SHOWN)


def test_at_a_prompt_a_result_is_one_line_and_printed_it_is_the_command_s_text(outcome: Outcome) -> None:
    assert repr(outcome) == f"<Outcome: 2 contenders, 4 cells, {outcome.run}>"
    assert str(outcome) == outcome_text(outcome)
    found = [make("a\nname") for make in OTHERS if make is not facts]
    assert {type(one).__name__ for one in found} | {"Outcome"} == set(PRINTED)
    assert [repr(one) for one in found] == [
        "<Audit: a\\nname, a\\nname, 1 finding>",
        "<Explanation: 1 contender, a\\nname>",
        "<Benchmark: 2 timings, 1 timing of training>",
        "<Predicted: 30 images, a\\nname, seed 0, a\\nname>",
    ]


@pytest.mark.parametrize(("make", "says"), [(explanation, "test"), (benchmark, "a name"), (predicted, "a name29,a name,1")])
def test_print_shows_the_others_as_their_commands_do(make: Callable[[str], Any], says: str) -> None:
    assert says in str(make("a name"))


def test_of_many_images_the_first_are_shown_and_the_frame_holds_all() -> None:
    pytest.importorskip("pandas")
    found = predicted("path")
    assert "10 more: to_frame() holds all." in found._repr_html_()
    frame = found.to_frame()
    assert (frame.shape, list(frame.columns)) == ((30, 2), ["label", "p_path"])


def test_the_others_have_frames_of_what_they_hold() -> None:
    pytest.importorskip("pandas")
    assert list(explanation("a").to_frame()["points"]) == [50.0]
    assert list(benchmark("a").to_frame()["p50_ms"].dropna()) == [0.5]
    assert list(audit("a").to_frame()["severity"]) == ["warning"]


@pytest.mark.parametrize(
    ("module", "ask"),
    [("pandas", lambda found: found.to_frame()), ("matplotlib.pyplot", lambda found: found.plot_cost())],
)
def test_what_is_missing_is_named_with_what_to_install(
    outcome: Outcome, monkeypatch: pytest.MonkeyPatch, module: str, ask: Callable[[Outcome], Any]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(xzoo.XzooError) as found:
        ask(outcome)
    assert module.partition(".")[0] in found.value.text
    assert found.value.remedy == "pip install 'xzoo[notebook]'"


@pytest.fixture
def plt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Matplotlib without a screen."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    yield pyplot
    pyplot.close("all")


def test_accuracies_are_drawn_with_their_intervals_the_best_at_the_top(outcome: Outcome, plt: Any) -> None:
    ax = outcome.plot_accuracy()
    names = [text.get_text() for text in ax.get_yticklabels()]
    places = dict(zip(names, ax.get_yticks(), strict=True))
    assert sorted(places, key=lambda name: -places[name]) == [row.id for row in outcome.contenders]
    drawn = [list(line.get_xdata()) for line in ax.lines]
    for row in outcome.contenders:
        assert [row.val["accuracy"]["low"], row.val["accuracy"]["high"]] in drawn
    assert ax.get_xlabel() == "validation accuracy, 95% interval"
    assert outcome.plot_accuracy(ax, split="test") is ax


def test_curves_are_means_with_a_band_over_seeds(outcome: Outcome, plt: Any) -> None:
    ax = outcome.plot_curves(line="train_loss")
    assert [len(line.get_xdata()) for line in ax.lines] == [3, 3]
    assert len(ax.collections) == 2
    assert [tick for tick in ax.get_xticks() if tick % 1] == []
    cells = [cell for cell in outcome.cells if cell.contender == outcome.contenders[0].id]
    first = sum(cell.curves[0].train_loss for cell in cells) / len(cells)
    assert ax.lines[0].get_ydata()[0] == pytest.approx(first, abs=1e-5)


def test_costs_have_a_bubble_for_each_contender_that_has_one(outcome: Outcome, plt: Any) -> None:
    ax = outcome.plot_cost(cost="params")
    assert len(ax.collections) == len([row for row in outcome.contenders if row.params])
    assert ax.get_xscale() == "log"


@pytest.mark.parametrize("ask", [{"cost": "money"}, {"split": "all"}])
def test_a_word_that_is_unknown_is_refused_with_those_that_are_known(outcome: Outcome, plt: Any, ask: dict[str, str]) -> None:
    with pytest.raises(xzoo.UsageError, match="is unknown"):
        outcome.plot_cost(**ask)
    with pytest.raises(xzoo.UsageError, match="line 'loss' is unknown"):
        outcome.plot_curves(line="loss")


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
@pytest.mark.filterwarnings("ignore:Matplotlib currently does not support:UserWarning")
def test_a_name_is_no_formula_and_hides_nothing(writer: Callable[..., Outcome], tmp_path: Path, plt: Any) -> None:
    names = [*NAMES[::9], "$x", "$\\frac{$", "_hidden", "%s"]
    bad = writer(tmp_path / "bad", names=names, **FEW)
    for ax in (bad.plot_accuracy(), bad.plot_curves(), bad.plot_cost()):
        ax.figure.canvas.draw()
    assert len(bad.plot_curves().get_legend().get_texts()) == len(names)
