"""Predictions, metrics and latency."""
