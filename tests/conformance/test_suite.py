"""`pytest --xzoo-check NAME`, as an author of a backbone runs it: in a process and a folder of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

NET = """
import xzoo


def build():
    from torch import nn

    body = [nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(4, 10))


net = xzoo.Backbone(
    name="net",
    build=build,
    head=xzoo.ReplaceLinear("5"),
    stages={"stem": ("0", "1")},
    preprocess=xzoo.Preprocess(size=16),
    summary="one convolution",
    freeze="finetune",
    expected_failures=[xzoo.ExpectedFailure("licence", "its author has not decided", "https://example.org/1")],
)
"""


def test_every_check_is_a_test_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mynet.py").write_text(NET)
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--xzoo-check", "./mynet.py:net", "-rA"]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 1, done.stdout
    [failed] = re.findall(r"^FAILED \S*\[(\S+)\]", done.stdout, re.MULTILINE)
    assert failed == "./mynet.py:net-sizes"
    assert "change: min_size=3" in done.stdout
    assert "XFAIL" in done.stdout
    assert "its author has not decided (https://example.org/1)" in done.stdout
    passed, skipped = (int(found) for found in re.findall(r"(\d+) passed, (\d+) skipped", done.stdout)[0])
    assert passed > 40
    assert passed + skipped + 2 > 50
