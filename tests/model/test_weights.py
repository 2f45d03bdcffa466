from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import xzoo
from xzoo import durable
from xzoo.errors import WeightsError
from xzoo.model.fetch import fetch, verify, where
from xzoo.model.weights import load, locate
from xzoo.zoo.spec import Choice, FileStart, RandomStart, Start


def build(num_classes: int = 5) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, num_classes))


def choice_of(start: Start, **changes: Any) -> Choice:
    fields: dict[str, Any] = {"head": xzoo.ReplaceLinear("2"), "stages": {"body": ("0", "1")}, **changes}
    published = (start,) if isinstance(start, xzoo.Weights) else ()
    return Choice(xzoo.Backbone(name="net", build=build, weights=published, **fields), start, name="net")


def trained(num_classes: int = 5) -> dict[str, Tensor]:
    torch.manual_seed(7)
    return {name: torch.rand_like(t) if t.is_floating_point() else t + 9 for name, t in build(num_classes).state_dict().items()}


def published(sha256: str, url: str = "http://127.0.0.1:9/net.pth") -> xzoo.Weights:
    return xzoo.Weights("V1", url=url, sha256=sha256, licence="CC0-1.0")


def same(module: nn.Module, tensors: dict[str, Tensor]) -> bool:
    state = module.state_dict()
    return state.keys() == tensors.keys() and all(torch.equal(state[name], tensors[name]) for name in tensors)


@pytest.fixture(autouse=True)
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for variable in ("HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def refusal(start: Start, **changes: Any) -> str:
    module = build()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load(module, choice_of(start, **changes))
    assert same(module, before), "a refused checkpoint must change nothing"
    assert caught.value.exit_code == 3
    assert caught.value.remedy
    return caught.value.text


def test_a_checkpoint_in_torch_home_loads_bitwise(torch_home: Path) -> None:
    tensors, module = trained(), build()
    torch.save(tensors, torch_home / "net.pth")
    sha256 = durable.sha256(torch_home / "net.pth")
    loaded = load(module, choice_of(published(sha256[:8])))
    assert same(module, tensors)
    assert (loaded.name, loaded.licence, loaded.sha256, loaded.left_out) == ("V1", "CC0-1.0", sha256, ())
    assert loaded.path == str(torch_home / "net.pth")


def test_random_weights_stay_as_they_were_built() -> None:
    module = build()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    loaded = load(module, choice_of(RandomStart(3)))
    assert (loaded.name, loaded.sha256, loaded.path) == ("random:3", "", "")
    assert same(module, before)


@pytest.mark.parametrize("ending", [".safetensors", ".pth", ".pt"])
def test_a_local_file_loads_whatever_it_is_called(tmp_path: Path, ending: str) -> None:
    tensors, module, path = trained(), build(), tmp_path / f"mine{ending}"
    save_file(tensors, path) if ending == ".safetensors" else torch.save(tensors, path)
    loaded = load(module, choice_of(FileStart(str(path))))
    assert same(module, tensors)
    assert (loaded.name, loaded.source, loaded.sha256) == (str(path), "file", durable.sha256(path))


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict"])
def test_wrappings_and_the_prefix_of_parallel_training_come_off(tmp_path: Path, wrapper: str) -> None:
    tensors, module, path = trained(), build(), tmp_path / "mine.pt"
    torch.save({wrapper: {f"module.{name}": tensor for name, tensor in tensors.items()}, "epoch": 3}, path)
    load(module, choice_of(FileStart(str(path))))
    assert same(module, tensors)


def test_a_local_file_with_a_head_for_other_classes_loads_all_but_the_head(tmp_path: Path) -> None:
    module, path = build(), tmp_path / "two_classes.safetensors"
    head = module.state_dict()["2.weight"].clone()
    tensors = trained(num_classes=2)
    save_file(tensors, path)
    loaded = load(module, choice_of(FileStart(str(path))))
    assert loaded.left_out == ("2.bias", "2.weight")
    assert torch.equal(module.state_dict()["2.weight"], head)
    assert torch.equal(module.state_dict()["0.weight"], tensors["0.weight"])


def test_published_weights_with_another_head_are_refused(torch_home: Path) -> None:
    torch.save(trained(num_classes=2), torch_home / "net.pth")
    assert "2 of another shape (2.weight 2x3 instead of 5x3, 2.bias 2 instead of 5)" in refusal(published(""))


def test_keys_are_renamed_and_left_out_as_declared(torch_home: Path) -> None:
    tensors, module = trained(), build()
    old_names = {name.replace("0.", "first.", 1) if name.startswith("0.") else name: t for name, t in tensors.items()}
    torch.save({**old_names, "aux.weight": torch.ones(2), "aux2.weight": torch.ones(2)}, torch_home / "net.pth")
    before = module.state_dict()["1.weight"].clone()
    loaded = load(module, choice_of(published(""), rename=[(r"^first\.", "0.")], leave_out=("aux.", "aux2", "1.weight")))
    assert loaded.left_out == ("1.weight", "aux.weight", "aux2.weight")
    assert torch.equal(module.state_dict()["0.weight"], tensors["0.weight"])
    assert torch.equal(module.state_dict()["1.weight"], before)


def test_an_auxiliary_head_that_a_local_file_lacks_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "deployed.safetensors"
    save_file({name: tensor for name, tensor in trained().items() if not name.startswith("1.")}, path)
    auxiliary = xzoo.Auxiliary(path="1", head=xzoo.ReplaceLinear("1"), output=1, weight=0.3)
    loaded = load(build(), choice_of(FileStart(str(path)), auxiliary=[auxiliary]))
    assert {"1.weight", "1.bias", "1.running_mean"} <= set(loaded.left_out)


def test_a_checkpoint_from_before_batch_norm_counted_still_loads(torch_home: Path) -> None:
    tensors = trained()
    del tensors["1.num_batches_tracked"]
    torch.save(tensors, torch_home / "net.pth")
    module = build()
    assert load(module, choice_of(published(""))).left_out == ()
    assert torch.equal(module.state_dict()["1.running_var"], tensors["1.running_var"])


def test_foreign_weights_say_how_much_differs(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"conv.weight": torch.ones(2), "0.weight": torch.ones(3, 9), "0.bias": torch.ones(3)}, path)
    text = refusal(FileStart(str(path)))
    assert f"{path} was made for another network than net" in text
    assert "4 missing (1.bias, 1.running_mean, 1.running_var, ...)" in text
    assert "1 unexpected (conv.weight)" in text
    assert "1 of another shape (0.weight 3x9 instead of 3x4)" in text


