"""Whether what was frozen stayed as it was, and what should learn did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xzoo.report.reading import Reading


@dataclass(frozen=True, kw_only=True)
class ProofRow:
    """A contender: how many of its cells' proofs hold, and the tensors that moved or stayed against the promise."""

    number: int
    id: str
    freeze: str
    learning_params: int | None
    params: int | None
    cells: int
    holds: int
    moved: Sequence[str]
    stayed: Sequence[str]
    too_small: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Proofs:
    """A row per contender; `cells` and `holds` count all of them, `unproven` those whose result has no proof."""

    rows: Sequence[ProofRow]
    cells: int
    holds: int
    unproven: int


def proofs(reading: Reading) -> Proofs:
    """Return what the proofs of all finished cells say."""
    rows, unproven = [], 0
    for number, one in enumerate(reading.outcome.contenders, 1):
        done = reading.done(one)
        proven = [(cell, cell.proof) for cell in done if cell.proof is not None]
        unproven += len(done) - len(proven)
        rows.append(
            ProofRow(
                number=number,
                id=one.id,
                freeze=one.freeze,
                learning_params=one.learning_params,
                params=one.params,
                cells=len(proven),
                holds=sum(proof.holds for _, proof in proven),
                moved=_names(name for _, proof in proven for name in proof.should_stay_moved),
                stayed=_names(name for _, proof in proven for name in proof.should_learn_did_not),
                too_small=_names(name for cell in done for name in cell.steps_below_resolution),
            )
        )
    cells, holds = (sum(getattr(row, name) for row in rows) for name in ("cells", "holds"))
    return Proofs(rows=rows, cells=cells, holds=holds, unproven=unproven)


def _names(names: Iterable[str]) -> Sequence[str]:
    return list(dict.fromkeys(names))
