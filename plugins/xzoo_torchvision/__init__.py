"""Torchvision's classification networks as backbones: one module per architecture, figures from `weights.json`."""
