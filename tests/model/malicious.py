"""Weights files that attack: what each is, what its refusal says, and a function that writes it.

The code that some hold makes a canary where it is let in. `python tests/model/malicious.py FOLDER` tries to read them all within
2 GB of memory and 10 seconds of work each, and prints a line of JSON for each.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import signal
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from crafted import ORDERED, PROTOCOL, Calls, Files, Write, overwritten, plain, rowed, state, storage, tensor, zipped
from malicious_tensors import contents, safetensors, tensors

INNER = b"ctorch._utils\n"
EXECUTED = "nothing in it was executed"
MEMORY, SECONDS = 2_000_000_000, 10


CALLS: dict[str, Callable[[Path], object]] = {
    "os.system": lambda canary: Calls(os.system, f"touch {canary}"),
    "eval": lambda canary: Calls(eval, f"open({str(canary)!r}, 'w')"),
    "exec": lambda canary: Calls(exec, f"open({str(canary)!r}, 'w').close()"),
    "getattr": lambda canary: Calls(getattr, canary, "touch"),
    "open": lambda canary: Calls(open, str(canary), "w"),
    "Path.touch": lambda canary: Calls(Path.touch, canary),
    "torch.load": lambda canary: Calls(torch.load, str(canary)),
    "torch.hub.load": lambda canary: Calls(torch.hub.load, str(canary), "net"),
    "a whole module": lambda canary: nn.Linear(2, 2),
}


def _saved(more: Callable[[Path], object], is_zip: bool) -> Write:
    return lambda path, canary: torch.save(
        {"w": torch.ones(2), "more": more(canary)}, path, _use_new_zipfile_serialization=is_zip
    )


def _zip_around(make: Callable[[Path], bytes]) -> Write:
    return lambda path, canary: zipped(path, make(canary))


def codes() -> Files:
    """Pickles that would do something."""
    files: Files = {f"{name} in a zip": (EXECUTED, _saved(more, True)) for name, more in CALLS.items()}
    files |= {f"{name} in a row of pickles": (EXECUTED, _saved(more, False)) for name, more in CALLS.items()}

    def system(canary: Path) -> bytes:
        return plain(Calls(os.system, f"touch {canary}"))

    pickles: dict[str, tuple[str, Callable[[Path], bytes]]] = {
        "a call beside the tensors": (EXECUTED, lambda c: state(system(c))),
        "a call for a name": (EXECUTED, lambda c: state(key=system(c))),
        "a call for a storage": (EXECUTED, lambda c: state(tensor(held=system(c)))),
        "a call for a shape's number": (EXECUTED, lambda c: state(tensor(storage(kind=system(c))))),
        "a call for hooks": (EXECUTED, lambda c: state(tensor(hooks=system(c)))),
        "hooks of a tensor": ("more than values", lambda c: state(tensor(hooks=b"}K\1K\2s"))),
        "a dotted name within an allowed module": (
            EXECUTED,
            lambda c: PROTOCOL + INNER + b"_rebuild_tensor_v2.__globals__\n.",
        ),
        "an importer within an allowed module": (
            EXECUTED,
            lambda c: PROTOCOL + INNER + b"_import_dotted_name\n)R.",
        ),
        "a storage that is a module": ("os", lambda c: PROTOCOL + b"ctorch\nserialization.osStorage\n."),
        "names of Python 2": (EXECUTED, lambda c: PROTOCOL + b"c__builtin__\neval\n" + plain(("1",)) + b"R."),
        "a call of what is no function": ("cannot be called", lambda c: PROTOCOL + ORDERED + b")R."),
        "a dict that hides its items": ("sets attributes", lambda c: PROTOCOL + ORDERED + plain({"items": 1}) + b"b."),
        "a state set on a tensor": ("sets attributes", lambda c: state(tensor() + plain({"grad_fn": 1}) + b"b")),
        "a new object": ("no checkpoint", lambda c: PROTOCOL + b"ccollections\nOrderedDict\n)\x81."),
        "another storage than that of tensors": (
            "storage that is none",
            lambda c: PROTOCOL + plain(("module", 0, 0, 0, 0)) + b"Q.",
        ),
        "a storage named as a path": ("storage that is none", lambda c: state(tensor(storage(key="../../../etc/passwd")))),
    }
    files |= {name: (says, _zip_around(make)) for name, (says, make) in pickles.items()}
    return files | {
        "a plain pickle": (EXECUTED, lambda p, c: p.write_bytes(pickle.dumps(Calls(Path.touch, c), 2))),
        "a plain pickle of protocol 4": ("no checkpoint", lambda p, c: p.write_bytes(pickle.dumps(Calls(Path.touch, c), 4))),
        "a plain pickle of protocol 0": ("no checkpoint", lambda p, c: p.write_bytes(pickle.dumps(Calls(Path.touch, c), 0))),
        "protocol 4 in a zip": ("no checkpoint", lambda p, c: zipped(p, pickle.dumps(Calls(Path.touch, c), 4))),
        "a call for keys of a row": (
            EXECUTED,
            lambda p, c: rowed(p, state(), pickle.dumps([Calls(Path.touch, c)], 2)),
        ),
        "a call for the machine of a row": (
            EXECUTED,
            lambda p, c: rowed(p, state(), machine={"x": Calls(Path.touch, c)}),
        ),
    }


def _tar(path: Path, canary: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            canary.with_name(name).write_bytes(pickle.dumps(Calls(Path.touch, canary), 2))
            archive.add(canary.with_name(name), name)


def _script(path: Path, _: Path) -> None:
    zipped(path, state(), {"data/0": bytes(16), "constants.pkl": b"\x80\x02).", "code/__torch__.py": b"import os"})


def _one_stored_for_many(path: Path, _: Path) -> None:
    """A thousand entries of the directory that share one part of a megabyte."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", state())
        archive.writestr("net/data/0", bytes(1_000_000))
        part = archive.infolist()[1]
        for number in range(1, 1000):
            copy = zipfile.ZipInfo(f"net/data/{number}")
            copy.header_offset, copy.CRC = part.header_offset, part.CRC
            copy.compress_size = copy.file_size = part.file_size
            archive.filelist.append(copy)
            archive.NameToInfo[copy.filename] = copy