def test_a_wrong_hash_says_both(torch_home: Path) -> None:
    torch.save(trained(), torch_home / "net.pth")
    text = refusal(published("0123abcd"))
    assert "published is 0123abcd" in text
    assert durable.sha256(torch_home / "net.pth")[:8] in text


def test_a_hash_in_the_published_name_is_held_against_the_bytes(torch_home: Path) -> None:
    torch.save(trained(), torch_home / "net-0123abcd.pth")
    weights = xzoo.Weights("V1", url="http://127.0.0.1:9/net-0123abcd.pth")
    assert "published is 0123abcd" in refusal(weights)
    assert load(build(), choice_of(FileStart(str(torch_home / "net-0123abcd.pth")))).source == "file"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"there is no file {tmp_path}/none.pth" in refusal(FileStart(f"{tmp_path}/none.pth"))
    assert "there is no file" in refusal(FileStart(str(tmp_path)))


def test_weights_that_a_function_reads_are_loaded_and_hashed() -> None:
    tensors, module = trained(), build()
    loaded = load(module, choice_of(xzoo.Weights("made", read=lambda: {"state_dict": tensors})))
    again = load(build(), choice_of(xzoo.Weights("made", read=lambda: dict(reversed(tensors.items())))))
    assert same(module, tensors)
    assert (loaded.source, loaded.sha256) == ("read", again.sha256)
    assert len(loaded.sha256) == 64


def test_a_function_that_fails_to_read_is_named() -> None:
    def read() -> dict[str, Tensor]:
        raise OSError("no such drive")

    assert refusal(xzoo.Weights("made", read=read)) == "net@made cannot be read: OSError: no such drive"


def test_missing_weights_name_three_ways_out_and_where_the_file_goes(torch_home: Path) -> None:
    choice = choice_of(published("0123abcd"))
    assert locate(choice, fetch=False) is None
    with pytest.raises(WeightsError) as caught:
        locate(choice)
    assert str(torch_home / "net.pth") in caught.value.text
    for way in ("`xzoo weights fetch net@V1`", str(torch_home / "net.pth"), "net@/path/file.safetensors", "net@random"):
        assert way in caught.value.remedy
    assert list(torch_home.iterdir()) == []


