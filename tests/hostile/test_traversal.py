"""Names that lead somewhere else, as classes, cells, runs, labels and plugins: nothing outside the root is written or removed."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from inputs import draw
from traversal import NAMES
from xzoo.cli import main
from xzoo.errors import XzooError
from xzoo.runs.result import BackboneFacts, CellResult
from xzoo.runs.store import RunFolder, find, slug


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in; what lies beside and above it must stay as it is."""
    inside = tmp_path / "a" / "b" / "root"
    inside.mkdir(parents=True)
    for place in (tmp_path, tmp_path / "a", tmp_path / "a" / "b"):
        for name in ("x", "evil", "keep"):
            (place / name).mkdir()
            (place / name / "file").write_text("mine")
    monkeypatch.chdir(inside)
    monkeypatch.setenv("XZOO_CACHE", str(inside / "cache"))

    def outside() -> set[tuple[str, bool]]:
        return {(str(path), path.is_file()) for path in tmp_path.rglob("*") if not path.is_relative_to(inside)}

    before, absolute = outside(), [path for path in (Path("/evil"), Path("/tmp/evil")) if path.exists()]
    yield inside
    assert outside() == before
    assert [path for path in (Path("/evil"), Path("/tmp/evil")) if path.exists()] == absolute


def test_there_are_fifty_names() -> None:
    assert len(set(NAMES)) >= 50


def result(name: str) -> CellResult:
    return CellResult(id=name, contender="c", backbone="b", weights="w", freeze="frozen", seed=0, status="done")


FACTS = BackboneFacts(params=1, params_with_auxiliary=1, gmacs=None, size=(2, 2), weights={}, latency=())
USES: dict[str, Callable[[RunFolder, str], object]] = {
    "cell": lambda run, name: run.write_cell(result(name), {"val_labels": np.zeros(2)}),
    "failure": lambda run, name: run.write_failure(result(name)),
    "tensors": lambda run, name: run.write_learnt(name, {"a": np.zeros(2, np.float32)}),
    "label": lambda run, name: run.write_facts(name, FACTS),
    "dropped cell": lambda run, name: run.drop_cell(name),
    "dropped tensors": lambda run, name: run.drop_learnt(name),
    "dropped checkpoints": lambda run, name: run.drop_checkpoints(name),
    "read cell": lambda run, name: run.cell(name),
    "read predictions": lambda run, name: run.predictions(name),
}


@pytest.mark.parametrize("use", USES)
def test_a_run_folder_keeps_to_itself(root: Path, use: str) -> None:
    run = RunFolder(root / "runs" / "one")
    for kind in ("cells", "learnt", "failed", "checkpoints"):
        (run.path / kind).mkdir(parents=True)
    for name in NAMES:
        with contextlib.suppress(XzooError):
            USES[use](run, name)
    assert {path.name for path in root.iterdir()} == {"runs"}
    assert {path.name for path in (root / "runs").iterdir()} == {"one"}
    assert {path.name for path in run.path.iterdir()} <= {"cells", "learnt", "failed", "checkpoints", "backbones"}


def test_a_slug_is_the_name_of_one_file() -> None:
    for name in NAMES:
        assert Path(slug(name)).name == slug(name)
        assert len(slug(name)) < 100
    assert len({slug(name) for name in NAMES}) == len(set(NAMES))


def test_a_run_is_found_only_where_there_is_one(root: Path) -> None:
    for name in NAMES:
        with pytest.raises(XzooError):
            find(name, root)


def answer(*words: str) -> int:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return main(words)


def test_classes_of_any_name_lead_nowhere_from_training_to_the_card(root: Path) -> None:
    names = [name for name in NAMES if name.strip() and "\0" not in name]
    draw(root / "good", [f"c{place}" for place in range(len(names))], each=6)
    rows = [{"path": f"good/c{place}/{number}.png", "label": name} for place, name in enumerate(names) for number in range(6)]
    (root / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    training = "compare convgap --data list.jsonl --epochs 1 --seeds 1 --freeze frozen --set size=16 --no-latency"
    assert answer(*training.split()) == 0
    for line in (
        "report last -o r.html",
        "report last -o r.csv",
        "report last --format card -o cards",
        "predict last good",
        "runs show last",
    ):
        assert answer(*line.split()) == 0, line
    assert answer("export", "last", "--to", "safetensors", "-o", "exported") == 0


def test_a_plugin_of_any_name_is_begun_here_or_refused(root: Path) -> None:
    for name in NAMES:
        if name.strip() and "\0" not in name and not name.startswith("-"):
            assert answer("plugins", "new", name) in {0, 2}
