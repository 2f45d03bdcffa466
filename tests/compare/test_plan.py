from __future__ import annotations

import dataclasses
import itertools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

import xzoo
from xzoo.compare import plan as plans
from xzoo.compare.plan import Plan
from xzoo.data import split as splits
from xzoo.data.pack import Pack, make_pack
from xzoo.data.source import arrays, open_source
from xzoo.data.split import SplitRule
from xzoo.errors import UsageError
from xzoo.train import recipe as recipes
from xzoo.train.recipe import Recipe
from xzoo.zoo.spec import Choice, FileStart, RandomStart, Start

SCRATCH = xzoo.Backbone(name="scratch", build=lambda: pytest.fail("built"), head=xzoo.ReplaceLinear("1"), stages={"body": "0"})
PUBLISHED = dataclasses.replace(SCRATCH, name="known", weights=[xzoo.Weights("V1", url="http://127.0.0.1:9/known-0123abcd.pth")])


def choice(backbone: xzoo.Backbone = SCRATCH, start: Start | None = None) -> Choice:
    return Choice(backbone, start or RandomStart(0), "python", backbone.name)


def plan_of(
    pack: Pack,
    choices: Sequence[Choice] = (choice(),),
    freeze: Sequence[str] = ("frozen",),
    seeds: Sequence[int] = (0,),
    *,
    vary: Sequence[str] = (),
    train_sizes: Sequence[str] = (),
    recipe: Mapping[str, Any] | None = None,
    rule: SplitRule = SplitRule(),  # noqa: B008 - a frozen value
    **asked: Any,
) -> Plan:
    return plans.make(
        choices, pack, freeze, seeds, plans.variations(recipes.make(recipe or {}), rule, vary, train_sizes), **asked
    )


def ids(plan: Plan) -> set[str]:
    return {cell.id for cell in plan.cells}


def content(plan: Plan) -> set[str]:
    """Return the part of the ids that is a hash of what the results depend on."""
    return {cell.id.rpartition("-")[2] for cell in plan.cells}


def test_cells_are_backbones_by_variations_by_strategies_by_seeds(pack: Pack) -> None:
    plan = plan_of(pack, [choice(), choice(PUBLISHED)], ["frozen", "finetune"], [0, 1, 5], vary=["lr=0.1,0.01"])
    found = [(cell.backbone, cell.freeze, cell.recipe["lr"], cell.seed) for cell in plan.cells]
    assert sorted(found) == sorted(itertools.product(["scratch", "known"], ["frozen", "finetune"], [0.1, 0.01], [0, 1, 5]))
    assert len(ids(plan)) == 24
    assert len({cell.contender for cell in plan.cells}) == 8
    assert set(plan.choices) == {"scratch@random", "known@random"}


def test_another_order_is_the_same_plan(pack: Pack) -> None:
    one = plan_of(pack, [choice(), choice(PUBLISHED)], ["frozen", "last:1"], [0, 1], vary=["lr=0.1,0.01"])
    other = plan_of(pack, [choice(PUBLISHED), choice()], ["last:1", "frozen"], [1, 0], vary=["lr=0.01,0.1"])
    assert ids(one) == ids(other)
    assert one.hash == other.hash
    assert [cell.id for cell in one.cells] != [cell.id for cell in other.cells]


def test_a_cell_is_the_same_whatever_stands_beside_it(pack: Pack) -> None:
    many = plan_of(pack, [choice(PUBLISHED), choice()], ["finetune", "frozen"], [0, 1, 2], recipe={"lr": 0.1})
    assert ids(plan_of(pack, recipe={"lr": 0.1})) < ids(many)
    assert plan_of(pack, recipe={"lr": 0.1}).hash != many.hash
    varied = plan_of(pack, vary=["lr=0.1,0.01"])
    assert content(plan_of(pack, recipe={"lr": 0.1})) < content(varied)


OTHER_VALUES = {
    "epochs": 11, "batch_size": 31, "optimizer": "sgd", "lr": 2e-3, "momentum": 0.8, "weight_decay": 0.02, "schedule": "step",
    "warmup": 1.0, "step_size": 11, "step_gamma": 0.2, "loss": "bce", "label_smoothing": 0.1, "class_weights": "balanced",
    "clip": 2.0, "patience": 3, "batch_norm_momentum": 0.3, "augment": "chest-xray", "size": 64, "crop": "centre",
    "precision": "fp32", "keep": "last", "views": 2, "head": "solver", "engine": "eager", "shuffle": "blocks",
}  # fmt: skip


