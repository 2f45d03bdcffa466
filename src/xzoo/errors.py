"""Errors a user can meet: each says what happened, where, and what to do, and carries its exit code."""

from __future__ import annotations

from typing import ClassVar


class XzooError(Exception):
    """Something xzoo can explain. `text` says what and where, `remedy` what to do about it."""

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 70

    def __init__(self, text: str, remedy: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.text}\n{self.remedy}" if self.remedy else self.text

    def __reduce__(self) -> tuple[type[XzooError], tuple[str, str]]:
        return type(self), (self.text, self.remedy)


class CheckError(XzooError):
    """A check or gate said no."""

    kind = "check"
    exit_code = 1


class UsageError(XzooError):
    """A word on the command line, an argument or a recipe value that cannot be used."""

    kind = "usage"
    exit_code = 2


class DataError(XzooError):
    """Data that cannot be used: unreadable, too few, contradictory."""

    kind = "data"
    exit_code = 2


class UnavailableError(XzooError):
    """Something needed is not here: weights, the network, a device, an extra."""

    kind = "unavailable"
    exit_code = 3


class WeightsError(UnavailableError):
    """Weights that are missing, altered, or made for another network."""

    kind = "weights"


class PluginError(UnavailableError):
    """A plugin that fails to load or declares what it does not keep."""

    kind = "plugin"


class CellError(XzooError):
    """A cell that cannot be trained as asked; other cells go on."""

    kind = "cell"
    exit_code = 4


class PreflightError(CellError):
    """Found before the first step: nothing would be learnt, or not what was promised."""

    kind = "preflight"


class ProofError(CellError):
    """Found after training: a frozen tensor moved, or one that should learn did not."""

    kind = "proof"


class StorageError(XzooError):
    """A full, read-only or failing disk."""

    kind = "storage"
    exit_code = 5