def test_the_cache_is_where_torch_looks(monkeypatch: pytest.MonkeyPatch, torch_home: Path, tmp_path: Path) -> None:
    choice = choice_of(published(""))
    assert where(choice) == torch_home / "net.pth"
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert where(choice) == Path(torch.hub.get_dir()) / "checkpoints" / "net.pth"
    assert where(choice_of(RandomStart())) is None


def test_weights_in_the_hub_cache_load_without_a_network(tmp_path: Path) -> None:
    folder = tmp_path / "hf" / "hub" / "models--someone--net"
    for revision in ("aaa", "bbb"):
        (folder / "snapshots" / revision / "sub").mkdir(parents=True)
        save_file(trained(), folder / "snapshots" / revision / "sub" / "model.safetensors")
    choice = choice_of(xzoo.Weights("V1", hf="someone/net/sub/model.safetensors"))
    assert where(choice) == folder / "snapshots" / "aaa" / "sub" / "model.safetensors"
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("bbb")
    loaded = load(build(), choice)
    assert loaded.path == str(folder / "snapshots" / "bbb" / "sub" / "model.safetensors")


def test_hub_offline_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE is set"):
        fetch(choice_of(xzoo.Weights("V1", hf="someone/net/model.safetensors")))


def test_verify_returns_the_hash_or_says_what_differs(torch_home: Path) -> None:
    path = torch_home / "net.pth"
    torch.save(trained(), path)
    assert verify(path, published(durable.sha256(path).upper())) == durable.sha256(path)
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match="0 bytes"):
        verify(path, published(""))


def test_a_published_head_of_other_classes_may_be_declared_optional(torch_home: Path) -> None:
    tensors, module = trained(num_classes=9), build()
    torch.save(tensors, torch_home / "net.pth")
    url = "http://127.0.0.1:9/net.pth"
    loaded = load(module, choice_of(xzoo.Weights("V1", url=url, optional=("2",))))
    assert loaded.left_out == ("2.bias", "2.weight")
    assert torch.equal(module.state_dict()["0.weight"], tensors["0.weight"])
    assert "1 missing (0.weight)" in refusal(_lacking(torch_home, "0.weight"))


def _lacking(torch_home: Path, name: str) -> xzoo.Weights:
    torch.save({key: tensor for key, tensor in trained().items() if key != name}, torch_home / "lacking.pth")
    return xzoo.Weights("V1", url="http://127.0.0.1:9/lacking.pth", optional=("2",))


def test_an_optional_head_of_the_networks_own_shape_is_loaded(torch_home: Path) -> None:
    torch.save(trained(), torch_home / "net.pth")
    module = build()
    assert load(module, choice_of(xzoo.Weights("V1", url="http://127.0.0.1:9/net.pth", optional=("2",)))).left_out == ()
    assert same(module, trained())


def test_a_declaration_may_convert_what_a_file_holds(torch_home: Path) -> None:
    old = {name.replace("0.", "stem."): tensor for name, tensor in trained().items()}
    torch.save({"epoch": 3, "model": {"encoder": old}}, torch_home / "net.pth")

    def convert(module: nn.Module, content: Any) -> dict[str, Tensor]:
        assert module.state_dict().keys() == trained().keys()
        return {name.replace("stem.", "0."): tensor for name, tensor in content["model"]["encoder"].items()}

    module = build()
    load(module, choice_of(xzoo.Weights("V1", url="http://127.0.0.1:9/net.pth"), convert=convert))
    assert same(module, trained())
    torch.save({"epoch": 3}, torch_home / "net.pth")
    assert "holds nothing that net can take over: KeyError" in refusal(
        xzoo.Weights("V1", url="http://127.0.0.1:9/net.pth"), convert=convert
    )


def test_a_conversion_sees_a_plain_state_dict_without_its_wrappings(torch_home: Path) -> None:
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in trained().items()}}, torch_home / "net.pth")
    module = build()
    load(module, choice_of(xzoo.Weights("V1", url="http://127.0.0.1:9/net.pth"), convert=lambda _module, content: dict(content)))
    assert same(module, trained())


def test_published_weights_may_lie_in_a_local_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    choice = choice_of(xzoo.Weights("local", file=str(path), licence="MIT"))
    with pytest.raises(WeightsError, match=r"there is no file .*model\.safetensors"):
        fetch(choice)
    save_file(trained(), path)
    assert where(choice) == fetch(choice) == path
    module = build()
    loaded = load(module, choice)
    assert same(module, trained())
    assert (loaded.source, loaded.licence, loaded.sha256) == ("file", "MIT", durable.sha256(path))
