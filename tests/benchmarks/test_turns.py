"""How both sides take turns, on scripted instances; and one real worker."""

from __future__ import annotations

import itertools
import math
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

import gate
from xzoo.conformance.pairing import sides
from xzoo.conformance.pairing.turns import Burst, Instance, Work, clock_of, log_ratios, started
from xzoo.errors import UsageError

ROOT = Path(__file__).parents[2]


class Scripted:
    """An instance whose bursts take what a function of the time says; time goes on by one with every burst of any."""

    def __init__(self, time: Iterator[int], seconds: Callable[[int], float], waits: float = 0.0) -> None:
        self.time, self.seconds, self.waits = time, seconds, waits

    def burst(self, calls: int) -> Burst:
        seconds = self.seconds(next(self.time))
        return Burst(seconds * 3, seconds, self.waits)


def ratios(*functions: Callable[[int], float]) -> list[float]:
    time = itertools.count()
    scripted = [Scripted(time, function) for function in functions]
    return [math.exp(one) for one in log_ratios(cast("list[Instance]", scripted), 9)]


def test_each_is_compared_with_the_first() -> None:
    assert ratios(lambda _: 0.01, lambda _: 0.0105, lambda _: 0.01) == pytest.approx([1.05, 1.0])


def test_a_steady_drift_falls_on_all_alike() -> None:
    assert ratios(lambda t: 0.01 + t * 1e-4, lambda t: 0.01 + t * 1e-4, lambda t: 0.01 + t * 1e-4) == pytest.approx(
        [1, 1], abs=1e-9
    )


def test_a_disturbed_burst_now_and_then_changes_nothing() -> None:
    found = ratios(lambda t: 0.5 if t % 17 == 0 else 0.01, lambda _: 0.011)
    assert found == pytest.approx([1.1])


@pytest.mark.parametrize(("waits", "clock"), [(0.0, "processor"), (0.04, "processor"), (1.0, "wall")])
def test_the_wall_clock_counts_where_calls_wait(waits: float, clock: str) -> None:
    assert clock_of([Burst(1, 1, waits)] * 4) == clock


def test_a_side_is_a_folder_or_a_revision(tmp_path: Path) -> None:
    for name in ("src", "plugins"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.py").write_text("x = 1")
    with sides.laid_out(str(tmp_path), str(tmp_path), repository=ROOT, folders=("src", "plugins")) as (base, head):
        assert base != head
        assert (head / "plugins" / "one.py").read_text() == "x = 1"
        assert not sides.can_be_timed(head)
    assert not base.exists()


def test_a_side_that_is_neither_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate.main([str(tmp_path / "nothing"), str(tmp_path)]) == 2
    assert "nothing is neither a folder" in capsys.readouterr().err


def git(folder: Path, *words: str) -> None:
    name = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", "-C", str(folder), *name, *words], check=True, capture_output=True)


def test_of_a_repository_a_side_is_what_git_would_keep(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("ignored")
    for name in ("kept", "changed", "deleted"):
        (tmp_path / name).write_text("before")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    (tmp_path / "changed").write_text("after")
    (tmp_path / "deleted").unlink()
    (tmp_path / "new").write_text("new")
    (tmp_path / "ignored").write_text("ignored")
    with sides.laid_out("HEAD", str(tmp_path), repository=tmp_path) as (base, head):
        assert {path.name: path.read_text() for path in base.iterdir() if path.name != ".gitignore"} == dict.fromkeys(
            ("kept", "changed", "deleted"), "before"
        )
        assert {path.name for path in head.iterdir()} == {".gitignore", "kept", "changed", "new"}
        assert (head / "changed").read_text() == "after"


def test_a_worker_answers_with_times_of_its_own_tree() -> None:
    with started([ROOT], Work("inference", "mlp", 2)) as [instance]:
        burst = instance.burst(5)
    assert burst.processor > 0
    assert burst.wall > 0


def test_a_worker_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / "src" / "xzoo").mkdir(parents=True)
    (tmp_path / "src" / "xzoo" / "__init__.py").write_text("raise SystemExit(1)")
    with pytest.raises(RuntimeError, match="ended with 1"), started([tmp_path], Work("inference", "mlp", 2)):
        pass


def test_a_backbone_whose_code_is_not_of_the_sides_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mlp comes from elsewhere"), started([tmp_path], Work("inference", "mlp", 2)):
        pass