def test_every_recipe_value_makes_another_cell(pack: Pack) -> None:
    assert set(OTHER_VALUES) == {field.name for field in dataclasses.fields(Recipe)}
    found = [ids(plan_of(pack, recipe={name: value})) for name, value in OTHER_VALUES.items()]
    assert len(set.union(ids(plan_of(pack)), *found)) == 1 + len(OTHER_VALUES)


RULES = [
    SplitRule(),
    SplitRule(fractions=(0.7, 0.3)),
    SplitRule(fractions=(0.6, 0.4)),
    SplitRule(pool=True),
    SplitRule(seed=0),
    SplitRule(seed=1),
    SplitRule(train_size=10),
]


def test_split_rule_seed_strategy_and_backbone_make_another_cell(pack: Pack) -> None:
    found = [ids(plan_of(pack, rule=rule)) for rule in RULES]
    found += [ids(plan_of(pack, seeds=[1])), ids(plan_of(pack, freeze=["last:1"])), ids(plan_of(pack, freeze=["last:2"]))]
    found += [ids(plan_of(pack, [choice(PUBLISHED)])), ids(plan_of(pack, [choice(start=RandomStart(1))]))]
    assert len(set.union(*found)) == len(RULES) + 5


def test_images_labels_splits_and_groups_make_another_cell() -> None:
    images_NHW = np.random.default_rng(1).integers(0, 256, (8, 6, 6), dtype=np.uint8)
    labels = [0, 1] * 4
    other_image = images_NHW.copy()
    other_image[3, 2, 2] ^= 1
    declared = ["train"] * 4 + ["val"] * 2 + ["test"] * 2
    found = [
        arrays(images_NHW, labels),
        arrays(other_image, labels),
        arrays(images_NHW, [1, 0, *labels[2:]]),
        arrays(images_NHW, labels, classes=["b", "a"]),
        arrays(images_NHW, labels, splits=declared),
        arrays(images_NHW, labels, groups=list("aabbccdd")),
        arrays(images_NHW, labels, groups=list("abababab")),
    ]
    plans_of = [plan_of(make_pack(open_source(one))) for one in found]
    assert len(set.union(*map(ids, plans_of))) == len(found)
    assert len({plan.hash for plan in plans_of}) == len(found)


