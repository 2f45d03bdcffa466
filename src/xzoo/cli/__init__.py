"""The command line: a thin layer over the Python calls."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    from xzoo.cli.frame import run

    return run(argv)
