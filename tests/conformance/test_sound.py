"""Sound backbones pass every check: of any kind that plants are made of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xzoo.conformance.check import checks
from xzoo.conformance.verdicts import BLOCKED, FAILED, Verdict

Ask = Callable[[str, str], Verdict]


@pytest.mark.parametrize(
    "name", ["sound", "sound-weights", "sound-auxiliaries", "sound-convolution", "sound-heads", "sound-tokens"]
)
def test_a_sound_backbone_passes_every_check(name: str, ask: Ask) -> None:
    verdicts = [ask(name, one.name) for one in checks()]
    assert [verdict for verdict in verdicts if verdict.status in {FAILED, BLOCKED}] == []
    assert len({verdict.check for verdict in verdicts}) == len(verdicts) > 40
