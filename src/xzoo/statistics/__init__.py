"""Intervals and tests on plain arrays: numpy and scipy alone."""
