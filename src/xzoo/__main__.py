"""`python -m xzoo`, as launchers such as torchrun start it."""

from __future__ import annotations

import sys

from xzoo.cli import main

if __name__ == "__main__":
    sys.exit(main())
