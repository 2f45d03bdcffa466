"""Declarations: backbones, weights, heads and freeze strategies as values that know nothing of torch."""
