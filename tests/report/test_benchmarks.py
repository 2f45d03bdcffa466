from __future__ import annotations

import dataclasses

from xzoo.compare.timings import Benchmark, FromFile, InferenceRow, TrainingRow
from xzoo.report.benchmarks import benchmark_text
from xzoo.runs.result import Measure

ENVIRONMENT = {"device": "a processor", "threads": 2, "versions": {"torch": "2.15.0"}, "load": [1.04, 3.0]}
FILES = FromFile(
    p50_ms=Measure(20.0, 19.0, 21.0, 20),
    p90_ms=None,
    p99_ms=None,
    images_per_second=Measure(50.0, 48.0, 53.0, 20),
    calls=20,
    rank=1,
    reasons={},
)
ROW = InferenceRow(
    backbone="net@random",
    engine="eager",
    asked="bf16",
    batch=1,
    precision="bf16",
    p50_ms=Measure(12.345, 11.987, 13.04, 20),
    p90_ms=Measure(15.0, 14.0, 16.0, 200),
    images_per_second=Measure(81.0, 76.0, 83.0, 20),
    calls=200,
    rank=1,
    from_file=FILES,
    cold_seconds=1.5,
    weights_mb=123.45,
)
FAILED = InferenceRow(
    backbone="net@random",
    engine="openvino",
    asked="bf16",
    batch=1,
    error={"kind": "unavailable", "text": "it cannot be converted", "remedy": "use the engine eager"},
)
STEP = TrainingRow(
    backbone="net@random",
    freeze="last:1",
    precision="bf16",
    batch=8,
    trains_on="activations",
    step_ms=Measure(250.4, 240.1, 260.2, 6),
    images_per_second=Measure(31.9, 30.0, 33.0, 6),
    rank=1,
    cold_seconds=2.0,
)
FOUND = Benchmark(environment=ENVIRONMENT, rows=(ROW, FAILED), training=(STEP,), notes=("from file: a drawn one",))


def lines_with(word: str, found: Benchmark = FOUND) -> list[str]:
    return [" ".join(line.split()) for line in benchmark_text(found).splitlines() if word in line]


def test_a_row_has_figures_with_intervals_and_the_speed_of_its_weights() -> None:
    # 123.45 MB in 12.345 ms are 10 GB/s.
    [line] = [line for line in lines_with("net@random") if "eager" in line and "failed" not in line]
    assert line == "1 net@random eager bf16 12.3 (12-13) 15 81 20 (19-21) 50 1.50 10.0"


def test_columns_that_hold_nothing_are_left_out() -> None:
    assert lines_with("p99") == []
    assert lines_with("peak MiB") == []
    with_peak = dataclasses.replace(FOUND, rows=(dataclasses.replace(ROW, peak_memory_mb=321.4),))
    assert len(lines_with("peak MiB", with_peak)) == 1
    assert lines_with("321", with_peak) != []


def test_training_names_what_is_trained_on() -> None:
    [line] = lines_with("activations")
    assert line == "1 net@random last:1 activations bf16 250 (240-260) 31.9 2.00"
    assert lines_with("8 images a step") != []


def test_a_failure_is_told_once_with_its_rows() -> None:
    twice = dataclasses.replace(FOUND, rows=(ROW, FAILED, dataclasses.replace(FAILED, asked="fp32")))
    text = " ".join(benchmark_text(twice).split())
    assert text.count("it cannot be converted") == 1
    assert "use the engine eager (openvino bf16 batch 1, openvino fp32 batch 1)" in text


def test_the_first_line_says_where_and_under_what_load() -> None:
    assert benchmark_text(FOUND).splitlines()[0] == "a processor, 2 threads, torch 2.15.0, load 1.0 to 3.0"


def test_a_table_of_nothing_is_left_out() -> None:
    nothing = dataclasses.replace(FOUND, rows=(FAILED,), training=())
    assert "at once" not in benchmark_text(nothing)
    assert "failed:" in benchmark_text(nothing)
