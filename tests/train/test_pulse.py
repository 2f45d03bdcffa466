from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from torch._C._distributed_c10d import HashStore

from xzoo import owner
from xzoo.errors import DataError, UnavailableError, UsageError
from xzoo.train import pulse as pulses
from xzoo.train import rendezvous
from xzoo.train.pulse import Pulse, RankError
from xzoo.train.rendezvous import Meeting, meeting

FAR = "0123456789-77-5"
"""A process of another machine."""

ENVIRONMENT = {
    "WORLD_SIZE": "2",
    "RANK": "1",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "1",
}


@pytest.fixture
def crew() -> Callable[..., tuple[Pulse, Any]]:
    """Make the pulse of a rank of three, in a store where the others have said which processes they are."""

    def make(rank: int, *others: str) -> tuple[Pulse, Any]:
        store: Any = HashStore()
        places = [place for place in range(3) if place != rank]
        for place, process in zip(places, others, strict=True):
            store.set(f"rank/{place}", json.dumps({"owner": process, "machine": f"node{place}"}))
            store.set(f"beat/{place}", "0")
        return Pulse(rank, 3, store, lambda error: error.exit_code), store

    return make


def dead() -> str:
    """Return a process of this machine that has ended."""
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        return f"{owner.machine()}-{process.pid}-{owner._began(process.pid)}"


def test_who_lives_is_no_trouble(crew: Any) -> None:
    pulse, _ = crew(0, str(owner.this()), FAR)
    assert pulse.trouble() is None
    assert pulse.tells


def test_a_process_of_this_machine_that_ended_is_named_at_once(crew: Any) -> None:
    pulse, _ = crew(0, str(owner.this()), dead())
    trouble = pulse.trouble()
    assert isinstance(trouble, UnavailableError)
    assert trouble.text.startswith("rank 2 of 3 (process ")
    assert "on node2) ended before its work was done" in trouble.text
    assert "goes on from the last checkpoint" in trouble.remedy


def test_another_machine_is_heard_by_its_beats_alone(crew: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pulse, store = crew(0, str(owner.this()), FAR)
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert pulse.trouble() is None
    now[0] += pulses.PATIENCE - 1
    store.set("beat/2", "1")
    assert pulse.trouble() is None
    now[0] += pulses.PATIENCE - 1
    assert pulse.trouble() is None
    now[0] += 2
    assert "rank 2 of 3" in pulse.trouble().text


def test_what_a_rank_gives_up_for_is_told_with_its_remedy(crew: Any) -> None:
    pulse, store = crew(0, str(owner.this()), FAR)
    other = Pulse(2, 3, store, lambda error: error.exit_code)
    other.stop(DataError("no image there", "look"))
    other.stop(DataError("later", "too late"))
    trouble = pulse.trouble()
    assert (trouble.text, trouble.remedy) == (f"rank 2 of 3, on {os.uname().nodename}: no image there", "look")
    assert other.trouble() is None, "it knows by itself"


def test_of_those_that_live_the_lowest_tells(crew: Any) -> None:
    second, _ = crew(1, dead(), str(owner.this()))
    assert second.trouble() is not None
    assert second.tells
    last, _ = crew(2, dead(), str(owner.this()))
    assert last.trouble() is not None
    assert not last.tells


def test_a_store_that_is_gone_is_told_as_such(crew: Any) -> None:
    class Gone:
        def check(self, *words: object) -> bool:
            raise RuntimeError("Connection reset by peer")

        get = set = compare_set = check

    pulse = Pulse(0, 2, Gone(), lambda error: error.exit_code)  # type: ignore[arg-type]
    assert "store does not answer" in str(pulse.trouble())
    pulse.stop(DataError("nobody hears it", ""))


def test_a_hanging_process_is_ended_with_the_one_screen(tmp_path: Any) -> None:
    program = (
        "import json, time\n"
        "from torch._C._distributed_c10d import HashStore\n"
        "from xzoo.train import pulse\n"
        "pulse.PERIOD = pulse.GRACE = 0.05\n"
        "store = HashStore()\n"
        f"store.set('rank/1', json.dumps({{'owner': '{dead()}', 'machine': 'here'}})); store.set('beat/1', '0')\n"
        "pulse.Pulse(0, 2, store, lambda error: print(error.text, flush=True) or 9).start()\n"
        "time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 9, done.stderr
    assert done.stdout.startswith("rank 1 of 2 (process")


def test_one_process_meets_nobody() -> None:
    assert meeting({}) is meeting({"WORLD_SIZE": "1", "RANK": "0"}) is None
    found = meeting(ENVIRONMENT)
    assert found == Meeting(1, 2, 1, 2, "127.0.0.1", 1, has_server=False)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"RANK": ""}, "RANK is not set"),
        ({"MASTER_ADDR": "", "MASTER_PORT": ""}, "MASTER_ADDR and MASTER_PORT are not set"),
        ({"RANK": "2"}, "the others do not fit it"),
        ({"WORLD_SIZE": "two"}, "the others do not fit it"),
        ({"MASTER_PORT": "http"}, "the others do not fit it"),
    ],
)
def test_half_an_environment_is_refused(change: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        meeting({**ENVIRONMENT, **change})
    assert told in caught.value.text
    assert "torchrun" in caught.value.remedy


@pytest.mark.parametrize(
    ("asked", "num_gpus", "kind"), [("auto", 0, "cpu"), ("auto", 2, "cuda:1"), ("cuda", 2, "cuda:1"), ("cpu", 2, "cpu")]
)
def test_each_rank_takes_the_gpu_of_its_number(asked: str, num_gpus: int, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: num_gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: num_gpus)
    place = meeting(ENVIRONMENT)
    assert place is not None
    assert place.kind(asked) in {kind, "auto" if kind == "cpu" else kind}


def test_a_rank_without_a_gpu_and_one_gpu_for_all_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    place = meeting(ENVIRONMENT)
    assert place is not None
    with pytest.raises(UnavailableError, match="rank 1 has no GPU: its machine has 1, for 2 ranks"):
        place.kind("auto")
    with pytest.raises(UsageError, match="one device, and there are 2 ranks"):
        place.kind("cuda:0")


@pytest.mark.parametrize("rank", [0, 1])
def test_ranks_that_do_not_come_are_waited_for_no_longer_than_asked(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from launching import free_port

    monkeypatch.setenv(rendezvous.CONNECT_SECONDS, "0.3")
    place = Meeting(rank, 2, rank, 2, "127.0.0.1", free_port(), has_server=False)
    with (
        pytest.raises(UnavailableError, match=f"rank {rank} of 2 did not meet the others at 127.0.0.1") as caught,
        rendezvous.connected(place, "cpu", None),
    ):
        raise AssertionError("nobody is there")
    assert rendezvous.CONNECT_SECONDS in caught.value.remedy
    assert not isinstance(caught.value, RankError)
