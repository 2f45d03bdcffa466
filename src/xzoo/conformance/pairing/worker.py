"""A process that does one side's work when told to, and sleeps on its pipe in between.

Reads a line `WORK BACKBONE BATCH`, answers `ready`, or `elsewhere` where no code of its folder was imported; then for each line
`N` does the work N times after one uncounted time, and answers as JSON the seconds of each, by the wall's clock and by the
processor's, and how often it waited. Runs whichever code is first on PYTHONPATH.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time


def main() -> None:
    """Serve until the pipe is closed."""
    name, backbone, batch = sys.stdin.readline().split()
    from xzoo.conformance.workloads import open_work

    with open_work(name, backbone, int(batch)) as work:
        gc.collect()
        gc.freeze()
        gc.disable()
        print("ready" if _imported_from_here() else "elsewhere", flush=True)
        for line in sys.stdin:
            work()
            wall, processor, waited = [], [], _num_waits()
            for _ in range(int(line)):
                began = (time.perf_counter(), time.process_time())
                work()
                ended = (time.perf_counter(), time.process_time())
                wall.append(ended[0] - began[0])
                processor.append(ended[1] - began[1])
            print(json.dumps({"wall": wall, "processor": processor, "waits": _num_waits() - waited}), flush=True)


def _imported_from_here() -> bool:
    here = os.path.join(os.path.realpath("."), "")  # noqa: PTH118
    return any(str(getattr(module, "__file__", None) or "").startswith(here) for module in list(sys.modules.values()))


def _num_waits() -> int:
    """Count the times this process gave its core away because it had to wait, not because another took it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


if __name__ == "__main__":
    main()
