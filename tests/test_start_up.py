"""What begins without torch, beside `--help` and `list`, which tests/cli/test_frame.py times."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from written_run import Wish, write_run

HEAVY = {"torch", "torchvision", "timm", "sklearn", "scipy", "matplotlib"}
MAIN = "from xzoo.cli import main; main"
TAB = "import os; os.environ.update(_XZOO_COMPLETE='bash_complete', COMP_LINE="


def modules_after(code: str) -> set[str]:
    """Run code in an interpreter of its own and return what it has imported."""
    told = f"import sys\n{code}\nprint('\\n' + ' '.join(sys.modules), file=sys.stderr)"
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, env=variables, timeout=60, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import xzoo",
        "import xzoo; xzoo.Backbone, xzoo.Weights, xzoo.IMAGENET_224, xzoo.hookimpl, xzoo.XzooError",
        "import xzoo_torchvision.alexnet, xzoo_torchvision.googlenet, xzoo_classic.mlp",
        "from xzoo.zoo.registry import Registry; Registry.installed().get('resnet18@random')",
        "import xzoo.compare.plan, xzoo.train.recipe, xzoo.runs.store, xzoo.data.pack",
        "from xzoo.zoo.registry import Registry; Registry.installed().get('timm/resnet18.a1_in1k')",
        f"{MAIN}(['list', 'timm'])",
        f"{MAIN}(['list', '--max-params', '5M', '--min-top1', '70'])",
        f"{MAIN}(['weights', 'where', 'timm/resnet18'])",
        f"{MAIN}(['compare', '--help'])",
        f"{MAIN}(['train', '--help'])",
        f"{MAIN}(['compare', 'alexnett'])",
        f"{MAIN}(['audit', '--help'])",
        f"{MAIN}(['audit', 'nowhere', '--fail-on', 'leakge'])",
        f"{MAIN}(['bench', '--help'])",
        f"{MAIN}(['bench', 'alexnett'])",
        f"{MAIN}(['explain', 'nosuch'])",
        f"{MAIN}(['predict', 'nosuch', {__file__!r}])",
        f"{MAIN}(['predict', 'last', 'nothere'])",
        f"{MAIN}(['export', 'nosuch'])",
        f"{MAIN}(['recipe', 'show', '--set', 'lr=0.1'])",
        f"{TAB}'xzoo compare timm/conv'); {MAIN}([])",
        f"{TAB}'xzoo compare alexnet@'); {MAIN}([])",
        f"{TAB}'xzoo compare alexnet --set '); {MAIN}([])",
    ],
)
def test_torch_waits_until_there_is_work(code: str) -> None:
    found = modules_after(code)
    assert any(name.startswith("xzoo") for name in found)
    assert found & HEAVY == set()


@pytest.mark.parametrize("words", [["explain"], ["predict", __file__], ["export"]])
def test_torch_waits_until_a_contender_is_known(tmp_path: Path, words: list[str]) -> None:
    few = Wish(names=["one"], seeds=[0], freezes=["frozen"], epochs=1, distinct=1, comparing=False, resamples=2)
    run = str(write_run(tmp_path / "run", few).run)
    command, *rest = words
    code = f"{MAIN}; import io; sys.stderr = told = io.StringIO()\n"
    code += f"main({[command, run, *rest, '--contender', 'foo']!r})\nsys.stderr = sys.__stderr__\n"
    assert modules_after(f"{code}assert 'has no contender' in told.getvalue(), told.getvalue()") & HEAVY == set()
