"""Python imports this when it starts: the processes that tests start are held to the loopback too."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path

_HERE = Path(__file__).parent

if os.environ.get("XZOO_TESTS_LEFT_THE_MACHINE"):
    import loopback

    sys.addaudithook(loopback.refuse)

# The one that stood behind this one is imported as well.
_rest = [place for place in sys.path if Path(place or ".").absolute() != _HERE]
_next = importlib.machinery.PathFinder.find_spec("sitecustomize", _rest)
if _next is not None and _next.loader is not None:
    _next.loader.exec_module(importlib.util.module_from_spec(_next))
