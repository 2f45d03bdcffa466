"""Bytes that nodes lack, a pack's or a file of weights, put into the object store when the first of them asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from xzoo.compare.cluster.messages import PACK
from xzoo.compare.plan import Plan
from xzoo.data import moving
from xzoo.model import fetch


@dataclass(eq=False)
class Supplies:
    """What is in the object store of a plan: references by file of the pack, and of each backbone's weights by its label."""

    plan: Plan
    _sent: dict[str, Any] = field(default_factory=dict)

    def bring(self, what: str) -> None:
        """Put something there that is not there yet; what nobody here has either stays out. Raises OSError."""
        import ray

        if what in self._sent:
            return
        if what == PACK:
            self._sent[what] = {name: ray.put(content) for name, content in moving.files_of(self.plan.pack).items()}
        elif (path := fetch.where(self.plan.choices[what])) is not None:
            self._sent[what] = (ray.put(moving.mapped(path)),)

    def of(self, labels: Sequence[str]) -> dict[str, Any]:
        """Return what is there for jobs of these backbones."""
        return {what: self._sent[what] for what in (*labels, PACK) if what in self._sent}
