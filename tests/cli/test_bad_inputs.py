"""Words that cannot be used: one screen that names them and says what to do, the right code, nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Refused = Callable[..., None]
Run = Callable[..., tuple[int, str, str]]
Read = Callable[[str], dict[str, Any]]
TINY = "--data good --epochs 1 --seeds 1 --freeze frozen --set size=16"

WORDS = [
    ("compare alexnett --data good", 2, ["'alexnett'", "did you mean alexnet?"]),
    ("compare 'alex net' --data good", 2, ["'alex net'", "xzoo list"]),
    ("compare alexnet@IMAGENET --data good", 2, ["'IMAGENET'", "IMAGENET1K_V1", "@random"]),
    ("compare alexnet@ --data good", 2, ["alexnet@random"]),
    ("compare nobody:alexnet --data good", 2, ["'nobody'", "it is offered by xzoo"]),
    ("compare twin --data good", 2, ["rival 1.0 and tiny 2.0", "rival:twin"]),
    ("compare resnet18/deep --data good", 2, ["ask for resnet18"]),
    ("compare fam/three --data good", 2, ["'three'", "2 names"]),
    ("compare absent-module --data good", 3, ["absent-module", "broken 0.1", "other backbones are not affected"]),
    ("compare convgap@~no-such-user/x.pth --data good", 2, ["~no-such-user/x.pth", "whole path"]),
    (f"compare convgap convgap {TINY}", 2, ["named twice: convgap@random", "name each once"]),
    ("compare --data good", 2, ["NAMES"]),
    ("compare convgap --epoch 1", 2, ["--epoch'", "--epochs"]),
    ("compare convgap --data good --freeze frozzen", 2, ["'frozzen'", "last:N"]),
    ("compare convgap --data good --freeze last:0", 2, ["'last:0'", "from 1"]),
    ("compare convgap --data good --freeze layerwise:nan", 2, ["'layerwise:nan'", "decay"]),
    ("compare convgap --data good --freeze frozen,frozen", 2, ["asked for twice"]),
    ("compare convgap --data good --freeze ''", 2, ["--freeze is empty"]),
    ("compare convgap --data good --set lrr=1", 2, ["'lrr'", "did you mean 'lr'?"]),
    ("compare convgap --data good --set lr=fast", 2, ["lr"]),
    ("compare convgap --data good --set lr=nan", 2, ["lr=nan", "choose lr from"]),
    ("compare convgap --data good --set optimizer=lion", 2, ["'lion'", "optimizer"]),
    ("compare convgap --data good --set epochs", 2, ["'epochs'", "KEY=VALUE"]),
    ("compare convgap --data good --epochs 0", 2, ["epochs=0", "from 1"]),
    ("compare convgap --data good --epochs x", 2, ["--epochs", "'x'"]),
    ("compare convgap --data good --augment upside", 2, ["'upside'", "chest-xray"]),
    ("compare convgap --data good --split 0.7,0.7", 2, ["0.7,0.7", "sum to 1"]),
    ("compare convgap --data good --split half", 2, ["'half'", "0.7,0.3"]),
    ("compare convgap --data good --split pool:0.7,0.3", 2, ["0.7,0.3", "pool:0.6,0.2,0.2"]),
    ("compare convgap --data good --split-seed -1", 2, ["--split-seed", "-1"]),
    ("compare convgap --data good --positive zebra", 2, ["'zebra'", "a, b"]),
    ("compare convgap --data good --seeds 0", 2, ["--seeds '0'", "0,1,2"]),
    ("compare convgap --data good --seeds -1", 2, ["--seeds '-1'"]),
    ("compare convgap --data good --seeds x", 2, ["--seeds 'x'"]),
    ("compare convgap --data good --seeds 1,1", 2, ["--seeds '1,1'"]),
    ("compare convgap --data good --seeds 99999999999999999999", 2, ["--seeds"]),
    ("compare convgap --data good --train-size 0", 2, ["'0'", "from 1, or all"]),
    (f"compare convgap {TINY} --train-size 1000", 2, ["1000", "4 training images"]),
    (f"compare convgap {TINY} --train-size 1", 2, ["2 classes"]),
    ("compare convgap --data good --vary lr", 2, ["--vary 'lr'", "KEY=A,B"]),
    ("compare convgap --data good --vary lr=", 2, ["--vary 'lr='"]),
    ("compare convgap --data good --vary lr=0.1 --vary lr=0.2", 2, ["lr, lr", "one --vary"]),
    (f"compare convgap {TINY} --vary lr=0.1,0.10", 2, ["asked for twice"]),
    ("compare convgap --data good --vary nope=1,2", 2, ["'nope'", "known values"]),
    ("compare convgap --data good --keep some", 2, ["'some'", "'best', 'all', 'none'"]),
    ("compare convgap --data good --group '('", 2, ["'('", "brackets"]),
    ("compare convgap --data good --group person", 2, ["'person'", "captures nothing"]),
    ("compare convgap --data good --group '(zzz)'", 2, ["8 of 8 images", "widen"]),
    (f"compare convgap {TINY} --group '(png)'", 2, ["single group", "another patient"]),
    (f"compare convgap {TINY} --device tpu", 2, ["'tpu'", "cuda:N"]),
    (f"compare convgap {TINY} --runs good/a/0.png", 5, ["good/a/0.png", "a file stands where a folder is needed"]),
    (f"compare convgap {TINY} --runs /proc/xzoo", 5, ["/proc/xzoo", "can be written"]),
    (f"compare convgap {TINY} --runs /dev/null/x", 5, ["/dev/null/x", "choose another place"]),
    ("compare convgap --data good --runs ''", 2, ["--runs is empty"]),
    ("compare convgap --data ''", 2, ["--data is empty"]),
    ("compare convgap --data good/c", 2, ["good/c does not exist", "phantom"]),
    ("compare convgap --data good/a/0.png", 2, ["good/a/0.png is no dataset", ".npz"]),
    ("compare convgap --data phantom:tilt=3", 2, ["'tilt'", "its dials are"]),
    ("train convgap alexnet --data good", 2, ["alexnet"]),
    ("train convgap --data good --seed -1", 2, ["--seed", "-1"]),
    ("train convgap --data good --freeze frozen,finetune", 2, ["'frozen,finetune'"]),
]


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize(("line", "code", "says"), WORDS, ids=[line for line, _, _ in WORDS])
def test_words_that_cannot_be_used_are_refused(refused: Refused, line: str, code: int, says: list[str]) -> None:
    refused(line, code, *says)


FILES: list[tuple[str, bytes | None, str, int, list[str]]] = [
    ("no.toml", None, "compare convgap --data good --recipe no.toml", 2, ["no.toml", "TOML"]),
    ("bad.toml", b"lr = = 3", "compare convgap --data good --recipe bad.toml", 2, ["bad.toml", "line 1"]),
    ("binary.toml", b"\xff\xfe\0", "compare convgap --data good --recipe binary.toml", 2, ["binary.toml", "lr = 0.001"]),
    ("key.toml", b"lrr = 3", "compare convgap --data good --recipe key.toml", 2, ["'lrr'", "did you mean 'lr'?"]),
    ("no.py", None, "compare ./no.py:net --data good", 2, ["./no.py", "check the path"]),
    ("syntax.py", b"def net(:", "compare ./syntax.py:net --data good", 3, ["./syntax.py", "SyntaxError", "correct the file"]),
    ("raises.py", b"1 / 0", "compare ./raises.py:net --data good", 3, ["./raises.py", "ZeroDivisionError", "correct the file"]),
    ("exit.py", b"raise SystemExit", "compare ./exit.py:net --data good", 3, ["./exit.py", "SystemExit"]),
    ("other.py", b"body = 3", "compare ./other.py:net --data good", 2, ["./other.py has no 'net'"]),
    ("number.py", b"net = 3", "compare ./number.py:net --data good", 3, ["./number.py is 3, no Backbone", "xzoo.Backbone"]),
    ("nameless.py", b"net = 3", "compare ./nameless.py --data good", 2, ["./nameless.py:NAME"]),
    ("net.txt", b"net = 3", "compare ./net.txt:net --data good", 2, ["net.txt is no Python file", ".py"]),
    ("no.safetensors", None, f"compare convgap convgap@./no.safetensors {TINY}", 3, ["no.safetensors", "check the path"]),
    ("zero.safetensors", b"", f"compare convgap@./zero.safetensors {TINY}", 3, ["zero.safetensors is empty"]),
    ("cut.safetensors", b"\x08" + 7 * b"\0" + b"{}", f"compare convgap@./cut.safetensors {TINY}", 3, ["no whole .safetensors"]),
    ("junk.pth", b"\x89PNG" * 20, f"compare convgap@./junk.pth {TINY}", 3, ["junk.pth", "no checkpoint"]),
    (
        "weights.txt",
        b"hello",
        f"compare convgap@./weights.txt {TINY}",
        3,
        ["weights.txt is no checkpoint", "a .safetensors file"],
    ),
]


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize(("name", "content", "line", "code", "says"), FILES, ids=[name for name, *_ in FILES])
def test_files_that_cannot_be_used_are_refused(
    refused: Refused, place: Path, name: str, content: bytes | None, line: str, code: int, says: list[str]
) -> None:
    if content is not None:
        (place / name).write_bytes(content)
    refused(line, code, *says)


@pytest.mark.usefixtures("good")
def test_weights_of_another_network_are_refused_with_what_differs(refused: Refused) -> None:
    from safetensors.numpy import save_file

    save_file({"conv1.weight": np.zeros((2, 1), np.float32), "extra": np.zeros(2, np.float32)}, "foreign.safetensors")
    says = ["convgap", "5 missing", "1 unexpected (extra)", "conv1.weight 2x1 instead of 32x1x3x3", "convgap@random"]
    refused(f"compare convgap@./foreign.safetensors {TINY}", 3, "foreign.safetensors", *says)


@pytest.mark.usefixtures("good")
def test_published_weights_that_are_not_here_are_refused_with_three_ways_out(refused: Refused) -> None:
    refused("compare tiny --data good", 3, "xzoo weights fetch tiny@V1", "tiny@/path/file.safetensors", "tiny@random")


@pytest.mark.usefixtures("good")
def test_published_weights_that_were_altered_are_refused(refused: Refused, tmp_path: Path) -> None:
    path = tmp_path / "torch" / "hub" / "checkpoints" / "tiny-0123abcd.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"altered")
    refused("compare tiny --data good --epochs 1 --seeds 1", 3, str(path), "published is 0123abcd", "fetch it again")


@pytest.mark.usefixtures("good")
def test_a_device_that_is_not_here_is_refused(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    refused(f"compare convgap {TINY} --device cuda", 3, "no CUDA device", "--device cpu")


def test_a_loss_for_two_classes_is_refused_where_there_are_three(
    refused: Refused, place: Path, images: Callable[..., Path]
) -> None:
    images(place / "three", "abc")
    refused(f"compare convgap {TINY} --data three --set loss=bce", 2, "loss=bce", "has 3", "loss=cross-entropy")


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize(("variable", "value", "code"), [("XZOO_CACHE", "/dev/null/x", 5), ("XZOO_CACHE_LIMIT", "much", 2)])
def test_a_cache_that_cannot_be_used_is_refused(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, code: int
) -> None:
    monkeypatch.setenv(variable, value)
    refused(f"compare convgap {TINY}", code, value)


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("compare mlp --data good --epochs 1 --seeds 1 --set size=64", "mlp takes only 256x256 pixels, not 64"),
        ("train squeezenet1_1@random --data good --epochs 1 --set size=4", "squeezenet1_1 takes sizes from"),
    ],
)
def test_cells_that_cannot_be_trained_are_refused_with_4(refused: Refused, line: str, text: str) -> None:
    refused(line, 4, text)


@pytest.mark.usefixtures("good")
def test_one_cell_that_fails_keeps_no_other_back(command: Run, one_object: Read) -> None:
    code, out, _ = command("compare", "convgap", "mlp", *TINY.split(), "--format", "json")
    answer = one_object(out)
    assert code == 4
    assert [(cell["backbone"], cell["status"]) for cell in answer["cells"]] == [("convgap", "done"), ("mlp", "failed")]


@pytest.mark.parametrize("words", [["compare", "alexnett"], ["compare", "convgap", "--data", "."]])
def test_a_process_of_its_own_says_the_same(process: Run, place: Path, words: list[str]) -> None:
    code, out, err = process(*words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 2
    code, out, err = process(*words, "--format", "json")
    assert (code, json.loads(out)["schema"], err) == (2, "xzoo.error/1", "")
    assert list(place.iterdir()) == []
