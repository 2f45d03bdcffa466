"""What OpenVINO's library does beside computing: it must not be felt."""

from __future__ import annotations

import subprocess
import sys

import pytest

TWO_ENGINES = """
import gc, os, signal, torch
from torch import nn
from xzoo.evaluate.engines.openvino import OpenVino
from xzoo.train.device import Device

signal.signal(signal.SIGINT, signal.default_int_handler)
images_BCHW = torch.zeros(2, 3, 8, 8)
engines = [OpenVino().load(nn.Conv2d(3, 4, 3), images_BCHW, Device("cpu", "fp32", 1)) for _ in range(2)]
while engines:
    engines.pop(0)(images_BCHW)
    gc.collect()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("heard")
"""
LOADED = """
import sys
from xzoo.evaluate.engines.openvino import library

print(library().__name__, [name for name, module in sys.modules.items() if name.startswith("openvino_telemetry") and module])
"""


@pytest.fixture(autouse=True)
def _installed() -> None:
    pytest.importorskip("openvino")


def told(code: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout.strip()


def test_ctrl_c_is_heard_after_engines_that_are_gone() -> None:
    assert told(TWO_ENGINES) == (0, "heard")


def test_importing_it_reports_to_nobody() -> None:
    assert told(LOADED) == (0, "openvino []")