def _twice(path: Path, canary: Path) -> None:
    zipped(path, state(), {"data/0": bytes(16), "data.pkX": pickle.dumps(Calls(Path.touch, canary), 2)})
    overwritten(path, b"data.pkX", b"data.pkl")


def _ended_twice(path: Path, canary: Path) -> None:
    zipped(path, state())
    path.write_bytes(path.read_bytes() + path.read_bytes()[-22:])


def _lied_size(path: Path, _: Path) -> None:
    """A storage whose directory entry claims a terabyte."""
    zipped(path, state(), {"data/0": bytes(16)})
    at = path.read_bytes().rindex(b"net/data/0") - 46
    data = bytearray(path.read_bytes())
    data[at + 20 : at + 28] = struct.pack("<II", 0xFFFFFFF0, 0xFFFFFFF0)
    path.write_bytes(data)


def _two_folders(path: Path, _: Path) -> None:
    zipped(path, state())
    overwritten(path, b"net/version", b"../version")


def _objects(path: Path, canary: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, w=np.array([Calls(Path.touch, canary)]))


def _many_parts(path: Path, _: Path) -> None:
    zipped(path, state())
    data = bytearray(path.read_bytes())
    data[-14:-10] = struct.pack("<HH", 60_000, 60_000)
    path.write_bytes(data)


def archives() -> Files:
    """Zip files and rows of pickles that lie about themselves."""
    return {
        "a bomb of packed zeros": (
            "packed parts",
            lambda p, c: zipped(p, state(), {"data/0": bytes(200_000_000)}, zipfile.ZIP_DEFLATED),
        ),
        "a packed pickle": ("packed parts", lambda p, c: zipped(p, state(), method=zipfile.ZIP_DEFLATED)),
        "a pickle packed by bzip2": ("packed parts", lambda p, c: zipped(p, state(), method=zipfile.ZIP_BZIP2)),
        "one part under a thousand names": ("larger than itself", _one_stored_for_many),
        "one name for two parts": ("torch.save did not write", _twice),
        "two endings": ("torch.save did not write", _ended_twice),
        "a part of a terabyte": ("larger than itself", _lied_size),
        "more parts than there are": ("torch.save did not write", _many_parts),
        "a tar of before torch 0.2": ("no checkpoint", _tar),
        "a program": ("TorchScript", _script),
        "a zip of something else": ("torch.save did not write", lambda p, c: zipped(p, state(), folder="a/b")),
        "arrays of numpy with objects": ("torch.save did not write", _objects),
        "two folders": ("torch.save did not write", _two_folders),
        "a storage that is not there": ("lacks values", lambda p, c: zipped(p, state(), {})),
        "a storage that is shorter": ("fewer or more", lambda p, c: zipped(p, state(), {"data/0": bytes(12)})),
        "a storage that is longer": ("fewer or more", lambda p, c: zipped(p, state(), {"data/0": bytes(1 << 20)})),
        "a row's storage that is not there": ("lacks values", lambda p, c: rowed(p, state(), b"\x80\x02].")),
        "a row's storage of another length": ("fewer or more", lambda p, c: rowed(p, state(), numel=1 << 40)),
        "a row's storage of a terabyte": ("truncated", lambda p, c: rowed(p, state(tensor(storage(1 << 38))), numel=1 << 38)),
        "something behind a row": ("behind its last value", lambda p, c: rowed(p, state(), data=bytes(1000))),
        "a row of the other byte order": ("byte order", lambda p, c: rowed(p, state(), machine={"little_endian": False})),
        "a row that ends in its pickle": (
            "truncated",
            lambda p, c: rowed(p, b"\x80\x02(", b"", data=b""),
        ),
    }


def all_files() -> Files:
    """Return every attack by its name."""
    groups = (codes(), archives(), tensors(), contents(), safetensors())
    found = {name: one for group in groups for name, one in group.items()}
    assert len(found) == sum(map(len, groups))
    return found


def file_of(folder: Path, number: int, name: str) -> Path:
    """Return where an attack is written."""
    return folder / f"{number}{'.safetensors' if name.startswith('safetensors') else '.pth'}"


def main(folder: Path) -> None:
    """Read every file that lies in the folder, held to the bounds, and print what came of it."""
    from xzoo.errors import XzooError
    from xzoo.model.checkpoint_file import read_tensors

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    for path in sorted(folder.iterdir(), key=lambda path: int(path.stem)):
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            read_tensors(path)
            told = ["it was read"]
        except XzooError as error:
            told = [error.text, error.remedy]
        except BaseException as error:
            told = [f"{type(error).__name__}: {error}"[:200]]
        print(json.dumps([int(path.stem), *told]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
