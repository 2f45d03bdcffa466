"""Feature pass and training step of the reported backbones: `pytest tests/benchmarks/bench_training.py`."""

from xzoo.conformance.benchmarks import pytest_generate_tests, test_feature_pass, test_training_step

__all__ = ["pytest_generate_tests", "test_feature_pass", "test_training_step"]
