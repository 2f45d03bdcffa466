from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xzoo.errors import PluginError, UsageError
from xzoo.zoo.registry import Registry
from xzoo.zoo.spec import FileStart, RandomStart

DISTS = Path(__file__).parents[1] / "dists"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.syspath_prepend(str(DISTS))
    return Registry.installed()


def test_names_are_known_without_importing_a_plugin(registry: Registry) -> None:
    sys.modules.pop("tiny_plugin", None)
    assert {"tiny", "twin", "fam", "exits", "absent-module"} <= set(registry.names())
    assert "tiny_plugin" not in sys.modules
    assert list(registry.names()) == sorted(set(registry.names()))


def test_only_the_plugin_asked_for_is_imported(registry: Registry) -> None:
    for name in ("tiny_plugin", "rival_plugin"):
        sys.modules.pop(name, None)
    choice = registry.get("tiny")
    assert (choice.backbone.name, choice.origin, choice.label) == ("tiny", "tiny 2.0", "tiny@V1")
    assert "rival_plugin" not in sys.modules


def test_a_distribution_that_is_twice_on_the_path_counts_once(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(DISTS / "tiny-2.0.dist-info", tmp_path / "tiny-2.0.dist-info")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert Registry.installed().offers == registry.offers


def test_metadata_that_cannot_be_read_hurts_nobody(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ruined-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_bytes(b"[xzoo.backbones]\nno equals sign\n\xff\xfe")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert Registry.installed().offers == registry.offers


def test_a_name_offered_twice_names_both_owners_and_the_way_out(registry: Registry) -> None:
    with pytest.raises(UsageError) as caught:
        registry.get("twin")
    assert caught.value.text == "'twin' is offered by rival 1.0 and tiny 2.0"
    assert caught.value.remedy == "uninstall one, or ask for rival:twin"


def test_the_distribution_in_front_chooses_between_rivals(registry: Registry) -> None:
    assert registry.get("rival:twin").backbone.head.path == "rival"
    chosen = registry.get("Tiny:twin@random:2")
    assert (chosen.origin, chosen.label) == ("tiny 2.0", "Tiny:twin@random:2")


@pytest.mark.parametrize(
    ("wanted", "text", "remedy"),
    [
        ("tinny", "there is no backbone 'tinny'", "did you mean tiny or twin? `xzoo list` shows all"),
        ("nobody:twin", "'nobody' does not offer 'twin'", "it is offered by rival 1.0 and tiny 2.0"),
        ("tiny/a", "'tiny' of tiny 2.0 is one backbone, no family", "ask for tiny"),
        ("fam", "'fam' is a family", "ask for one of it, such as fam/one"),
        ("fam/tow", "the family 'fam' of tiny 2.0 has no 'tow'", "did you mean two? it has 2 names"),
        (
            "tiny@V2",
            "backbone 'tiny' has no weights 'V2'",
            "it has V1; @random and @/path/file.safetensors work too",
        ),
        (
            "tiny:twin@V1",
            "backbone 'twin' has no weights 'V1'",
            "none are published for it; @random and @/path/file.safetensors work too",
        ),
        ("./no/such.py:net", "there is no file ./no/such.py", "check the path; it is written ./mynet.py:net"),
    ],
)
def test_a_slip_is_answered_with_what_was_probably_meant(registry: Registry, wanted: str, text: str, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        registry.get(wanted)
    assert (caught.value.text, caught.value.remedy) == (text, remedy)


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        ("absent-module", "No module named 'no_such_module_anywhere'"),
        ("failing-import", "No module named 'a_library_nobody_has'"),
        ("exits", "SystemExit: not on this machine"),
        ("no-hook", "has no hook xzoo_backbones in broken_plugins.answers:no_hook"),
        ("number", "returned 3 from xzoo_backbones()"),
        ("nothing", "returned None from xzoo_backbones()"),
        ("text", "returned 'alexnet' from xzoo_backbones()"),
        ("wrong-item", "declares 'alexnet'"),
        ("stranger", "declares 'somebody-elses', a name that is not its own"),
        ("other-name", "does not declare 'other-name' but nothing"),
        ("raises", "RuntimeError: half way through"),
        ("bad-declaration", "'bad name!' is no name for a backbone"),
        ("bad-family/member", "does not declare 'bad-family/member' but 'no backbone but member'"),
        ("bad-family/renamed", "does not declare 'bad-family/renamed' but quite/another"),
    ],
)
def test_a_plugin_that_fails_is_named_with_its_distribution(registry: Registry, wanted: str, what: str) -> None:
    with pytest.raises(PluginError) as caught:
        registry.get(wanted)
    assert what in caught.value.text
    assert "of broken 0.1" in caught.value.text
    assert caught.value.remedy
    assert caught.value.exit_code == 3
    assert registry.get("tiny").backbone.name == "tiny"


def test_an_interrupt_during_an_import_is_no_plugins_fault(registry: Registry) -> None:
    with pytest.raises(KeyboardInterrupt):
        registry.get("interrupts")


def test_what_stands_behind_the_at_chooses_the_start(registry: Registry) -> None:
    assert registry.get("tiny").weights_name == "V1"
    assert registry.get("tiny@V1") == registry.get("tiny")
    assert registry.get("tiny:twin").start == RandomStart(0)
    assert registry.get("tiny@random").start == RandomStart(0)
    assert registry.get("tiny@random:3").start == RandomStart(3)
    for path in ("/a/b", "./b", "~/b", "b.pth", "b.pt", "b.safetensors"):
        assert registry.get(f"tiny@{path}").start == FileStart(path)


def test_a_family_gives_its_members_and_lists_them(registry: Registry) -> None:
    assert registry.get("fam/two").backbone.name == "fam/two"
    [offer] = registry.family_offers("fam")
    assert registry.members(offer) == ("fam/one", "fam/two")


def test_a_value_works_where_a_name_does(registry: Registry) -> None:
    backbone = registry.get("tiny").backbone
    choice = registry.get(backbone)
    assert (choice.backbone, choice.label) == (backbone, "tiny@V1")
    assert registry.get(choice) is choice


MYNET = """
import xzoo
from dataclasses import dataclass

@dataclass
class Size:
    height: "int" = 2

def build(): ...

net = xzoo.Backbone(name="mynet", build=build, head=xzoo.ReplaceLinear("fc"), stages={"a": "a"})
def make(): return net
def fails(): raise ValueError("no luck")
number = 3
"""


@pytest.mark.parametrize("attribute", ["net", "make"])
def test_a_file_of_ones_own_needs_no_packaging(registry: Registry, tmp_path: Path, attribute: str) -> None:
    (tmp_path / "mynet.py").write_text(MYNET)
    choice = registry.get(f"{tmp_path}/mynet.py:{attribute}@random:1")
    assert (choice.label, choice.origin) == ("mynet@random:1", f"{tmp_path}/mynet.py")


def test_a_file_without_the_name_says_which_it_has(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "mynet.py").write_text(MYNET)
    with pytest.raises(UsageError, match=r"has no 'nett'\nit has net"):
        registry.get(f"{tmp_path}/mynet.py:nett")


@pytest.mark.parametrize(
    ("source", "attribute", "what"),
    [(MYNET, "number", "is 3, no Backbone"), (MYNET, "fails", "ValueError: no luck"), ("1 +", "net", "SyntaxError")],
)
def test_a_file_that_fails_is_named(registry: Registry, tmp_path: Path, source: str, attribute: str, what: str) -> None:
    (tmp_path / "mynet.py").write_text(source)
    with pytest.raises(PluginError) as caught:
        registry.get(f"{tmp_path}/mynet.py:{attribute}")
    assert what in caught.value.text
    assert "mynet.py" in caught.value.text


def test_the_registry_and_its_plugins_need_no_torch() -> None:
    lines = (
        "import sys",
        f"sys.path.insert(0, {str(DISTS)!r})",
        "from xzoo.zoo.registry import Registry",
        "Registry.installed().get('tiny')",
        "print('torch' in sys.modules)",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
