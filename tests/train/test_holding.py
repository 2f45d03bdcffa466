"""Signals that wait for the end of a block: the first one does, the second does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from xzoo.train.holding import held
from xzoo.train.signals import heeded


class Asked(KeyboardInterrupt):
    """What the handler of SIGTERM raises here, as the command line's does."""


def ask(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Asked


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Python's own handler of SIGINT, which a shell may have switched off, and one of SIGTERM that raises."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler), signal.signal(signal.SIGTERM, ask)
    yield
    signal.signal(signal.SIGINT, before[0])
    signal.signal(signal.SIGTERM, before[1])


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Asked)])
def test_the_first_signal_waits_for_the_end_and_is_what_it_would_have_been(number: int, kind: type[BaseException]) -> None:
    done = []

    def work() -> None:
        with held() as interrupt:
            done.append(interrupt.has_come)
            os.kill(os.getpid(), number)
            done.append(interrupt.has_come)

    with pytest.raises(kind):
        work()
    assert done == [False, True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is ask


def test_the_second_is_at_once() -> None:
    done = []

    def work() -> None:
        with held():
            os.kill(os.getpid(), signal.SIGINT)
            done.append(1)
            os.kill(os.getpid(), signal.SIGINT)
            done.append(2)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_is_not_lost_where_the_block_fails() -> None:
    def work() -> None:
        with held():
            os.kill(os.getpid(), signal.SIGINT)
            raise ValueError("what")

    with pytest.raises(KeyboardInterrupt) as caught:
        work()
    assert isinstance(caught.value.__context__, ValueError)


def test_what_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with held() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert not interrupt.has_come


def test_outside_of_the_main_thread_nothing_is_held() -> None:
    found = []

    def work() -> None:
        with held() as interrupt:
            found.append((interrupt.has_come, signal.getsignal(signal.SIGTERM) is ask))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, True)]


def test_a_process_that_would_end_ends_behind_the_block() -> None:
    code = (
        "import os, signal\nfrom xzoo.train.holding import held\n"
        "with held():\n    os.kill(os.getpid(), signal.SIGTERM)\n    print('saved', flush=True)\nprint('never')"
    )
    path = os.pathsep.join(place for place in sys.path if place)
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False
    )
    assert (found.returncode, found.stdout) == (-signal.SIGTERM, "saved\n")


def test_a_second_signal_is_the_first_again_where_a_launcher_sends_on_what_the_terminal_sent() -> None:
    done: list[object] = []

    def work() -> None:
        with held(insists=False) as interrupt:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            done.append(interrupt.has_come)
        done.append("behind")

    with pytest.raises(KeyboardInterrupt) as caught:
        work()
    assert (type(caught.value), done) == (KeyboardInterrupt, [True]), "what came first is what happens"


def test_of_several_ranks_the_leader_hears_the_first_signal_and_the_others_none() -> None:
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with heeded(is_leader=True):
        with pytest.raises(Asked):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    heard: list[BaseException] = []
    try:
        with heeded(is_leader=False):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
    except KeyboardInterrupt as error:  # it would end the tests themselves
        heard.append(error)
    assert heard == []
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
