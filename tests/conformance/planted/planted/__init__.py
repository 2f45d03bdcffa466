"""Backbones with one defect each, and their healthy twins; written from the contract's text, not from the checks."""
