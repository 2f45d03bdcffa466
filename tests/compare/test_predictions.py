"""Models trained elsewhere: files of predictions read, matched by path, and held against each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xzoo
from xzoo.compare.prediction_files import read
from xzoo.errors import DataError, UsageError

N = 200
LABELS = ["normal" if place % 2 else "pneumonia" for place in range(N)]


def chances(seed: int, strength: float) -> list[float]:
    """Return the probability of pneumonia for each image, the nearer the truth the greater the strength."""
    rng = np.random.default_rng(seed)
    ill_N = np.array(LABELS) == "pneumonia"
    return [float(p) for p in 1 / (1 + np.exp(-(strength * (2 * ill_N - 1) + rng.normal(size=N))))]


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    """Write rows as .csv, an object as its JSON, or as .jsonl."""
    file = folder / name
    if name.endswith(".jsonl"):
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return file
    quoted = [
        [f'"{json.dumps(v).replace(chr(34), chr(34) * 2)}"' if isinstance(v, dict) else str(v) for v in row.values()]
        for row in rows
    ]
    file.write_text("\n".join([",".join(rows[0]), *(",".join(row) for row in quoted)]) + "\n")
    return file


def named(seed: int, strength: float, **more: Any) -> list[dict[str, Any]]:
    return [
        {"path": f"{place}.png", "label": label, "probabilities": {"normal": 1 - p, "pneumonia": p}, **more}
        for place, (label, p) in enumerate(zip(LABELS, chances(seed, strength), strict=True))
    ]


def test_a_good_and_a_poor_model_are_ranked_with_intervals_and_a_verdict(tmp_path: Path) -> None:
    files = [write(tmp_path, "good.csv", named(0, 3)), write(tmp_path, "poor.csv", named(1, 0.8))]
    found = xzoo.compare_predictions(files)
    assert [(row.id, row.rank, row.worst_rank, row.guessing) for row in found.contenders] == [
        ("good", 1, 1, False),
        ("poor", 2, 2, False),
    ]
    assert (found.images, found.patients, found.positive, found.guess) == (N, None, "pneumonia", 0.5)
    [one] = found.comparisons
    assert (one.a, one.b, one.verdict, one.split) == ("good", "poor", "ahead", "given")
    figures = found.contenders[0].figures
    assert figures.accuracy is not None
    right = np.mean([(p > 0.5) == (label == "pneumonia") for p, label in zip(chances(0, 3), LABELS, strict=True)])
    assert figures.accuracy.value == pytest.approx(right)
    assert figures.auroc is not None
    assert figures.auroc.low is not None
    assert one.auroc is not None
    assert found.findings == []


def test_answers_in_the_place_of_labels_are_noticed(tmp_path: Path) -> None:
    """`xzoo predict` writes its answer under `label`, and models held against their own answers are never wrong."""
    rows = [{**row, "label": max(row["probabilities"], key=row["probabilities"].get)} for row in named(0, 1.0)]
    files = [write(tmp_path, f"{name}.csv", rows) for name in ("one", "two")]
    assert "answers-as-labels" in {one.id for one in xzoo.compare_predictions(files).findings}
    files.append(write(tmp_path, "three.csv", [{**row, "probabilities": {"normal": 0.5, "pneumonia": 0.5}} for row in rows]))
    assert "answers-as-labels" not in {one.id for one in xzoo.compare_predictions(files).findings}


def test_a_model_that_guesses_is_called_so(tmp_path: Path) -> None:
    files = [write(tmp_path, f"{name}.csv", named(seed, 0.0)) for seed, name in enumerate(("heads", "tails"))]
    found = xzoo.compare_predictions(files)
    assert [one.verdict for one in found.comparisons] == ["not distinguishable from guessing"]
    assert {one.id for one in found.findings} == {"chance"}
    assert [row.rank for row in found.contenders] == [1, 1]


def forms() -> dict[str, list[dict[str, Any]]]:
    """Return the same predictions as they may be written."""
    rows = named(0, 2)
    return {
        "object.csv": rows,
        "object.jsonl": rows,
        "columns.csv": [{"path": row["path"], "label": row["label"], **row["probabilities"]} for row in rows],
        "spaces.csv": [{**row, "probabilities": " ".join(map(str, row["probabilities"].values()))} for row in rows],
        "list.jsonl": [{**row, "probabilities": list(row["probabilities"].values())} for row in rows],
        "one.csv": [{**row, "probabilities": row["probabilities"]["pneumonia"]} for row in rows],
        "one.jsonl": [{**row, "probabilities": row["probabilities"]["pneumonia"]} for row in rows],
        "reversed.csv": rows[::-1],
    }


@pytest.mark.parametrize("name", forms())
def test_probabilities_may_be_written_in_several_ways(tmp_path: Path, name: str) -> None:
    found = read([write(tmp_path, name, forms()[name])])
    assert found.classes == ("normal", "pneumonia")
    order = np.argsort([int(Path(path).stem) for path in found.paths])
    assert found.chances[Path(name).stem][order, 1] == pytest.approx(chances(0, 2))
    assert [found.classes[label] for label in found.labels_N[order]] == LABELS


def test_numbered_classes_need_no_names_and_may_be_absent(tmp_path: Path) -> None:
    rows = [{"path": f"{place}", "label": str(place % 2), "probabilities": "0.2;0.5;0.3"} for place in range(4)]
    found = read([write(tmp_path, "a.csv", rows)])
    assert found.classes == ("0", "1", "2")
    assert found.labels_N.tolist() == [0, 1, 0, 1]


def test_images_that_only_one_file_has_are_left_out_and_counted(tmp_path: Path) -> None:
    files = [write(tmp_path, "a.csv", named(0, 2)), write(tmp_path, "b.csv", named(1, 2)[:150])]
    found = xzoo.compare_predictions(files)
    assert found.images == 150
    assert [one.id for one in found.findings] == ["left-out"]
    assert found.findings[0].text.startswith("50 images")


def test_patients_are_what_is_counted_where_they_are_known(tmp_path: Path) -> None:
    rows = [{**row, "group": f"patient {place // 8}"} for place, row in enumerate(named(0, 2))]
    bare = named(1, 1.2)
    files = [write(tmp_path, "a.csv", rows), write(tmp_path, "b.csv", bare)]
    found = xzoo.compare_predictions(files)
    assert found.patients == 25
    assert "patient" in found.comparisons[0].test
    alone = xzoo.compare_predictions([write(tmp_path, "c.csv", named(0, 2)), files[1]])
    assert found.comparisons[0].difference.value == alone.comparisons[0].difference.value
    assert found.comparisons[0].p != alone.comparisons[0].p


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": "covid"}, "no probabilities are given for the label covid"),
        ({"probabilities": {"normal": 0.9, "pneumonia": 0.9}}, "are no probabilities"),
        ({"probabilities": {"normal": 2.0, "pneumonia": -1.0}}, "are no probabilities"),
        ({"probabilities": {"normal": 0.5}}, "not all numbers"),
        ({"probabilities": "a b"}, "cannot be read"),
        ({"probabilities": [0.2, 0.3, 0.5]}, "2 classes"),
        ({"path": "1.png"}, "twice: 1.png"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    rows = named(0, 2)
    rows[0] = {**rows[0], **change}
    with pytest.raises(DataError, match=said):
        read([write(tmp_path, "a.jsonl", rows)])


def test_files_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    rows = named(1, 2)
    first = write(tmp_path, "a.csv", named(0, 2, group="ann"))
    rows[3] = {**rows[3], "label": "pneumonia"}
    with pytest.raises(DataError, match=r"the label of 3.png is normal in a, pneumonia in b"):
        read([first, write(tmp_path, "b.csv", rows)])
    with pytest.raises(DataError, match=r"the group of 0\.png"):
        read([first, write(tmp_path, "c.csv", named(1, 2, group="bob"))])
    with pytest.raises(DataError, match="has the classes"):
        read(
            [
                first,
                write(
                    tmp_path,
                    "d.jsonl",
                    [{**row, "probabilities": {"normal": 0.4, "pneumonia": 0.4, "x": 0.2}} for row in named(1, 2)],
                ),
            ]
        )
    with pytest.raises(DataError, match="no image is in all of"):
        read([first, write(tmp_path, "e.csv", [{**row, "path": f"other/{row['path']}"} for row in named(1, 2)])])


def test_words_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", named(0, 2))
    with pytest.raises(DataError, match="there is no file"):
        xzoo.compare_predictions([tmp_path / "none.csv"])
    with pytest.raises(DataError, match="given twice"):
        xzoo.compare_predictions([file, file])
    with pytest.raises(UsageError, match="--positive 'covid'"):
        xzoo.compare_predictions([file], positive="covid")
    with pytest.raises(UsageError, match="margin 0"):
        xzoo.compare_predictions([file], margin=0)
    with pytest.raises(UsageError, match="no file"):
        xzoo.compare_predictions([])


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
    files = [write(tmp_path / name, "test.csv", named(seed, 2)) for seed, name in enumerate("xy")]
    assert {row.id for row in xzoo.compare_predictions(files).contenders} == {str(file) for file in files}
