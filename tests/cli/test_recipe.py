"""`xzoo recipe show`: every value, what it means, who gave it, and a file that makes the run again."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xzoo
from xzoo.compare.api import make_plan
from xzoo.train import recipe as recipes
from xzoo.train.recipe import Recipe

Answer = tuple[int, str, str]
Reader = Callable[[str], dict[str, Any]]
DATA = "phantom:train=16,val=8,test=8,size=32"


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network in a file, as the command line names it."""
    path = tmp_path_factory.mktemp("net") / "net.py"
    path.write_text(
        "import xzoo\n\n\ndef build():\n    from torch import nn\n\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))\n\n\n"
        'net = xzoo.Backbone(name="net", build=build, head=xzoo.ReplaceLinear("3"), stages={"conv": "0"})\n'
    )
    return f"{path}:net"


def test_what_is_shown_is_a_recipe_file_of_the_same_recipe(command: Callable[..., Answer], tmp_path: Path) -> None:
    for words in ((), ("--set", "lr=3e-4", "--set", "recipe.schedule=step", "--set", "weight_decay=0")):
        code, out, _ = command("recipe", "show", *words)
        (tmp_path / "shown.toml").write_text(out)
        assert code == 0
        changes = {"lr": 3e-4, "schedule": "step", "weight_decay": 0} if words else {}
        assert recipes.make(recipes.read(str(tmp_path / "shown.toml"))) == recipes.changed(Recipe(), **changes)


def test_a_later_source_wins_and_is_named(command: Callable[..., Answer], one_object: Reader, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[recipe]\nepochs = 3\nlr = 0.01\nclip = 2.0\n")
    found = one_object(command("recipe", "show", "--recipe", str(file), "--set", "lr=0.02", "--format", "json")[1])
    sources = {one["name"]: (one["value"], one["source"]) for one in found["settings"]}
    assert sources["epochs"] == (3, f"recipe file {file}")
    assert sources["lr"] == (0.02, "--set")
    assert sources["patience"] == (0, "default")


def test_options_go_before_set_and_set_before_the_file(tmp_path: Path) -> None:
    from xzoo.cli.options import recipe_values

    file = tmp_path / "mine.toml"
    file.write_text('epochs = 3\nlr = 0.01\naugment = "natural"\n')
    found = recipe_values(("epochs=4", "augment=none"), str(file), 5, None)
    assert found == {"epochs": 5, "lr": 0.01, "augment": "none"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lrr = 1\n", ["mine.toml: recipe has no value 'lrr'", "did you mean 'lr'?"]),
        ('epochs = "many"\n', ["mine.toml: recipe value epochs='many'", "whole number"]),
        ("epochs = 0\n", ["mine.toml: recipe value epochs=0 is out of range", "from 1 to"]),
        ("lr = 1\n[recipe]\nepochs = 3\n", ["mine.toml has lr beside its table [recipe]"]),
        ("[recpe]\nepochs = 3\n", ["no value 'recpe'"]),
    ],
)
def test_a_file_that_cannot_be_used_is_told_by_its_name(
    command: Callable[..., Answer], place: Path, text: str, says: list[str]
) -> None:
    (place / "mine.toml").write_text(text)
    for words in (("recipe", "show"), ("compare", "alexnet@random")):
        code, out, err = command(*words, "--recipe", "mine.toml")
        assert (code, out) == (2, "")
        assert [word for word in says if word not in err] == []


def test_what_is_wrong_behind_set_is_told_of_set(refused: Callable[..., None], place: Path) -> None:
    refused("recipe show --set lrr=1", 2, "--set: recipe has no value 'lrr'", "did you mean 'lr'?")
    refused("recipe show --set lr", 2, "is not KEY=VALUE")
    refused("recipe show nothing", 2, "there is no run 'nothing'")
    refused("recipe show last --set lr=1", 2, "has its own recipe")


def test_the_recipe_of_a_run_makes_the_run_again(
    command: Callable[..., Answer], one_object: Reader, net: str, place: Path
) -> None:
    (place / "mine.toml").write_text("batch_size = 8\n")
    line = ["compare", net, "--data", DATA, "--recipe", "mine.toml", "--set", "lr=0.02", "--epochs", "1", "--seeds", "1"]
    code, out, err = command(*line, "--no-latency", "--format", "json")
    assert code == 0, err
    run = one_object(out)["run"]
    told = one_object(command("recipe", "show", "last", "--format", "json")[1])
    assert told["run"] == Path(run).name
    assert {one["name"]: one["source"] for one in told["settings"] if one["source"] != "default"} == dict.fromkeys(
        ("batch_size", "epochs", "lr"), "--set"
    )
    (place / "again.toml").write_text(command("recipe", "show", "last")[1])
    again = command(*told["command"], "again.toml", "--format", "json")
    assert one_object(again[1])["run"] == run
    assert "kept from before" in again[2]


def test_varied_values_are_left_to_the_command(command: Callable[..., Answer], net: str, place: Path) -> None:
    from xzoo.runs.store import RunFolder

    plan = make_plan([net], DATA, recipe={"epochs": 1}, vary=["lr=0.1,0.2"], seeds=1)
    RunFolder(place / "xzoo-runs" / plan.hash).write_plan(plan.described())
    text = command("recipe", "show", plan.hash)[1]
    assert "# lr is varied by the command: 0.1, 0.2" in text
    (place / "again.toml").write_text(text)
    [line] = [line for line in text.splitlines() if line.startswith("# Made again by: ")]
    words = shlex.split(line.partition(": ")[2])
    assert words[-2:] == ["--recipe", "THIS_FILE"]
    assert words[words.index("--vary") + 1] == "lr=0.1,0.2"
    again = make_plan([net], DATA, recipe=recipes.read("again.toml"), vary=["lr=0.1,0.2"], seeds=1)
    assert again.hash == plan.hash


def test_the_demos_own_values_are_its_own(place: Path) -> None:
    from xzoo.compare.effective import of_run
    from xzoo.runs.store import RunFolder

    plan = make_plan(["alexnet@random"], None, recipe={"epochs": 2})
    folder = RunFolder(place / "xzoo-runs" / plan.hash)
    folder.write_plan(plan.described())
    sources = {one.name: one.source for one in of_run(folder).settings if one.source != "default"}
    assert sources == {"epochs": "--set", "lr": "the demo", "size": "the demo"}


def test_every_value_is_explained_on_its_page() -> None:
    from xzoo.report.recipes import knobs_table
    from xzoo.train.knobs import knobs

    page = Path(__file__).parents[2] / "docs" / "command-line.md"
    assert knobs_table(knobs()) in page.read_text("utf-8")
    assert all(knob.meaning for knob in knobs())
    assert xzoo.Recipe.__dataclass_fields__.keys() == {knob.name for knob in knobs()}
