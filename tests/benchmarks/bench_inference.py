"""Inference latency of every reported backbone: `pytest tests/benchmarks/bench_inference.py`. A plain `pytest` passes it over."""

from xzoo.conformance.benchmarks import pytest_generate_tests, test_inference

__all__ = ["pytest_generate_tests", "test_inference"]
