"""Weights files that lie about their tensors, that take memory or time, or that are no state dict: a part of malicious.py."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from crafted import PROTOCOL, Calls, Files, Write, entry, plain, safe, state, storage, tensor, zipped


def tensors() -> Files:
    """Tensors that reach out of their storage, share places, or are of kinds that no network has."""
    many = plain(10**9)
    lies: dict[str, tuple[str, bytes]] = {
        "a shape far beyond the storage": ("out of its storage", state(tensor(shape=(1 << 30, 1 << 20), stride=(1 << 20, 1)))),
        "a shape that overflows": ("shape is none", state(tensor(shape=(1 << 40, 1 << 40), stride=(1 << 40, 1)))),
        "a stride out of the storage": ("out of its storage", state(tensor(stride=(1 << 40, 1)))),
        "an offset out of the storage": ("out of its storage", state(tensor(offset=1))),
        "a negative offset": ("shape is none", state(tensor(offset=-4))),
        "a negative stride": ("shape is none", state(tensor(stride=(-2, 1)))),
        "a billion values in one place": ("share one place", state(tensor(shape=(10**9, 4), stride=(0, 1)))),
        "rows that overlap": ("share one place", state(tensor(shape=(2, 2), stride=(1, 1)))),
        "a shape of texts": ("shape is none", state(tensor(shape=("2", "2")))),
        "more strides than dimensions": ("shape is none", state(tensor(stride=(2, 1, 1)))),
        "a thousand dimensions": ("shape is none", state(tensor(shape=(1,) * 1000, stride=(1,) * 1000))),
        "a storage of fewer than no values": ("storage that is none", state(tensor(storage(-4)))),
        "a tensor over a number": ("without values", state(tensor(held=many))),
        "one storage of two sizes": (
            "two sizes",
            state(tensor() + b"s" + plain("b") + tensor(storage(1 << 40))),
        ),
        "complex numbers": ("ComplexFloat tensors", state(tensor(storage(2, b"ctorch\nComplexFloatStorage\n")))),
        "quantised numbers": ("QInt8 tensors", state(tensor(storage(16, b"ctorch\nQInt8Storage\n")))),
    }
    others = {
        "_rebuild_qtensor": "a quantised tensor",
        "_rebuild_wrapper_subclass": "a tensor of a class of its own",
        "_rebuild_nested_tensor": "a nested tensor",
    }
    lies |= {f"{what}, asked for": (what, state(f"ctorch._utils\n{name}\n)R".encode())) for name, what in others.items()}
    kinds: dict[str, Callable[[], torch.Tensor]] = {
        "a sparse tensor": lambda: torch.eye(3).to_sparse(),
        "a tensor without values": lambda: torch.ones(3, device="meta"),
        "a tensor of a type that networks do not have": lambda: torch.ones(3).to(torch.float8_e4m3fn),
    }
    files: Files = {name: (says, _zip_of(one)) for name, (says, one) in lies.items()}
    return files | {name: (name, _save_of(make)) for name, make in kinds.items()}


def _zip_of(pickled: bytes) -> Write:
    return lambda path, _: zipped(path, pickled)


def _save_of(make: Callable[[], torch.Tensor]) -> Write:
    return lambda path, _: torch.save({"w": make()}, path)


def _safe_of(head: object) -> Write:
    return lambda path, _: safe(path, head)


def contents() -> Files:
    """Pickles that take memory or time, and what is no state dict."""
    deep = {
        "tuples in tuples for a name": ("tuple for a name", state(key=b")" + b"\x85" * 1_000_000)),
        "a name whose hash never ends": ("tuple for a name", state(key=b")" + b"q\0h\0\x86" * 100)),
        "a name of one hash with all others": ("int for a name", state(key=plain((1 << 61) - 1))),
        "a list that holds itself": ("no state dict", PROTOCOL + b"]q\0h\0a."),
        "a state dict in itself": ("no state dict", PROTOCOL + b"}q\0" + plain("state_dict") + b"h\0s."),
        "dicts in dicts": ("no checkpoint", PROTOCOL + (b"}" + plain("model")) * 1_500_000 + b"}" + b"s" * 1_500_000 + b"."),
        "a memo of billions": ("truncated or no checkpoint", PROTOCOL + b"Nr\xff\xff\xff\xffh\xfe."),
        "a text longer than the file": ("truncated or no checkpoint", PROTOCOL + b"X\xff\xff\xff\xffabc."),
        "a text of millions of letters": ("letters", PROTOCOL + plain("\x1b[2J" * 1_000_000) + b"."),
        "a mark that is not there": ("truncated or no checkpoint", PROTOCOL + b"t."),
        "an end without a beginning": ("truncated or no checkpoint", PROTOCOL + b"."),
        "numbers for names": ("names a tensor 1", state(key=b"K\1")),
        "a list of tensors": ("a list, no state dict", PROTOCOL + b"]" + tensor() + b"a."),
        "one tensor": ("a tensor, no state dict", PROTOCOL + tensor() + b"."),
        "texts for tensors": ("no state dict", state(plain("\x1b[31mred"))),
    }
    files: Files = {name: (says, _zip_of(one)) for name, (says, one) in deep.items()}
    return files | {
        "millions of steps": ("no checkpoint", lambda p, c: zipped(p, PROTOCOL + b"N" * 30_000_000 + b".")),
        "a pickle of 70 MB": ("far longer", lambda p, c: zipped(p, PROTOCOL + b"N" * 70_000_000 + b".")),
    }


def safetensors() -> Files:
    """Heads of .safetensors files that lie."""
    heads: dict[str, tuple[str, Any]] = {
        "overlapping values": ("overlap", {"a": entry(), "b": entry(8, 24)}),
        "a gap between values": ("gaps", {"a": entry(0, 16), "b": entry(20, 36)}),
        "values behind the end": ("end elsewhere", {"a": entry(0, 1 << 40, shape=[1 << 38])}),
        "values before the head": ("shape of 'a' is none", {"a": entry(-16, 0)}),
        "fewer values than the shape": ("fewer or more", {"a": entry(shape=[1 << 30])}),
        "a shape that overflows": ("fewer or more", {"a": entry(shape=[1 << 40, 1 << 40])}),
        "a negative shape": ("is none", {"a": entry(shape=[-2, -2])}),
        "a shape of texts": ("is none", {"a": entry(shape=["2", "2"])}),
        "one name twice": ("no list of tensors", b'{"a":%b,"a":%b}' % ((json.dumps(entry()).encode(),) * 2)),
        "one field twice": ("no list of tensors", b'{"a":{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}}'),
        "an unknown type": ("of type 'PICKLE'", {"a": entry(kind="PICKLE")}),
        "a type of quantised numbers": ("of type 'F8_E4M3'", {"a": entry(0, 16, "F8_E4M3", [16])}),
        "lists in lists": ("no list of tensors", b"[" * 1_000_000),
        "letters of no alphabet": ("no list of tensors", b'{"\xff\xfe":{}}'),
        "a list of no tensors": ("no list of tensors", []),
        "a number of a million digits": ("no list of tensors", b'{"a":' + b"9" * 1_000_000 + b"}"),
        "metadata of its own": ("metadata", {"__metadata__": {"x": {"y": 1}}, "a": entry()}),
        "more fields": ("is no tensor", {"a": {**entry(), "code": "import os"}}),
    }
    files: Files = {name: (says, _safe_of(head)) for name, (says, head) in heads.items()}
    files |= {
        "a head longer than the file": ("longer than the file", lambda p, c: p.write_bytes(b"\xff" * 8 + b"{}")),
        "a head of 90 MB": ("more than any network", lambda p, c: safe(p, b" " * 90_000_000)),
        "a pickle under its name": ("longer than the file", lambda p, c: p.write_bytes(pickle.dumps(Calls(Path.touch, c), 2))),
        "seven bytes": ("longer than the file", lambda p, c: p.write_bytes(bytes(7))),
    }
    return {f"safetensors: {name}": one for name, one in files.items()}
