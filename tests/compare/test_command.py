"""The words that make a run again, held against what they are read as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import xzoo
from xzoo.cli.compare import command as compare_command
from xzoo.cli.train import command as train_command
from xzoo.compare import command
from xzoo.train.recipe import Recipe

PLAIN: dict[str, Any] = {
    "freeze": (), "seeds": None, "recipe": None, "vary": (), "split": "", "split_seed": None, "train_size": (), "positive": None,
    "group": None, "watch_test": False, "keep": "best", "latency": True, "margin": 0.02,
}  # fmt: skip


def said(names: list[Any], data: object = None, **changed: Any) -> tuple[str, ...]:
    return command.words(names, data, **{**PLAIN, **changed})


def read(words: tuple[str, ...]) -> dict[str, Any]:
    """Return what the command line makes of the words."""
    one = {"compare": compare_command, "train": train_command}[words[0]]
    return one.make_context(words[0], list(words[1:])).params


def test_what_is_not_said_is_left_out() -> None:
    assert said(["alexnet", "vgg16"]) == ("compare", "alexnet", "vgg16")


def test_every_argument_comes_back() -> None:
    asked: dict[str, Any] = {
        "freeze": ("frozen", "last:2"), "seeds": (0, 2), "recipe": {"epochs": 3, "lr": 0.01}, "vary": ("lr=0.1,0.2",),
        "split": "0.7,0.3", "split_seed": 4, "train_size": ("100", "all"), "positive": "ill", "group": r"p(\d+)",
        "watch_test": True, "keep": "all", "latency": False, "margin": 0.05,
    }  # fmt: skip
    found = read(said(["alexnet"], Path("my photos"), **asked))
    assert found["names"] == ("alexnet",)
    assert (found["data"], found["seeds"], found["freeze"]) == ("my photos", "0,2", ("frozen,last:2",))
    assert found["settings"] == ("epochs=3", "lr=0.01")
    assert (found["vary"], found["train_size"]) == (("lr=0.1,0.2",), "100,all")
    same = ("split", "split_seed", "positive", "group", "watch_test", "keep", "margin")
    assert {name: found[name] for name in same} == {name: asked[name] for name in same}
    assert found["no_latency"] is True


def test_a_recipe_says_what_differs_from_the_usual_one() -> None:
    assert said(["alexnet"], recipe=Recipe(epochs=3))[2:] == ("--set", "epochs=3")


def test_one_seed_is_said_where_it_can_be() -> None:
    assert said(["alexnet"], seeds=(0,))[2:] == ("--seeds", "1")
    found = said(["alexnet"], freeze=("frozen",), seeds=(5,))
    assert (found[0], read(found)["seed"]) == ("train", 5)
    assert said(["alexnet", "vgg16"], seeds=(5,)) == ()


@pytest.mark.parametrize("data", [object(), ("images", "labels")])
def test_what_only_python_can_say_has_no_words(data: object, tiny: xzoo.Backbone) -> None:
    assert said(["alexnet"], data) == ()
    assert said([tiny]) == ()


def test_a_run_keeps_its_words_and_where_its_data_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xzoo.compare.api import make_plan

    monkeypatch.chdir(tmp_path)
    told = make_plan(["convgap@random"], "phantom:train=8,val=4,test=4,size=32", seeds=2).described()
    assert told["command"] == ("compare", "convgap@random", "--seeds", "2", "--data", "phantom:train=8,val=4,test=4,size=32")
    assert told["data"]["source"] == "phantom:train=8,val=4,test=4,size=32"
    assert make_plan(["convgap@random"]).described()["data"]["source"] == "phantom"
