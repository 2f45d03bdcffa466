"""Checkpoint files: what is written is read, what is damaged is noticed, and the one before it takes its place."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from xzoo import durable
from xzoo.errors import UsageError
from xzoo.train import checkpoint
from xzoo.train.checkpoint import FACTS, TENSORS, Checkpoints, State

ABOUT = {"cell": "a", "device": "cpu"}
NUM_TRUNCATIONS, NUM_FLIPS = 200, 400
TYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.int32, torch.uint8, torch.bool)


def state(number: int) -> State:
    """Return a state of every type that a network's tensors have, told apart by `number`."""
    numbers = torch.Generator().manual_seed(number)
    tensors = {f"network/{kind}": torch.randint(0, 2, (3, number), generator=numbers).to(kind) for kind in TYPES}
    tensors |= {"step": torch.tensor(float(number)), "empty": torch.zeros(0, 4)}
    tensors["channels last"] = torch.randn(2, 3, 4, 4, generator=numbers).contiguous(memory_format=torch.channels_last)
    return State(tensors, {"epoch": number, "loss": 0.1 + number, "lost": float("inf")})


def same(one: State, other: State) -> bool:
    return (
        one.facts == other.facts
        and one.tensors.keys() == other.tensors.keys()
        and all(torch.equal(tensor, other.tensors[name]) for name, tensor in one.tensors.items())
        and all(tensor.dtype == other.tensors[name].dtype for name, tensor in one.tensors.items())
    )


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder of three states, of which the last two are there."""
    for number in (1, 2, 3):
        Checkpoints(tmp_path / "cell", ABOUT).write(state(number))
    return tmp_path / "cell"


def test_the_newest_of_two_is_read_as_it_was_written(kept: Path) -> None:
    assert sorted(path.name for path in kept.iterdir()) == ["2", "3"]
    found = Checkpoints(kept, ABOUT)
    newest = found.newest()
    assert newest is not None
    assert same(newest, state(3))
    assert found.messages == []
    assert newest.below("network").keys() == {str(kind) for kind in TYPES}


def test_the_file_is_what_the_library_reads(kept: Path) -> None:
    tensors: dict[str, Tensor] = load_file(kept / "3" / TENSORS)
    assert tensors.keys() == state(3).tensors.keys()
    assert (kept / "3" / TENSORS).stat().st_size == checkpoint._num_bytes(state(3).tensors)


def test_no_checkpoint_is_none_and_no_message(tmp_path: Path) -> None:
    found = Checkpoints(tmp_path / "none", ABOUT)
    assert (found.newest(), found.messages) == (None, [])


def truncations(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield files cut at places drawn from all of them, their beginnings and ends among them."""
    draw = random.Random(0)
    files = sorted(folder.iterdir())
    for number in range(NUM_TRUNCATIONS):
        whole = files[number % 3].read_bytes()
        place = (0, len(whole) - 1)[number // 3] if number < 6 else draw.randrange(len(whole))
        yield files[number % 3], whole[:place]


def flips(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield files with one bit turned: every bit of the manifest, and as many drawn from the others."""
    draw = random.Random(0)
    manifest, *others = sorted(folder.iterdir())
    assert manifest.name == durable.MANIFEST
    places = [(manifest, place) for place in range(8 * manifest.stat().st_size)]
    places += [(path, draw.randrange(8 * path.stat().st_size)) for path in others for _ in range(NUM_FLIPS // 2)]
    for path, place in places:
        bits = bytearray(path.read_bytes())
        bits[place // 8] ^= 1 << place % 8
        yield path, bytes(bits)


@pytest.mark.parametrize("damages", [truncations, flips])
def test_every_damage_is_noticed_and_the_older_one_is_read(
    damages: Callable[[Path], Iterator[tuple[Path, bytes]]], kept: Path
) -> None:
    count, expected = 0, state(2)
    whole = kept.parent / "whole"
    shutil.copytree(kept / "3", whole)
    for path, damaged in list(damages(kept / "3")):
        path.write_bytes(damaged)
        found = Checkpoints(kept, ABOUT)
        older = found.newest()
        assert older is not None
        assert older.facts == expected.facts, (path.name, damaged)
        assert count % 50 or same(older, expected)
        assert found.messages == [f"checkpoint {kept / '3'} is damaged, and was removed"]
        assert [one.name for one in kept.iterdir()] == ["2"]
        shutil.copytree(whole, kept / "3")
        count += 1
    assert count >= NUM_TRUNCATIONS


@pytest.mark.parametrize("file", [durable.MANIFEST, TENSORS, FACTS])
def test_a_missing_file_is_a_damage(file: str, kept: Path) -> None:
    (kept / "3" / file).unlink()
    found = Checkpoints(kept, ABOUT).newest()
    assert found is not None
    assert same(found, state(2))


@pytest.mark.parametrize("words", ["{}", "[]", "null", '{"../2/state.json": "0"}'])
def test_a_manifest_that_vouches_for_nothing_is_a_damage(words: str, kept: Path) -> None:
    (kept / "3" / durable.MANIFEST).write_text(words)
    found = Checkpoints(kept, ABOUT).newest()
    assert found is not None
    assert same(found, state(2))


def test_where_all_are_damaged_there_is_none_and_each_is_told(kept: Path) -> None:
    for number in "23":
        (kept / number / FACTS).write_bytes(b"")
    found = Checkpoints(kept, ABOUT)
    assert found.newest() is None
    assert [message.split()[1] for message in found.messages] == [str(kept / number) for number in "32"]
    found.write(state(4))
    assert sorted(path.name for path in kept.iterdir()) == ["1"]


def test_what_another_device_made_is_left_aside(kept: Path) -> None:
    found = Checkpoints(kept, {**ABOUT, "device": "cuda"})
    assert found.newest() is None
    assert found.messages[0] == f"checkpoint {kept / '3'} is left aside: its device is cpu, and here it is cuda"
    assert sorted(path.name for path in kept.iterdir()) == ["2", "3"]


def test_it_is_due_when_an_interval_has_gone_by_and_saving_takes_a_small_share(tmp_path: Path) -> None:
    times = [0.0]
    found = Checkpoints(tmp_path / "cell", ABOUT, seconds=10, clock=lambda: times[-1])
    seen = []
    for now in (0.0, 0.9, 1.0, 9.9, 10.0):
        times.append(now)
        seen.append((found.is_due, found.is_worth_one))
    assert seen == [(False, False), (False, False), (False, True), (False, True), (True, True)]
    ticks = itertools.count(100, 2)
    slow = Checkpoints(tmp_path / "slow", ABOUT, seconds=10, clock=lambda: float(next(ticks)))
    slow.write(state(1))
    due = next(number for number in itertools.count(1) if slow.is_due)
    assert 2 * due == 40


def test_an_interval_of_0_is_due_after_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(checkpoint.SECONDS, "0")
    assert Checkpoints(tmp_path, ABOUT).is_due
    monkeypatch.setenv(checkpoint.SECONDS, " ")
    assert checkpoint.interval() == 60
    monkeypatch.delenv(checkpoint.SECONDS)
    assert checkpoint.interval() == 60


@pytest.mark.parametrize("word", ["often", "-1", "inf", "nan"])
def test_an_interval_that_is_none_is_told(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(checkpoint.SECONDS, word)
    with pytest.raises(UsageError, match=f"XZOO_CHECKPOINT_SECONDS={word} is no number of seconds"):
        checkpoint.interval()


def test_what_a_killed_process_left_unfinished_is_removed_by_the_next(tmp_path: Path) -> None:
    kept = tmp_path / "cell"
    process = os.fork()
    if process == 0:  # the child ends in the middle of its third checkpoint, as SIGKILL would end it
        for number in (1, 2):
            Checkpoints(kept, ABOUT).write(state(number))
        with durable.new_folder(kept / "3") as folder:
            durable.fill_bytes(folder / FACTS, b"{")
            os._exit(0)
    os.waitpid(process, 0)
    assert len(list(kept.iterdir())) == 3
    found = Checkpoints(kept, ABOUT)
    newest = found.newest()
    assert newest is not None
    assert same(newest, state(2))
    found.write(state(3))
    assert sorted(path.name for path in kept.iterdir()) == ["2", "3"]
