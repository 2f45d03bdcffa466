"""CUDA graphs of training: what keeps a step from being recorded, and the recording itself."""

from __future__ import annotations

import contextlib
import functools
import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch

from xzoo.errors import CellError
from xzoo.train.device import Device

Run = Callable[[], None]


class NotRecordableError(Exception):
    """Why work could not be recorded; the device is as it was before."""


class Recorder(Protocol):
    """Something that records work on a device and replays it."""

    def watched(self, run: Run) -> str:
        """Do the work, and return why it must not be recorded; nothing where it may be."""
        ...

    def record(self, run: Run) -> Run:
        """Return what replays the work on the same memory; nothing is computed yet. Raises NotRecordableError, CellError."""
        ...


def recorder_of(device: Device) -> Recorder | None:
    """Return what records steps on this device; None on a CPU, and where ranks wait for each other in a step."""
    return CudaRecorder(device.kind) if device.kind.startswith("cuda") and not device.ranks.are_many else None


class CudaRecorder:
    """Records kernels with torch's CUDA graphs, on a stream of its own, as torch's notes on them ask.

    A replay draws what the same step made eagerly would draw: the device's generator goes on from where it stands (torch's
    ATen/cuda/CUDAGeneratorImpl.h, note "CUDA Graph-safe RNG states").
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def watched(self, run: Run) -> str:
        """Do the work with torch telling each wait for the device, which a graph cannot hold."""
        with self._aside(), warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            mode = torch.cuda.get_sync_debug_mode()
            torch.cuda.set_sync_debug_mode("warn")
            try:
                fault = host_draws(run)
            finally:
                torch.cuda.set_sync_debug_mode(mode)
        waits = False
        for one in told:
            if "called a synchronizing CUDA operation" in str(one.message):
                waits = True
            elif "Synchronization debug mode is a prototype" not in str(one.message):
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        return "the network waits for the device in its forward or backward pass" if waits else fault

    def record(self, run: Run) -> Run:
        """Record; other threads may go on copying meanwhile."""
        graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
        try:
            with self._aside(), self._recording(graph, pool):
                run()
        except Exception as error:  # any network may come here, and one that cannot be recorded is trained eagerly
            self._mend(pool)
            raise NotRecordableError(str(error).strip().partition("\n")[0] or type(error).__name__) from error
        return graph.replay

    @functools.cached_property
    def _stream(self) -> torch.cuda.Stream:
        return torch.cuda.Stream(self.kind)  # type: ignore[no-untyped-call]

    @contextlib.contextmanager
    def _aside(self) -> Iterator[None]:
        """Work on the recorder's own stream, behind what the caller's has been given and before what it will be given."""
        here = torch.cuda.current_stream(self.kind)
        self._stream.wait_stream(here)
        # torch 2.11 leaves the stream of a recording that failed the current one (torch/cuda/graphs.py); this context does not.
        with torch.cuda.stream(self._stream):
            yield
        here.wait_stream(self._stream)

    def _recording(self, graph: torch.cuda.CUDAGraph, pool: Any) -> torch.cuda.graph:
        return torch.cuda.graph(graph, pool=pool, stream=self._stream, capture_error_mode="thread_local")

    def _mend(self, pool: Any) -> None:
        """Put the allocator and the generator back after a recording that failed: torch 2.11 leaves both recording.

        Raises CellError where the device cannot be recorded on any more.
        """
        index = self._stream.device.index
        with contextlib.suppress(Exception):  # it had ended already
            torch._C._cuda_endAllocateToPool(index, pool)
            torch._C._cuda_releasePool(index, pool)
        value = torch.zeros((), device=self.kind)
        try:
            # A recording that ends as it should leaves the generator in order, whatever the one before did to it.
            with self._aside(), self._recording(torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()):
                value.add_(1)
        except RuntimeError as error:
            raise CellError(
                f"the device did not recover from a step that could not be recorded: {str(error).partition(chr(10))[0]}",
                "run it with --device cpu, and tell the authors of the backbone",
            ) from error


def host_draws(run: Callable[[], object]) -> str:
    """Do the work, and say so where it drew random numbers on the host: a recording would repeat what they decided."""
    before = _host_generators()
    run()
    return "" if _host_generators() == before else "the network draws random numbers on the host"


def _host_generators() -> tuple[object, ...]:
    of_numpy = np.random.get_state(legacy=False)["state"]
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), of_numpy["key"].tobytes(), of_numpy["pos"]


@contextlib.contextmanager
def repeatable() -> Iterator[None]:
    """Let cuDNN choose among the algorithms alone that give the same every time."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before