def test_the_bytes_of_a_weights_file_make_another_cell(pack: Pack, tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    found = []
    for data in (b"one", b"two", b"one"):
        file.write_bytes(data)
        found.append(ids(plan_of(pack, [choice(start=FileStart(str(file)))])))
    assert found[0] == found[2] != found[1]


def test_the_hash_of_published_weights_makes_another_cell(pack: Pack) -> None:
    one, other = (xzoo.Weights("V1", url="http://127.0.0.1:9/w.pth", sha256=sha256) for sha256 in ("aa" * 4, "bb" * 4))
    assert ids(plan_of(pack, [choice(PUBLISHED, one)])) != ids(plan_of(pack, [choice(PUBLISHED, other)]))


def test_the_place_of_the_data_makes_no_other_cell(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for place in range(8):
        file = here / f"class{place % 2}" / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((5, 5), 20 * place, np.uint8)).save(file)
    shutil.copytree(here, there)
    one, other = (plan_of(make_pack(open_source(folder))) for folder in (here, there))
    assert ids(one) == ids(other)
    assert one.hash == other.hash


@pytest.mark.parametrize("asked", [{"positive": "dark"}, {"watch_test": True}, {"keep": "all"}])
def test_what_changes_the_run_alone_changes_its_hash_and_no_cell(pack: Pack, asked: dict[str, Any]) -> None:
    assert ids(plan_of(pack, **asked)) == ids(plan_of(pack))
    assert plan_of(pack, **asked).hash != plan_of(pack).hash


def test_varied_values_multiply() -> None:
    found = plans.variations(Recipe(), SplitRule(), ["lr=0.1, 0.01", "weight_decay=0,0.1"], ["10", "all"])
    told = [(one.recipe.lr, one.recipe.weight_decay, one.split.train_size) for one in found]
    assert sorted(told, key=str) == sorted(itertools.product([0.1, 0.01], [0.0, 0.1], [10, None]), key=str)
    assert len({one.words for one in found}) == 8


def test_nothing_varied_is_one_variation_without_words() -> None:
    assert plans.variations(Recipe(lr=0.1), SplitRule(pool=True), [], []) == [
        plans.Variation(recipe=Recipe(lr=0.1), split=SplitRule(pool=True))
    ]


def test_a_varied_split_keeps_seed_and_train_size() -> None:
    rule = SplitRule(seed=3, train_size=9)
    found = plans.variations(Recipe(), rule, ["split=0.7/0.3,pool"], [])
    assert [one.split for one in found] == [
        SplitRule(fractions=(0.7, 0.3), seed=3, train_size=9),
        SplitRule(pool=True, seed=3, train_size=9),
    ]
    sized = plans.variations(Recipe(), splits.parse("0.7,0.3"), [], ["5", "all"])
    assert [one.split for one in sized] == [
        SplitRule(fractions=(0.7, 0.3), train_size=5),
        SplitRule(fractions=(0.7, 0.3)),
    ]


@pytest.mark.parametrize(
    ("vary", "sizes", "said"),
    [
        (["lr=0.1", "lr=0.2"], [], "lr"),
        (["train-size=5"], ["6"], "train-size"),
        (["epoch=1,2"], [], "did you mean 'epochs'"),
        (["lr=quick"], [], "lr"),
        (["lr=-1"], [], "lr=-1.0 is out of range"),
        (["lr"], [], "KEY=A,B"),
        (["=1,2"], [], "KEY=A,B"),
        (["lr=0.1,,0.2"], [], "KEY=A,B"),
        (["split=0.7/0.7"], [], "0.7"),
        ([], ["0"], "--train-size '0'"),
        ([], ["some"], "--train-size 'some'"),
    ],
)
def test_what_cannot_be_varied_is_refused(vary: list[str], sizes: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        plans.variations(Recipe(), SplitRule(), vary, sizes)
    assert said in str(caught.value)
    assert caught.value.remedy


def test_a_backbone_from_scratch_is_fine_tuned_and_any_other_is_also_frozen(pack: Pack) -> None:
    plan = plan_of(pack, [choice(), choice(PUBLISHED, PUBLISHED.weights[0]), choice(PUBLISHED)], freeze=())
    assert [(cell.backbone, cell.weights, cell.freeze) for cell in plan.cells] == [
        ("scratch", "random", "finetune"),
        ("known", "V1", "frozen"),
        ("known", "V1", "finetune"),
        ("known", "random", "frozen"),
        ("known", "random", "finetune"),
    ]


def test_the_demo_has_three_frozen_seeds_and_one_fine_tuned(pack: Pack) -> None:
    plan = plan_of(pack, [choice(PUBLISHED)], (), (0, 1, 2), is_demo=True, tuned_seeds=1)
    assert [(cell.freeze, cell.seed) for cell in plan.cells] == [("frozen", 0), ("frozen", 1), ("frozen", 2), ("finetune", 0)]
    asked = plan_of(pack, [choice(PUBLISHED)], ["finetune"], (0, 1, 2), is_demo=True)
    assert [cell.seed for cell in asked.cells] == [0, 1, 2]


def test_what_is_named_twice_is_refused(pack: Pack) -> None:
    with pytest.raises(UsageError, match="named twice: scratch@random, scratch@random"):
        plan_of(pack, [choice(), choice()])
    for freeze, seeds, vary in (
        (["frozen", "frozen"], [0], []),
        (["frozen"], [0, 0], []),
        (["frozen"], [0], ["lr=0.001,1e-3"]),
    ):
        with pytest.raises(UsageError, match="the same cell is asked for twice"):
            plan_of(pack, freeze=freeze, seeds=seeds, vary=vary)


def test_unknown_strategies_and_positive_classes_are_refused(pack: Pack) -> None:
    with pytest.raises(UsageError, match="freeze strategy 'thawed'"):
        plan_of(pack, freeze=["thawed"])
    with pytest.raises(UsageError, match="'ill' is none of the classes dark, bright"):
        plan_of(pack, positive="ill")


def test_a_plan_is_described_in_plain_words(pack: Pack) -> None:
    plan = plan_of(pack, seeds=[0, 1], positive="bright")
    told = msgspec.json.decode(msgspec.json.encode(plan.described()))
    assert (told["schema"], told["hash"], told["positive"]) == ("xzoo.plan/1", plan.hash, "bright")
    assert told["data"] | {"classes": ["dark", "bright"], "images": 40} == told["data"]
    assert {cell["id"] for cell in told["cells"]} == ids(plan)
